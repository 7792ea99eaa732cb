#pragma once

#include "data/task_spec.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace peftbench {

// The rows of a CSV, TSV or JSONL file, one at a time. Throws DataError that names file and line.
class RowReader {
 public:
  // Throws DataError where the file is absent, empty or of no known format.
  static std::unique_ptr<RowReader> open(const fs::path& file, const SourceSpec& source);
  virtual ~RowReader();

  virtual bool next() = 0;  // to the next row; false after the last
  // The text of a field of this row (numbers and truth values as JSON writes them); empty where there is none.
  // Nested fields of JSON are named a.b, items of a list a.0.
  virtual std::optional<std::string> field(const std::string& name) const = 0;
  virtual std::vector<std::string> names() const = 0;  // the fields there are

  std::string place() const;  // file:line of this row
  [[noreturn]] void fail(const std::string& what, const std::string& found, const std::string& expected,
                         const std::string& remedy = {}) const;

 protected:
  explicit RowReader(fs::path file) : file_(std::move(file)) {}
  void check_utf8(std::string_view text) const;
  fs::path file_;
  std::int64_t line_ = 0;  // on which this row begins; 0 before the first
};

}  // namespace peftbench
