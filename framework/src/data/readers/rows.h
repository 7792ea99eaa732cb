#pragma once

#include "core/files.h"
#include "data/layer.h"
#include "data/readers/source_spec.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace peftbench::data {

// The rows of a CSV, TSV, JSONL, JSON or parquet file, one at a time; no more than a part of the file is in memory.
// Throws DataError that names file and line (or row).
class RowReader {
 public:
  // Throws DataError if the file is absent, empty or of no known format.
  static std::unique_ptr<RowReader> open(const fs::path& file, const SourceSpec& source);
  // Of an open stream, as CSV, TSV or JSONL; `name` stands for it in messages. Throws ConfigError for another format.
  static std::unique_ptr<RowReader> of_stream(int stream, const std::string& name, const SourceSpec& source);
  virtual ~RowReader();

  virtual bool next() = 0;  // to the next row; false after the last
  // The text of a field of this row (numbers and truth values as JSON writes them); empty if there is none.
  // Nested fields of JSON are named a.b, items of a list a.0.
  std::optional<std::string> field(const std::string& name) const;
  std::size_t count(const std::string& name) const;  // items of the list of this name; 0 where there is none
  std::vector<std::string> names() const;            // the fields there are

  virtual std::string place() const;  // file:line of this row
  // So far: rows skipped for too few columns, rows with ignored extra columns.
  std::int64_t skipped() const { return skipped_; }
  std::int64_t cut() const { return cut_; }
  // Values that are quoted as pandas does it, in a file that is read without quotes.
  std::int64_t quoted() const { return quoted_; }
  [[noreturn]] void fail(const std::string& what, const std::string& found, const std::string& expected,
                         const std::string& remedy = {}) const;

 protected:
  RowReader(fs::path file, RowLimits limits) : file_(std::move(file)), limits_(limits) {}
  // As the public ones, by the file's own names.
  virtual std::optional<std::string> value(const std::string& name) const = 0;
  virtual std::size_t items(const std::string& name) const;
  virtual std::vector<std::string> fields() const = 0;

  void check_utf8(std::string_view text) const;
  [[noreturn]] void too_long(const std::string& what, const std::string& remedy) const;
  [[noreturn]] void too_many_columns(const std::string& remedy) const;
  fs::path file_;
  RowLimits limits_;
  std::int64_t line_ = 0;  // on which this row begins; 0 before the first
  std::int64_t skipped_ = 0, cut_ = 0, quoted_ = 0;

 private:
  std::string name_in_file(const std::string& name) const;
  std::vector<std::pair<std::string, std::string>> rename_;
};

}  // namespace peftbench::data
