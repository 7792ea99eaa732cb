#include "fuzz/target.h"
#include "support/layers.h"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace peftbench::hostile {

using namespace layers;

const std::vector<Target>& targets() {
  static const std::vector<Target> all = [] {
    std::vector<Target> result = backbone_targets();
    for (const auto& more : {data_targets(), run_targets()}) result.insert(result.end(), more.begin(), more.end());
    return result;
  }();
  return all;
}

namespace {
const Target* entered = nullptr;
}

const fs::path& scratch_root() {
  static const fs::path folder = [] {
    std::error_code none;
    const bool in_memory = fs::is_directory("/dev/shm", none);
    std::string name =
        ((in_memory ? fs::path("/dev/shm") : fs::temp_directory_path()) / "peftbench-hostile-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("no folder for temporary files: " + name);
    return fs::path(name);
  }();
  return folder;
}

void enter(const Target& target) {
  entered = &target;
  fs::create_directories(scratch());
}

fs::path scratch() { return entered ? scratch_root() / entered->name : scratch_root(); }

fs::path put(const std::string& name, std::string_view bytes) {
  const fs::path file = scratch() / name;
  std::error_code none;
  fs::create_directories(file.parent_path(), none);
  fs::remove(file, none);  // an earlier input may still be mapped
  std::ofstream out(file, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) throw std::runtime_error("cannot write " + file.string());
  return file;
}

fs::path corpus_folder() { return fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "tests/hostile/corpus"; }

std::string seed(const std::string& name) {
  std::ifstream in(corpus_folder() / name, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) throw std::runtime_error("there is no seed " + name);
  return text.str();
}

}  // namespace peftbench::hostile
