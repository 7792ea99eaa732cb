#pragma once

#include "core/files.h"
#include "core/progress.h"
#include "data/layer.h"
#include "formats/record_file.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace peftbench::data {

// Storage of prepared data: small data in memory, large data in files, which the next run reuses.
struct DataStorage {
  fs::path folder;                         // of the files; made when first needed
  bool keep = true;                        // false: files last as long as the process
  std::int64_t memory_bytes = 16ll << 20;  // of texts or of ids in memory, of one task
  int threads = 1;                         // that tokenize; results are the same for any number
  ProgressSink* progress = nullptr;        // receives progress, and notes about rebuilt files
  // Called with a task's recipe where its data is not there, before it is looked for once more; may be empty.
  std::function<void(const std::string& recipe)> fetch = {};
};

// A file of prepared data under the storage's folder. `key`: the SHA-256 of all that it follows from.
class StoredRecords {
 public:
  StoredRecords(const DataStorage& storage, const std::string& task, const std::string& key, const std::string& ending);

  // What an earlier run left; null if there is nothing, or nothing whole (then the storage's sink is told).
  std::shared_ptr<const RecordFile> find() const;
  // Writes it to a temporary name, flushes, renames, and opens it. In a folder that cannot be written, or where nothing
  // is to be kept, the file is gone when nobody reads it any more.
  std::shared_ptr<const RecordFile> write(const std::function<void(RecordWriter&)>& write) const;

 private:
  const DataStorage& storage_;
  std::string key_;
  fs::path path_;
};

// SHA-256 of a file's bytes. Of a large file it is remembered in the folder, with the file's size and times.
std::string content_hash(const fs::path& file, const DataStorage& storage);

// Goes into every key. To be raised when the same rows give other texts, or the same texts other ids, than before:
// preprocessing_pin_test.cpp notices.
inline constexpr int preprocessing_version = 4;

}  // namespace peftbench::data
