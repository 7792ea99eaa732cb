#include "data/preprocess/formatter.h"

#include "core/ascii.h"
#include "core/names.h"
#include "core/utf8.h"
#include "data/preprocess/preprocess.h"
#include "data/task/task_spec.h"

#include <peftbench/error.h>

#include <algorithm>
#include <utility>

namespace peftbench::data {

namespace {

// White space is one space to a tokenizer, and none at the ends, so rows that differ in it alone are identical.
std::string folded(const std::vector<Piece>& pieces) {
  std::string key = "=";  // told apart from the other keys
  bool after_space = false;
  for (const Piece& piece : pieces) {
    for (const char c : piece.text) {
      const bool space = is_ascii_space(c);
      if (!space && after_space && key.size() > 1) key += ' ';
      if (!space) key += c;
      after_space = space;
    }
  }
  return key;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// One space for each run of white space, over the bounds of pieces too.
void join_spaces(std::vector<Piece>& pieces) {
  bool after_space = false;
  for (Piece& piece : pieces) {
    std::string text;
    for (const char c : piece.text) {
      const bool space = is_re2_space(c);
      if (!space || !after_space) text += space ? ' ' : c;
      after_space = space;
    }
    piece.text = std::move(text);
  }
}

}  // namespace

Formatter::Formatter(const TaskConfig& config) : config_(config), spec_(*config.spec) {
  for (const MadeField& field : spec_.fields) made_.emplace(field.name, &field);
  for (const auto& [raw, word] : spec_.raw_labels) labels_.emplace(raw, word);
}

bool Formatter::passes(const RowReader& row) const {
  const RowFields fields(row, made_);
  return std::all_of(spec_.filter.begin(), spec_.filter.end(), [&](const RowTest& test) {
    using Kind = RowTest::Kind;
    if (test.kind == Kind::in || test.kind == Kind::not_in) {
      const std::string text = fields.text(test.field, test.place);
      bool listed = false;
      for (std::size_t i = 0; i < test.values.size() && !listed; ++i)
        listed = equals_value(text, test.values[i], test.numbers[i]);
      return listed == (test.kind == Kind::in);
    }
    const double x = fields.number(test.field, test.place);
    if (test.kind == Kind::min) return x >= test.low;
    if (test.kind == Kind::max) return x <= test.high;
    return x <= test.low || x >= test.high;
  });
}

LoadedRow Formatter::format(const RowReader& row, Split split) const {
  RowFields fields(row, made_);
  LoadedRow loaded;
  TextExample& example = loaded.example;
  loaded.origin = row.place();
  if (spec_.preprocess) loaded.labelled = spec_.preprocess->apply(fields, example, Preprocessor::Part::all);
  if (!spec_.references.empty()) {
    example.references = fields.list(spec_.references);
    if (example.references.empty()) loaded.labelled = false;
  }
  loaded.labelled = loaded.labelled && (split != Split::test || has_label(fields));
  if (!loaded.labelled && split != Split::test) {
    const std::string source = !spec_.references.empty() ? "a list '" + spec_.references + "', the task's 'references'"
                                                         : "the fields from which the preprocessor '" +
                                                               spec_.preprocess->name + "' takes the answer";
    row.fail("the row has no correct answer", "the fields " + join(row.names()), source,
             "remove such rows with 'filter'; only the files of 'test' may have no labels");
  }

  fill_input(fields, example);
  loaded.keys.keys.push_back(folded(example.input));
  for (const std::string& field : spec_.split.by)
    loaded.keys.keys.push_back(field + "=" + fields.text(field, spec_.split.place));
  for (const std::string& field : spec_.group)
    example.group += (example.group.empty() ? "" : "/") + fields.text(field, spec_.group_place);
  if (!example.group.empty()) loaded.keys.keys.push_back("group==" + example.group);

  if (!loaded.labelled) {
    example.target = "<unk>";
    return loaded;
  }
  for (const TemplatePart& part : spec_.target.parts)
    example.target += part.field ? fields.text(part.text, spec_.target.place) : part.text;
  if (!config_.labels.empty()) set_label(row, example);
  return loaded;
}

void Formatter::fill_input(const RowFields& fields, TextExample& example) const {
  if (!config_.prefix.empty()) example.input.push_back(Piece::of_text(config_.prefix + " "));
  for (const TemplatePart& part : spec_.input.parts) {
    example.input.push_back(part.field ? Piece::of_text(fields.text(part.text, spec_.input.place), part.text)
                                       : Piece::of_text(part.text));
  }
  if (spec_.preprocess && spec_.preprocess->one_space) join_spaces(example.input);
}

TextExample Formatter::format_input(const RowReader& row) const {
  RowFields fields(row, made_);
  TextExample example;
  if (spec_.preprocess) spec_.preprocess->apply(fields, example, Preprocessor::Part::input);
  fill_input(fields, example);
  return example;
}

bool Formatter::has_label(const RowFields& fields) const {
  std::string target;
  for (const TemplatePart& part : spec_.target.parts) {
    const std::optional<std::string> text = part.field ? fields.find(part.text) : part.text;
    if (!text) return false;
    target += *text;
  }
  return config_.labels.empty() || target != "-1" || labels_.contains(target);
}

void Formatter::set_label(const RowReader& row, TextExample& example) const {
  const auto found = labels_.find(example.target);
  if (found == labels_.end()) {
    std::vector<std::string> known;
    for (const auto& [raw, word] : spec_.raw_labels) known.push_back(raw);
    if (example.target.find_first_not_of(' ') == std::string::npos)
      row.fail("the row has no label: the cell is empty", "nothing", "one of " + spelled_list(known),
               "fill the cell, or remove such rows: filter: {FIELD: {not_in: [\"\"]}} with the field that 'target' "
               "names");
    row.fail("unknown label", spelled(example.target), "one of " + spelled_list(known),
             "add it to 'labels' (a map assigns a word to each value in the data: {0: negative, 1: positive}), "
             "or remove such rows with 'filter'");
  }
  example.target = found->second;
  example.label =
      static_cast<int>(std::find(config_.labels.begin(), config_.labels.end(), found->second) - config_.labels.begin());
}

std::vector<LoadedRow> Formatter::for_training(LoadedRow row) const {
  using Training = Preprocessor::Training;
  const Training training = spec_.preprocess ? spec_.preprocess->training : Training::as_it_is;
  std::vector<LoadedRow> result;
  if (training == Training::each_answer) {
    for (const std::string& answer : row.example.references) {
      result.push_back(row);
      result.back().example.target = answer;
    }
  } else if (training == Training::as_it_is || row.example.label == 1) {
    result.push_back(std::move(row));
  }
  return result;
}

std::vector<std::string> input_fields(const TaskSpec& spec) {
  std::vector<std::string> fields;
  const auto add = [&](const std::string& field) {
    if (std::find(fields.begin(), fields.end(), field) == fields.end()) fields.push_back(field);
  };
  for (const TemplatePart& part : spec.input.parts) {
    if (!part.field) continue;
    if (spec.preprocess && contains(spec.preprocess->makes, part.text)) {
      for (const std::string& field : spec.preprocess->reads)
        if (!contains(spec.preprocess->reads_for_answer, field)) add(field);
      continue;
    }
    const auto made = std::find_if(spec.fields.begin(), spec.fields.end(),
                                   [&](const MadeField& field) { return field.name == part.text; });
    add(made == spec.fields.end() ? part.text : made->from);
  }
  return fields;
}

std::optional<Problem> input_needs_answer(const TaskConfig& config) {
  const TaskSpec& spec = *config.spec;
  if (!spec.preprocess) return std::nullopt;
  for (const TemplatePart& part : spec.input.parts) {
    if (!part.field || !contains(spec.preprocess->makes_of_answer, part.text)) continue;
    return Problem{.what = "the inputs of the task '" + config.name + "' are made from the answers",
                   .found = "{" + part.text + "} in 'input' (" + spec.input.place + "), which the preprocessor '" +
                            spec.preprocess->name + "' makes from a row's answer",
                   .expected = "an 'input' that rows without an answer have",
                   .remedy = "`peft-bench eval` scores rows with answers; such a task cannot be used without them"};
  }
  return std::nullopt;
}

}  // namespace peftbench::data
