#pragma once

#include "core/files.h"
#include "results/layer.h"
#include "results/packed_record.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::results {

// A record file as the file system describes it: what is written into the file, or put in its place, changes this.
struct FileState {
  std::int64_t size = 0, modified = 0, changed = 0, inode = 0;  // bytes; nanoseconds since 1970
  bool operator==(const FileState&) const = default;
};

// What was read from a record file in this state.
struct IndexedRecord {
  std::string folder;  // its name
  FileState state;
  std::optional<PackedRecord> record;
  std::string fault;  // message, where there is no record; `path_mark` stands for the path of the file
};
inline constexpr char path_mark = '\x01';

// The index of a folder of many runs, index.sqlite in it: what reports need of each record, so that they need not read
// the files that have not changed. It is never the truth: whatever is wrong with it, the records are read instead.
// The file is replaced as a whole and never changed, so neither reading nor writing waits for another process.
class RunIndex {
 public:
  explicit RunIndex(const fs::path& folder) : file_(folder / "index.sqlite") {}

  // By folder. Empty if there is no index, or it is damaged, or made by another program or version.
  std::vector<IndexedRecord> read(SharedBytes& shared) const;
  // False if it cannot be written, or if the file is another program's database, a link, or anything but a file.
  bool write(const std::vector<const IndexedRecord*>& records) const;

 private:
  bool is_ours() const;  // to read and to replace
  fs::path file_;
};

}  // namespace peftbench::results
