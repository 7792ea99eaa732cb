#include "data/delimited_reader.h"

#include "core/names.h"
#include "core/utf8.h"

#include <algorithm>

namespace peftbench {

namespace {

constexpr int end_of_file = std::char_traits<char>::eof();
constexpr char byte_order_mark[] = {'\xef', '\xbb', '\xbf'};

std::string spoken(char delimiter) { return delimiter == '\t' ? "tab" : "'" + std::string(1, delimiter) + "'"; }

}  // namespace

DelimitedReader::DelimitedReader(fs::path file, char delimiter, std::optional<char> quote,
                                 std::vector<std::string> columns, bool header)
    : RowReader(std::move(file)),
      in_(file_, std::ios::binary),
      delimiter_(delimiter),
      quote_(quote),
      columns_(std::move(columns)) {
  char mark[3] = {};
  if (!in_.read(mark, 3) || !std::equal(mark, mark + 3, byte_order_mark)) {
    in_.clear();
    in_.seekg(0);
  }
  if (header) {
    if (!read_row()) fail("the file is empty", "no line", "a header and rows");
    if (columns_.empty()) columns_ = row_;  // else the names of the task stand for those of the file
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i].empty()) continue;  // a column without a name cannot be asked for
    if (index_.emplace(columns_[i], i).second) continue;
    fail("two columns have one name", columns_[i], "different names",
         "name the columns in the task: 'columns: [a, b, …]' and, if the file has a header, 'header: true'");
  }
}

bool DelimitedReader::read_row() {
  std::streambuf& in = *in_.rdbuf();
  for (;;) {
    if (in.sgetc() == end_of_file) return false;
    line_ = next_line_;
    row_.clear();
    bool quoted = false;
    while (read_value(row_.emplace_back(), quoted)) {
    }
    if (row_.size() > 1 || quoted || !row_.front().empty()) return true;  // else an empty line
  }
}

// True if another value follows in the row.
bool DelimitedReader::read_value(std::string& value, bool& quoted) {
  std::streambuf& in = *in_.rdbuf();
  const int delimiter = static_cast<unsigned char>(delimiter_);
  if (quote_ && in.sgetc() == static_cast<unsigned char>(*quote_)) {
    in.sbumpc();
    read_quoted(value);
    quoted = true;
    const int after = in.sgetc();
    if (after != end_of_file && after != '\n' && after != '\r' && after != delimiter) {
      fail("text after a closing quote",
           "'" + printable(std::string(1, static_cast<char>(after))) + "' after \"" + printable(value, 40) + "\"",
           "the delimiter " + spoken(delimiter_) + " or the end of the line",
           "double the quotes inside a quoted field, or set 'quote: none' if quotes are plain characters");
    }
  }
  int c = in.sbumpc();
  for (; c != end_of_file && c != '\n' && c != delimiter; c = in.sbumpc()) {
    if (c == '\r' && (in.sgetc() == '\n' || in.sgetc() == end_of_file)) continue;
    value += static_cast<char>(c);
  }
  check_utf8(value);
  if (c == '\n') ++next_line_;
  return c == delimiter;
}

void DelimitedReader::read_quoted(std::string& value) {
  std::streambuf& in = *in_.rdbuf();
  const int quote = static_cast<unsigned char>(*quote_);
  for (;;) {
    const int c = in.sbumpc();
    if (c == end_of_file) {
      fail("a quoted field has no end", "the end of the file in a field that begins " + printable(value, 40),
           "a closing " + std::string(1, *quote_),
           "close the quote, or set 'quote: none' if quotes are plain characters");
    }
    if (c == quote) {
      if (in.sgetc() != quote) return;
      in.sbumpc();
    }
    if (c == '\n') ++next_line_;
    value += static_cast<char>(c);
  }
}

bool DelimitedReader::next() {
  if (!read_row()) return false;
  if (row_.size() != columns_.size()) {
    fail("the wrong number of columns", std::to_string(row_.size()),
         std::to_string(columns_.size()) + " (" + join(columns_) + "), separated by " + spoken(delimiter_),
         "quote fields that hold the delimiter; or set 'delimiter' and 'quote' in the task as the file has them");
  }
  return true;
}

std::optional<std::string> DelimitedReader::field(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) return std::nullopt;
  return row_[found->second];
}

}  // namespace peftbench
