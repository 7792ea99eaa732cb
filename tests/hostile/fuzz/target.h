#pragma once

#include "core/files.h"
#include "support/layers.h"

#include <string>
#include <string_view>
#include <vector>

namespace peftbench::hostile {

using namespace layers;

// What mutations of the bytes make sense.
enum class Syntax { bytes, json, yaml, table };

// A reader of bytes from outside. A target reads them as the program would; what the program refuses leaves `run` as a
// peftbench::Error, and anything else is a finding.
struct Target {
  const char* name;
  Syntax syntax;
  void (*run)(std::string_view bytes);
  // Mutations that get behind a length, a checksum or a packing, which mutations of plain bytes hardly ever pass: the
  // bytes as parts of which each is mutated by itself. Null where the format has no such thing.
  const struct Envelope* envelope = nullptr;
};

// A format whose bytes hold another format: `open` gives what is inside (empty: not of this form), `close` puts it back
// with lengths and checksums made right.
struct Envelope {
  Syntax inside;
  std::string (*open)(std::string_view bytes);
  std::string (*close)(std::string_view bytes, std::string_view inside);
};

const std::vector<Target>& targets();

std::vector<Target> backbone_targets();
std::vector<Target> data_targets();
std::vector<Target> run_targets();

extern const Envelope safetensors_header, npy_header, zip_pickle, gzip_text, record_directory, corpus_trailer,
    parquet_footer, spiece_lines;

// A folder in memory, and a file in it with these bytes. Each target has a folder of its own, once it is entered.
const fs::path& scratch_root();
void enter(const Target& target);
fs::path scratch();
fs::path put(const std::string& name, std::string_view bytes);
// tests/hostile/corpus, and a seed in it that is a companion of what is mutated.
fs::path corpus_folder();
std::string seed(const std::string& name);

}  // namespace peftbench::hostile
