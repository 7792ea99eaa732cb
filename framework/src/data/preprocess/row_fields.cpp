#include "data/preprocess/row_fields.h"

#include "core/names.h"
#include "core/numbers.h"
#include "core/utf8.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace peftbench::data {

namespace {

std::string without(const std::string& field) { return "remove such rows: filter: {" + field + ": {not_in: [\"\"]}}"; }

double number_in(const std::string& text, const RowReader& row, const std::string& field, const std::string& asked_by) {
  std::string_view digits = text;
  while (digits.starts_with(' ')) digits.remove_prefix(1);
  while (digits.ends_with(' ')) digits.remove_suffix(1);
  if (digits.empty())
    row.fail("the cell of '" + field + "' is empty", "nothing", "a number, as " + asked_by + " requires",
             without(field));
  const std::optional<double> value = parse_number<double>(digits);
  if (!value) {
    row.fail("the field '" + field + "' is not a number", text.empty() ? "nothing" : printable(text),
             "a number, as " + asked_by + " requires");
  }
  return *value;
}

}  // namespace

std::optional<std::string> RowFields::find(const std::string& name) const {
  if (const auto found = set_.find(name); found != set_.end()) return found->second;
  const auto made = made_.find(name);
  if (made == made_.end()) return row_.field(name);
  const MadeField& field = *made->second;
  std::optional<std::string> text = row_.field(field.from);
  if (!text) text = field.otherwise;
  if (!text || field.cuts.empty()) return text;
  const double x = number_in(*text, row_, field.from, field.place);
  return field
      .words[static_cast<std::size_t>(std::upper_bound(field.cuts.begin(), field.cuts.end(), x) - field.cuts.begin())];
}

std::string RowFields::text(const std::string& name, const std::string& asked_by) const {
  if (std::optional<std::string> text = find(name)) return std::move(*text);
  const auto made = made_.find(name);
  const bool own = made != made_.end();
  const std::string& missing = own ? made->second->from : name;
  const std::string wanted = "'" + missing + "', required by " + (own ? made->second->place : asked_by);
  std::vector<std::string> there = row_.names();
  if (std::find(there.begin(), there.end(), missing) != there.end())
    row_.fail("the field '" + missing + "' has no value in this row",
              "null, or no value under the name given in 'rename'", wanted,
              "remove the row, or give a default: fields: {" + missing + ": {from: " + missing + ", default: \"\"}}");
  if (own && made_.contains(missing))
    row_.fail("the field '" + missing + "' is a computed field, and '" + name + "' cannot be computed from it",
              "no '" + missing + "' in the file", "a field of the file", "use a field of the file in 'from'");
  for (const auto& [key, field] : made_) there.push_back(key);
  std::sort(there.end() - static_cast<std::ptrdiff_t>(made_.size()), there.end());
  row_.fail("the field '" + missing + "' is missing", "the fields " + join(there), wanted,
            did_you_mean(missing, there));
}

double RowFields::number(const std::string& name, const std::string& asked_by) const {
  return number_in(text(name, asked_by), row_, name, asked_by);
}

int RowFields::truth(const std::string& name, const std::string& asked_by) const {
  const std::optional<std::string> text = find(name);
  if (!text || *text == "-1") return -1;
  if (*text == "1" || *text == "true" || *text == "True") return 1;
  if (*text == "0" || *text == "false" || *text == "False") return 0;
  row_.fail("the field '" + name + "' is neither true nor false", text->empty() ? "nothing" : printable(*text),
            "true, false, 1 or 0, as " + asked_by + " requires");
}

std::vector<std::string> RowFields::list(const std::string& name) const {
  const std::string holder = row_.count(name) == 0 ? name + ".text" : name;
  std::vector<std::string> items;
  for (std::size_t i = 0; i < row_.count(holder); ++i) {
    const std::string item = holder + "." + std::to_string(i);
    std::optional<std::string> text = row_.field(item + ".text");
    if (!text) text = row_.field(item);
    if (text) items.push_back(std::move(*text));
  }
  return items;
}

}  // namespace peftbench::data
