#pragma once

#include "core/files.h"
#include "core/layer.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// Results that were computed from files, kept until one of the files changes.
namespace peftbench::core {

// The state of a file, for detecting changes.
struct FileState {
  std::uint64_t size = 0, inode = 0;
  std::int64_t modified = 0, changed = 0;  // ns since 1970
  friend bool operator==(const FileState&, const FileState&) = default;
};
FileState state_of(const fs::path& file);  // all zero if there is none

class FileMemory {
 public:
  // An empty folder keeps nothing.
  explicit FileMemory(fs::path folder) : folder_(std::move(folder)) {}

  // The value of this name, if it was computed from the current contents of these files. A damaged entry counts as
  // missing.
  std::optional<nlohmann::json> find(const std::string& name, const std::vector<fs::path>& files) const;

  // `before`: the states of `files` when they were read. Keeps nothing if one has changed since then or within the last
  // two seconds (a file can change and keep its times within the clock's grain), or if the folder cannot be written.
  void keep(const std::string& name, const std::vector<fs::path>& files, const std::vector<FileState>& before,
            const nlohmann::json& value) const;

 private:
  fs::path entry(const std::string& name) const;
  fs::path folder_;
};

std::vector<FileState> states_of(const std::vector<fs::path>& files);

}  // namespace peftbench::core
