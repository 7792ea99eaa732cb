#pragma once

#include "data/layer.h"
#include "data/readers/rows.h"
#include "data/readers/text_source.h"

#include <unordered_map>

namespace peftbench::data {

struct DelimitedForm {
  char delimiter;
  std::optional<char> quote;
  std::vector<std::string> columns;  // empty: the header's
  bool header;
  bool quote_given;      // by the task: then no note about quotes is needed
  bool skip_short_rows;  // rows with too few columns are passed over; of those with more, the surplus
};

// RFC 4180 with any delimiter: quoted fields hold delimiters, line breaks and doubled quotes. Lines end in LF or
// CRLF; empty lines are no rows. A quote inside an unquoted field is a plain character.
class DelimitedReader final : public RowReader {
 public:
  DelimitedReader(fs::path file, DelimitedForm form, RowLimits limits, int stream = no_stream);
  bool next() override;

 private:
  std::optional<std::string> value(const std::string& name) const override;
  std::vector<std::string> fields() const override { return columns_; }
  bool read_row();  // into row_; false at the end
  bool read_value(std::string& value, bool& quoted);
  void read_quoted(std::string& value);
  void add(std::string& value, int c);
  TextSource in_;
  char delimiter_;
  std::optional<char> quote_;
  bool notes_quotes_;
  bool skip_short_rows_;
  std::vector<std::string> columns_;
  std::unordered_map<std::string, std::size_t> index_;
  std::vector<std::string> row_;
  std::size_t row_bytes_ = 0;
  std::int64_t next_line_ = 1;  // line of the next character
};

}  // namespace peftbench::data
