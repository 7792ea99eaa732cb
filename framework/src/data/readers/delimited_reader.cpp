#include "data/readers/delimited_reader.h"

#include "core/names.h"
#include "core/utf8.h"

#include <algorithm>

namespace peftbench::data {

namespace {

std::string spoken(char delimiter) { return delimiter == '\t' ? "tab" : "'" + std::string(1, delimiter) + "'"; }

// "He said ""no""": what holds a quote is quoted, and its quotes are doubled.
bool is_quoted_by_pandas(std::string_view value) {
  if (value.size() < 4 || value.front() != '"' || value.back() != '"') return false;
  value = value.substr(1, value.size() - 2);
  bool doubled = false;
  for (std::size_t at = value.find('"'); at != std::string_view::npos; at = value.find('"', at + 2)) {
    if (at + 1 == value.size() || value[at + 1] != '"') return false;
    doubled = true;
  }
  return doubled;
}

constexpr std::size_t most_shown = 50;  // columns in a message

std::vector<std::string> shown(const std::vector<std::string>& columns) {
  std::vector<std::string> result;
  for (const std::string& column : columns) {
    result.push_back(result.size() < most_shown ? printable(column) : "…");
    if (result.size() > most_shown) break;
  }
  return result;
}

}  // namespace

DelimitedReader::DelimitedReader(fs::path file, DelimitedForm form, RowLimits limits, int stream)
    : RowReader(std::move(file), limits),
      in_(file_, stream),
      delimiter_(form.delimiter),
      quote_(form.quote),
      notes_quotes_(!form.quote && !form.quote_given),
      skip_short_rows_(form.skip_short_rows),
      columns_(std::move(form.columns)) {
  if (form.header) {
    if (!read_row())
      fail("the file is empty", "no line", "a header and rows", "download the file again, or use another file");
    if (columns_.empty()) columns_ = row_;  // else the names of the task stand for those of the file
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i].empty()) continue;  // a column without a name cannot be asked for
    if (columns_[i].find('\0') != std::string::npos)
      fail("a column name contains a NUL character", printable(columns_[i]), "text",
           "write the file again without NUL characters");
    if (index_.emplace(columns_[i], i).second) continue;
    fail("duplicate column name", printable(columns_[i]), "unique names",
         "give the column names in the task: 'columns: [a, b, …]' and, if the file has a header, 'header: true'");
  }
}

bool DelimitedReader::read_row() {
  for (;;) {
    if (in_.sgetc() == end_of_file) return false;
    line_ = next_line_;
    row_.clear();
    row_bytes_ = 0;
    bool quoted = false;
    while (read_value(row_.emplace_back(), quoted)) {
      if (row_.size() == limits_.columns) too_many_columns("set 'delimiter' and 'quote' in the task to match the file");
    }
    if (row_.size() > 1 || quoted || !row_.front().empty()) return true;  // else an empty line
  }
}

// True if another value follows in the row.
bool DelimitedReader::read_value(std::string& value, bool& quoted) {
  const int delimiter = static_cast<unsigned char>(delimiter_);
  if (quote_ && in_.sgetc() == static_cast<unsigned char>(*quote_)) {
    in_.sbumpc();
    read_quoted(value);
    quoted = true;
    const int after = in_.sgetc();
    if (after != end_of_file && after != '\n' && after != '\r' && after != delimiter) {
      fail("text after a closing quote",
           "'" + printable(std::string(1, static_cast<char>(after))) + "' after \"" + printable(value, 40) + "\"",
           "the delimiter " + spoken(delimiter_) + " or the end of the line",
           "double the quotes inside a quoted field, or set 'quote: none' if quotes are ordinary characters");
    }
  }
  int c = in_.sbumpc();
  for (; c != end_of_file && c != '\n' && c != delimiter; c = in_.sbumpc()) {
    if (c == '\r' && (in_.sgetc() == '\n' || in_.sgetc() == end_of_file)) continue;
    add(value, c);
  }
  check_utf8(value);
  if (notes_quotes_ && is_quoted_by_pandas(value)) ++quoted_;
  if (c == '\n') ++next_line_;
  return c == delimiter;
}

void DelimitedReader::read_quoted(std::string& value) {
  const int quote = static_cast<unsigned char>(*quote_);
  for (;;) {
    const int c = in_.sbumpc();
    if (c == end_of_file) {
      fail("unterminated quoted field", "the end of the file in a field that starts with " + printable(value, 40),
           "a closing " + std::string(1, *quote_),
           "close the quote, or set 'quote: none' if quotes are ordinary characters");
    }
    if (c == quote) {
      if (in_.sgetc() != quote) return;
      in_.sbumpc();
    }
    if (c == '\n') ++next_line_;
    add(value, c);
  }
}

void DelimitedReader::add(std::string& value, int c) {
  if (++row_bytes_ > limits_.bytes)
    too_long("a row", "check the file: an unclosed quote joins all following lines into one row");
  value += static_cast<char>(c);
}

bool DelimitedReader::next() {
  while (read_row()) {
    if (row_.size() == columns_.size()) return true;
    if (!skip_short_rows_) {
      fail("the wrong number of columns", std::to_string(row_.size()),
           std::to_string(columns_.size()) + " (" + join(shown(columns_)) + "), separated by " + spoken(delimiter_),
           "quote fields that contain the delimiter, or set 'delimiter' and 'quote' in the task to match the file");
    }
    if (row_.size() > columns_.size()) {
      ++cut_;
      return true;
    }
    ++skipped_;
  }
  return false;
}

std::optional<std::string> DelimitedReader::value(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) return std::nullopt;
  return row_[found->second];
}

}  // namespace peftbench::data
