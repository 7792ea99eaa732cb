#include "data/formatter.h"

#include "core/names.h"
#include "core/utf8.h"
#include "data/task_spec.h"

#include <peftbench/error.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace peftbench {

namespace {

double number(const std::string& text, const RowReader& row, const std::string& field, const std::string& place) {
  std::string_view digits = text;
  while (digits.starts_with(' ')) digits.remove_prefix(1);
  while (digits.ends_with(' ')) digits.remove_suffix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    row.fail("the field '" + field + "' is not a number", text.empty() ? "nothing" : printable(text),
             "a number, as " + place + " asks");
  }
  return value;
}

// White space is one space to a tokenizer, so rows that differ in it alone are identical.
void add_folded(const std::string& text, std::string& key) {
  for (const char c : text) {
    const bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (!space || key.back() != ' ') key += space ? ' ' : c;
  }
}

}  // namespace

Formatter::Formatter(const TaskConfig& config) : config_(config), spec_(*config.spec) {
  for (const MadeField& field : spec_.fields) made_.emplace(field.name, &field);
  for (const auto& [raw, word] : spec_.raw_labels) labels_.emplace(raw, word);
}

std::string Formatter::value(const RowReader& row, const std::string& name, const std::string& place) const {
  const auto made = made_.find(name);
  if (made == made_.end()) return raw(row, name, place);
  const MadeField& field = *made->second;
  std::optional<std::string> text = row.field(field.from);
  if (!text) text = field.otherwise;
  if (!text) return raw(row, field.from, field.place);
  if (field.cuts.empty()) return *text;
  const double x = number(*text, row, field.from, field.place);
  return field
      .words[static_cast<std::size_t>(std::upper_bound(field.cuts.begin(), field.cuts.end(), x) - field.cuts.begin())];
}

bool Formatter::passes(const RowReader& row) const {
  return std::all_of(spec_.filter.begin(), spec_.filter.end(), [&](const RowTest& test) {
    const std::string text = value(row, test.field, test.place);
    const auto listed = [&] { return std::find(test.values.begin(), test.values.end(), text) != test.values.end(); };
    if (test.kind == RowTest::Kind::in) return listed();
    if (test.kind == RowTest::Kind::not_in) return !listed();
    const double x = number(text, row, test.field, test.place);
    if (test.kind == RowTest::Kind::min) return x >= test.low;
    if (test.kind == RowTest::Kind::max) return x <= test.high;
    return x <= test.low || x >= test.high;
  });
}

LoadedRow Formatter::format(const RowReader& row) const {
  LoadedRow loaded;
  loaded.origin = row.place();
  std::string key = "=";  // told apart from the keys of 'by'
  for (const TemplatePart& part : spec_.input.parts) {
    loaded.example.input.push_back(part.field ? Piece::of_text(value(row, part.text, spec_.input.place), part.text)
                                              : Piece::of_text(part.text));
    add_folded(loaded.example.input.back().text, key);
  }
  loaded.keys.keys.push_back(std::move(key));
  for (const std::string& field : spec_.split.by) {
    loaded.keys.keys.push_back(field + "=" + value(row, field, spec_.split.place));
  }
  for (const TemplatePart& part : spec_.target.parts) {
    loaded.example.target += part.field ? value(row, part.text, spec_.target.place) : part.text;
  }
  if (!config_.labels.empty()) set_label(row, loaded.example);
  return loaded;
}

std::string Formatter::raw(const RowReader& row, const std::string& name, const std::string& place) const {
  if (std::optional<std::string> text = row.field(name)) return std::move(*text);
  std::vector<std::string> there = row.names();
  for (const MadeField& field : spec_.fields) there.push_back(field.name);
  row.fail("the field '" + name + "' is missing", "the fields " + join(there),
           "'" + name + "', which " + place + " asks for", did_you_mean(name, there));
}

void Formatter::set_label(const RowReader& row, TextExample& example) const {
  const auto found = labels_.find(example.target);
  if (found == labels_.end()) {
    std::vector<std::string> known;
    for (const auto& [raw, word] : spec_.raw_labels) known.push_back(raw);
    row.fail("unknown label", example.target.empty() ? "nothing" : "'" + printable(example.target) + "'",
             "one of " + join(known),
             "add it to 'labels' (a map gives each value of the data its word: {0: negative, 1: positive}), "
             "or leave such rows out with 'filter'");
  }
  example.target = found->second;
  example.label =
      static_cast<int>(std::find(config_.labels.begin(), config_.labels.end(), found->second) - config_.labels.begin());
}

}  // namespace peftbench
