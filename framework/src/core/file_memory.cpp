#include "core/file_memory.h"

#include "core/hash.h"
#include "core/json.h"
#include "core/write_files.h"

#include <nlohmann/json.hpp>

#include <sys/stat.h>

#include <chrono>

namespace peftbench::core {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t second = 1'000'000'000;  // ns

Json described(const std::vector<fs::path>& files, const std::vector<FileState>& states) {
  Json json = Json::array();
  for (std::size_t i = 0; i < files.size(); ++i) {
    const FileState& state = states[i];
    std::error_code error;
    json.push_back(
        {fs::weakly_canonical(files[i], error).string(), state.size, state.inode, state.modified, state.changed});
  }
  return json;
}

}  // namespace

FileState state_of(const fs::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return {};
  const auto nanoseconds = [](const timespec& time) { return std::int64_t{time.tv_sec} * second + time.tv_nsec; };
  return {static_cast<std::uint64_t>(status.st_size), static_cast<std::uint64_t>(status.st_ino),
          nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)};
}

std::vector<FileState> states_of(const std::vector<fs::path>& files) {
  std::vector<FileState> states;
  for (const fs::path& file : files) states.push_back(state_of(file));
  return states;
}

fs::path FileMemory::entry(const std::string& name) const { return folder_ / (sha256(name).substr(0, 20) + ".json"); }

std::optional<Json> FileMemory::find(const std::string& name, const std::vector<fs::path>& files) const {
  if (folder_.empty() || !file_exists(entry(name))) return std::nullopt;
  JsonFault ignored;
  const Json kept = parse_json<Json>(read_text(entry(name)), ignored).value_or(Json());
  const auto is = [&](const char* key, const Json& value) { return kept.contains(key) && kept.at(key) == value; };
  if (!kept.is_object() || !is("name", name) || !is("files", described(files, states_of(files)))) return std::nullopt;
  const auto value = kept.find("value");
  return value == kept.end() ? std::nullopt : std::optional(*value);
}

void FileMemory::keep(const std::string& name, const std::vector<fs::path>& files, const std::vector<FileState>& before,
                      const Json& value) const {
  if (folder_.empty() || states_of(files) != before) return;
  const auto now =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  for (const FileState& state : before)
    if (now - state.changed <= 2 * second) return;
  if (can_write_in(folder_))
    write_atomically(entry(name), Json{{"name", name}, {"files", described(files, before)}, {"value", value}}.dump());
}

}  // namespace peftbench::core
