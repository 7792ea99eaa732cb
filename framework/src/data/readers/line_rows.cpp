#include "data/readers/line_rows.h"

#include <algorithm>
#include <utility>

namespace peftbench::data {

LineRows::LineRows(fs::path file, std::vector<std::string> names, int stream)
    : RowReader(std::move(file), {}), in_(file_, stream), names_(std::move(names)) {}

bool LineRows::next() {
  if (!in_.line(text_, limits_.bytes)) return false;
  ++line_;
  if (text_.size() > limits_.bytes)
    fail("the line is too long", "more than " + std::to_string(limits_.bytes) + " bytes", "one text per line",
         "check that the file has lines");
  if (text_.ends_with('\r')) text_.pop_back();
  check_utf8(text_);
  return true;
}

std::optional<std::string> LineRows::value(const std::string& name) const {
  if (line_ == 0 || std::find(names_.begin(), names_.end(), name) == names_.end()) return std::nullopt;
  return text_;
}

}  // namespace peftbench::data
