#pragma once

#include "core/yaml.h"
#include "data/layer.h"
#include "data/readers/source_spec.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace peftbench::data {

// "sentence: {text}" in parts: literal text, or the name of a field.
struct TemplatePart {
  bool field;
  std::string text;
};
struct TextTemplate {
  std::vector<TemplatePart> parts;
  std::string place;  // file:line, for messages about its fields
};

// A field that the task makes from one of the source.
struct MadeField {
  std::string name;
  std::string from;
  std::optional<std::string> otherwise;  // default if the source has none
  std::vector<double> cuts;              // ascending; words has one more: x < cuts[0] is words[0], …
  std::vector<std::string> words;
  std::string place;
};

// Rows that fail a test are removed.
struct RowTest {
  enum class Kind { in, not_in, min, max, outside };
  std::string field;
  Kind kind;
  std::vector<std::string> values;
  std::vector<bool> numbers;  // of each value, whether it equals every text of the same number: 2020 and 2020.0
  double low = 0, high = 0;   // outside: rows with low < x < high are left out
  std::string place;
};

// Parts below 1 are fractions of the rows, others numbers of rows; 0 of test: there is none, validation is scored.
struct SplitSpec {
  std::uint64_t seed = 0;
  double validation = 0.1, test = 0.1;
  std::vector<std::string> by;  // rows that agree in one of these fields stay together
  bool keep_overlap = false;    // for separate split files: keep rows that occur in two splits
  std::string place;
};

struct Preprocessor;  // data/preprocess/preprocess.h

// All that a task's YAML says beyond TaskConfig.
struct TaskSpec {
  SourceSpec source;
  std::string fetch;  // recipe of tools/fetch-data; empty for data of the user's
  std::vector<MadeField> fields;
  std::vector<RowTest> filter;
  const Preprocessor* preprocess = nullptr;  // null: none
  TextTemplate input, target;
  std::vector<std::string> group;  // rows with equal texts of these fields are scored together
  std::string group_place;         // file:line
  std::string references;          // the list of all correct answers; empty: only the target
  std::vector<std::pair<std::string, std::string>> raw_labels;  // what the target template gives → label word
  SplitSpec split;
};

// Whether a field's text is the value: character for character, or as a number where `number` says so.
bool equals_value(const std::string& text, const std::string& value, bool number);

// Each reads one key's value and throws ConfigError.
std::vector<MadeField> parse_fields(const Yaml& yaml);
std::vector<RowTest> parse_filter(const Yaml& yaml);
SplitSpec parse_split(const Yaml& yaml);
TextTemplate parse_template(const Yaml& yaml);
const std::string& one_line(const Yaml& yaml, const std::string& what);  // not empty, no line breaks

}  // namespace peftbench::data
