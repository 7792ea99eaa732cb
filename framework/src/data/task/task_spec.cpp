#include "data/task/task_spec.h"

#include "core/names.h"
#include "core/utf8.h"
#include "data/task/metric_names.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

namespace peftbench::data {

const std::string& one_line(const Yaml& yaml, const std::string& what) {
  const std::string& text = yaml.text();
  if (text.empty() || text.find_first_of("\r\n\t") != std::string::npos) {
    yaml.fail(what + " must be one line of text", text.empty() ? "nothing" : printable(text), "a single line");
  }
  return text;
}

TextTemplate parse_template(const Yaml& yaml) {
  TextTemplate result{{}, yaml.place()};
  const std::string& text = yaml.text();
  std::string literal;
  const auto end_literal = [&] {
    if (!literal.empty()) result.parts.push_back({false, std::exchange(literal, {})});
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c == '{' || c == '}') && i + 1 < text.size() && text[i + 1] == c) {  // {{ is a brace
      literal += c;
      ++i;
    } else if (c == '{') {
      const std::size_t end = text.find_first_of("{}", i + 1);
      if (end == std::string::npos || text[end] == '{' || end == i + 1) {
        yaml.fail("unmatched '{'", printable(text.substr(i)), "{field name}", "write {{ for a literal brace");
      }
      end_literal();
      result.parts.push_back({true, text.substr(i + 1, end - i - 1)});
      i = end;
    } else if (c == '}') {
      yaml.fail("unmatched '}'", printable(text), "{field name}", "write }} for a literal brace");
    } else {
      literal += c;
    }
  }
  end_literal();
  if (result.parts.empty()) yaml.fail("the template is empty", "nothing", "text and {fields}");
  return result;
}

namespace {

std::vector<double> ascending(const Yaml& yaml) {
  std::vector<double> result;
  for (const Yaml& item : yaml.items()) result.push_back(item.number());
  if (result.empty() || !std::is_sorted(result.begin(), result.end(), std::less_equal<>())) {
    yaml.fail("the limits must be increasing", std::to_string(result.size()) + " numbers",
              "numbers, each greater than the previous one");
  }
  return result;
}

}  // namespace

std::vector<MadeField> parse_fields(const Yaml& yaml) {
  std::vector<MadeField> result;
  for (const auto& [name, value] : yaml.entries()) {
    MadeField field{name, {}, {}, {}, {}, value.place()};
    if (value.is_scalar()) {
      field.from = one_line(value, "the source of a field");
    } else {
      value.only({"from", "default", "cut", "words"});
      field.from = one_line(value.at("from"), "the source of a field");
      if (value.has("default")) field.otherwise = value.at("default").text();
      if (value.has("cut") != value.has("words"))
        value.fail("'cut' and 'words' need each other", {}, "both or neither");
      if (value.has("cut")) {
        field.cuts = ascending(value.at("cut"));
        field.words = value.at("words").texts();
        if (field.words.size() != field.cuts.size() + 1) {
          value.at("words").fail("the wrong number of words", std::to_string(field.words.size()),
                                 std::to_string(field.cuts.size() + 1) + ", one more than the numbers in 'cut'");
        }
      }
    }
    result.push_back(std::move(field));
  }
  return result;
}

namespace {

// A quoted number is a text.
void take_values(const Yaml& yaml, RowTest& test) {
  for (const Yaml& item : yaml.items()) {
    test.values.push_back(item.text());
    test.numbers.push_back(!item.is_quoted() && number_of(item.text()));
  }
}

// The digits of a whole number, its sign before them; nothing for any other text.
std::optional<std::string> whole_number(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  text.remove_prefix(std::min(text.find_first_not_of('0'), text.size()));
  return (negative && !text.empty() ? "-" : "") + std::string(text.empty() ? "0" : text);
}

}  // namespace

bool equals_value(const std::string& text, const std::string& value, bool number) {
  if (text == value) return true;
  if (!number) return false;
  const auto a = whole_number(text), b = whole_number(value);
  if (a && b) return *a == *b;  // a double would make large ones equal
  const auto x = number_of(text), y = number_of(value);
  return x && y && *x == *y;
}

std::vector<RowTest> parse_filter(const Yaml& yaml) {
  std::vector<RowTest> result;
  using Kind = RowTest::Kind;
  for (const auto& [field, value] : yaml.entries()) {
    if (!value.is_map()) {
      RowTest test{field, Kind::in, {}, {}, 0, 0, value.place()};
      take_values(value, test);
      result.push_back(std::move(test));
      continue;
    }
    value.only({"in", "not_in", "min", "max", "outside"});
    for (const auto& [key, limit] : value.entries()) {
      RowTest test{field, Kind::in, {}, {}, 0, 0, limit.place()};
      if (key == "in" || key == "not_in") {
        test.kind = key == "in" ? Kind::in : Kind::not_in;
        take_values(limit, test);
      } else if (key == "outside") {
        const std::vector<double> ends = ascending(limit);
        if (ends.size() != 2) limit.fail("'outside' needs two numbers", std::to_string(ends.size()), "[low, high]");
        test.kind = Kind::outside, test.low = ends[0], test.high = ends[1];
      } else {
        test.kind = key == "min" ? Kind::min : Kind::max;
        test.low = test.high = limit.number();
      }
      result.push_back(std::move(test));
    }
  }
  return result;
}

namespace {

double split_part(const Yaml& yaml, bool or_none) {
  const double part = yaml.number();
  if (or_none && part == 0) return 0;
  if (part <= 0 || (part >= 1 && part != std::floor(part)) || part > 1e12) {
    yaml.fail("a split size must be a fraction or a number of rows", yaml.text(),
              std::string("0.1 for a tenth of the rows, 500 for 500 rows") + (or_none ? ", 0 for no such split" : ""));
  }
  return part;
}

}  // namespace

SplitSpec parse_split(const Yaml& yaml) {
  SplitSpec split;
  split.place = yaml.place();
  yaml.only({"seed", "validation", "test", "by", "overlap"});
  if (yaml.has("seed")) {
    const long long seed = yaml.at("seed").integer();
    if (seed < 0) yaml.at("seed").fail("a seed must not be negative", std::to_string(seed), "0 or more");
    split.seed = static_cast<std::uint64_t>(seed);
  }
  if (yaml.has("validation")) split.validation = split_part(yaml.at("validation"), false);
  if (yaml.has("test")) split.test = split_part(yaml.at("test"), true);
  if (yaml.has("by")) split.by = yaml.at("by").texts();
  if (yaml.has("overlap")) {
    const std::string& overlap = yaml.at("overlap").text();
    if (overlap != "keep" && overlap != "drop")
      yaml.at("overlap").fail("invalid value of 'overlap'", printable(overlap), "keep or drop");
    split.keep_overlap = overlap == "keep";
  }
  return split;
}

}  // namespace peftbench::data
