#pragma once

#include "data/layer.h"
#include "data/preprocess/formatter.h"
#include "data/task/split.h"
#include "data/task/task_spec.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace peftbench::data {

// What is kept of each row of a source while its texts are written away: enough to say which split it belongs to.
class RowTable {
 public:
  // `scored_alone`: there is only a test split, of rows to be scored.
  RowTable(const TaskSpec& spec, bool validation_given, bool test_given, bool scored_alone);

  // A row whose text is the record `record`, and of which the `trained` records after it are what it trains; −1: it
  // is also the training record.
  void add(const LoadedRow& row, Split split, std::uint32_t record, std::int32_t trained);

  // The records of each split.
  struct Splits {
    std::vector<std::uint32_t> train, validation, test;
    bool test_labelled = true;  // a test file has all of its labels or none
    std::vector<std::string> notes;
  };
  // Throws ConfigError if a split stays empty, DataError if some rows of a test file lack their labels, or all
  // and nothing else could be scored.
  Splits finish();

 private:
  using Hashes = std::vector<std::uint64_t>;  // 64 bits of one key of each row: see KeyTable
  struct Rows {
    std::vector<std::uint32_t> records;  // empty if every row is one record: first, first + 1, …
    std::uint32_t first = 0, count = 0;
    std::vector<Hashes> keys;  // by key, where rows may agree with those of another split
    std::vector<bool> dropped;
    std::uint32_t record(std::uint32_t row) const { return records.empty() ? first + row : records[row]; }
  };
  void drop_seen(Rows& rows, const std::string& name, const Rows& seen, const std::string& other);
  void drop_overlap();
  void check_labels();
  void share_out(const std::vector<Split>& splits);

  SplitSpec spec_;
  SplitWants wants_;
  bool scored_alone_;
  bool compare_;          // whether there are splits that files give, which may overlap
  std::size_t compared_;  // how many of a row's keys: its input, the fields of `by`, the group that the task names
  KeyTable keys_;
  Rows train_, validation_, test_;
  std::vector<std::int32_t> trained_;  // by row of train; empty if all train as they are
  std::string bare_origin_;            // of the first test row without a label
  std::size_t bare_ = 0;
  Splits result_;
};

}  // namespace peftbench::data
