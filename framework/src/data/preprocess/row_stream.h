#pragma once

#include "core/progress.h"
#include "data/layer.h"
#include "data/preprocess/formatter.h"
#include "data/readers/rows.h"
#include "data/task/locate.h"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace peftbench::data {

// The rows of all files of a source that pass the task's filter, formatted: those of train, of validation, of test. One
// is in memory at a time. Throws DataError if a file holds no row, ConfigError if the filter refuses a split's.
class RowStream {
 public:
  RowStream(const TaskConfig& config, const FoundSource& source, ProgressSink* progress);
  bool next(LoadedRow& row, Split& split);  // false after the last
  // What was left out of the files that are read to their end.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  bool next_file();
  struct File {
    Split split;
    fs::path path;
    bool last;  // of its split
  };
  const TaskConfig& config_;
  const FoundSource& source_;
  ProgressSink* progress_;
  Formatter formatter_;
  std::vector<File> files_;
  std::size_t file_ = 0;
  std::unique_ptr<RowReader> reader_;
  std::size_t read_ = 0;      // of this file
  std::size_t passed_ = 0;    // of this split
  std::int64_t refused_ = 0;  // by the filter, of this split
  std::int64_t all_ = 0;
  std::vector<std::string> notes_;
};

}  // namespace peftbench::data
