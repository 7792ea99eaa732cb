#include "core/hash.h"
#include "core/names.h"
#include "core/utf8.h"
#include "data/rows.h"
#include "data/split.h"
#include "data/task.h"
#include "data/task_spec.h"

#include <peftbench/error.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace peftbench {

namespace {

// A row that passed the filter, formatted.
struct LoadedRow {
  TextExample example;
  std::string origin;
  RowKeys keys;  // the first is the input's text
};

// Where the data lies, or a DataError that says how to get it.
fs::path find_source(const TaskConfig& config, const std::string& file, const fs::path& data_root) {
  const TaskSpec& spec = *config.spec;
  const fs::path beside = config.file.parent_path() / file;  // file itself if it is absolute
  if (fs::exists(beside)) return beside;
  const fs::path folder = data_root / (spec.fetch.empty() ? config.name : spec.fetch);
  const bool whole = spec.fetch.empty() || fs::exists(folder / ".ready");  // a broken-off fetch is no data
  if (whole && fs::exists(folder / file)) return folder / file;
  std::string looked = beside.string();
  if (fs::path(file).is_relative()) looked += "\n" + (folder / file).string() + (whole ? "" : " (not fetched yet)");
  throw DataError(
      Problem{spec.source.place + ": the data of task '" + config.name + "' is not there", "nothing at " + looked,
              "the file '" + file + "' that the source names",
              spec.fetch.empty() ? "put it there, or name another path" : "run tools/fetch-data " + spec.fetch});
}

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

// Applies a task's fields, filter and templates to the rows of a file.
class Formatter {
 public:
  explicit Formatter(const TaskConfig& config) : config_(config), spec_(*config.spec) {
    for (const MadeField& field : spec_.fields) made_.emplace(field.name, &field);
    for (const auto& [raw, word] : spec_.raw_labels) labels_.emplace(raw, word);
  }

  std::string value(const RowReader& row, const std::string& name, const std::string& place) const {
    const auto made = made_.find(name);
    if (made == made_.end()) return raw(row, name, place);
    const MadeField& field = *made->second;
    std::optional<std::string> text = row.field(field.from);
    if (!text) text = field.otherwise;
    if (!text) return raw(row, field.from, field.place);
    if (field.cuts.empty()) return *text;
    const double x = number(*text, row, field.from, field.place);
    return field.words[static_cast<std::size_t>(std::upper_bound(field.cuts.begin(), field.cuts.end(), x) -
                                                field.cuts.begin())];
  }

  bool passes(const RowReader& row) const {
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

  LoadedRow format(const RowReader& row) const {
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

 private:
  std::string raw(const RowReader& row, const std::string& name, const std::string& place) const {
    if (std::optional<std::string> text = row.field(name)) return std::move(*text);
    std::vector<std::string> there = row.names();
    for (const MadeField& field : spec_.fields) there.push_back(field.name);
    row.fail("the field '" + name + "' is missing", "the fields " + join(there),
             "'" + name + "', which " + place + " asks for", did_you_mean(name, there));
  }

  void set_label(const RowReader& row, TextExample& example) const {
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
    example.label = static_cast<int>(std::find(config_.labels.begin(), config_.labels.end(), found->second) -
                                     config_.labels.begin());
  }

  const TaskConfig& config_;
  const TaskSpec& spec_;
  std::unordered_map<std::string, const MadeField*> made_;
  std::unordered_map<std::string, std::string> labels_;
};

std::vector<LoadedRow> read_rows(const TaskConfig& config, const std::vector<std::string>& files,
                                 const fs::path& data_root) {
  const Formatter formatter(config);
  std::vector<LoadedRow> rows;
  for (const std::string& file : files) {
    const fs::path path = find_source(config, file, data_root);
    const std::unique_ptr<RowReader> reader = RowReader::open(path, config.spec->source);
    std::size_t read = 0;
    while (reader->next()) {
      ++read;
      if (formatter.passes(*reader)) rows.push_back(formatter.format(*reader));
    }
    if (read == 0)
      reader->fail("the file holds no rows", "no line after the header, or only empty ones", "a row for each example");
  }
  if (rows.empty()) {
    throw ConfigError(Problem{config.spec->source.place + ": no row is left",
                              "the filter refuses every row of " + join(files), "rows that pass 'filter'",
                              "compare the values in 'filter' with those in the file"});
  }
  return rows;
}

using Inputs = std::unordered_set<std::string>;
Inputs inputs_of(const std::vector<LoadedRow>& rows) {
  Inputs result;
  for (const LoadedRow& row : rows) result.insert(row.keys.keys.front());
  return result;
}

// Splits that the source gives as files may overlap: what is scored must not have been trained on.
void drop_seen(std::vector<LoadedRow>& rows, const Inputs& seen, const std::string& what,
               std::vector<std::string>& notes) {
  const std::size_t dropped =
      std::erase_if(rows, [&](const LoadedRow& row) { return seen.contains(row.keys.keys.front()); });
  if (dropped > 0) notes.push_back(with_thousands(static_cast<long long>(dropped)) + " rows left out of " + what);
}

void keep(std::vector<LoadedRow> rows, std::vector<TextExample>& examples, std::vector<std::string>& origins) {
  for (LoadedRow& row : rows) {
    examples.push_back(std::move(row.example));
    origins.push_back(std::move(row.origin));
  }
}

void add(Sha256& hash, std::string_view text) {
  hash.update(std::to_string(text.size()) + ":");  // lengths, so that no two lists of texts run together
  hash.update(text);
}

std::string hash_of(const TaskData& data) {
  Sha256 hash;
  for (const auto* split : {&data.train, &data.validation, &data.test}) {
    add(hash, std::to_string(split->size()));
    for (const TextExample& example : *split) {
      add(hash, std::to_string(example.input.size()));
      for (const Piece& piece : example.input) add(hash, piece.name), add(hash, piece.text);
      add(hash, example.target);
    }
  }
  return hash.hex();
}

}  // namespace

TaskData load_task(const TaskConfig& config, const fs::path& data_root) {
  const SourceSpec& source = config.spec->source;
  TaskData data;
  data.config = config;
  data.source = find_source(config, source.train.front(), data_root);
  std::vector<LoadedRow> train = read_rows(config, source.train, data_root), validation, test;
  if (!source.validation.empty()) validation = read_rows(config, source.validation, data_root);
  if (!source.test.empty()) test = read_rows(config, source.test, data_root);
  const SplitWants wants{source.validation.empty(), source.test.empty()};
  if (!wants.test) drop_seen(train, inputs_of(test), "train that are in test too", data.notes);
  if (!wants.validation) drop_seen(train, inputs_of(validation), "train that are in validation too", data.notes);
  if (!wants.test && !wants.validation)
    drop_seen(validation, inputs_of(test), "validation that are in test too", data.notes);
  if (wants.validation || wants.test) {
    std::vector<RowKeys> keys;
    for (LoadedRow& row : train) keys.push_back(std::move(row.keys));
    const std::vector<Split> splits = split_rows(keys, config.spec->split, wants);
    std::vector<LoadedRow> kept;
    for (std::size_t i = 0; i < train.size(); ++i) {
      (splits[i] == Split::test         ? test
       : splits[i] == Split::validation ? validation
                                        : kept)
          .push_back(std::move(train[i]));
    }
    train = std::move(kept);
  }
  for (const auto& [rows, name] :
       {std::pair{&train, "train"}, std::pair{&validation, "validation"}, std::pair{&test, "test"}}) {
    if (rows->empty()) {
      throw DataError(Problem{source.place + ": no row is left for " + name,
                              join(data.notes, "; "),
                              "rows that other splits do not hold",
                              {}});
    }
  }
  keep(std::move(train), data.train, data.train_origin);
  keep(std::move(validation), data.validation, data.validation_origin);
  keep(std::move(test), data.test, data.test_origin);
  data.hash = hash_of(data);
  return data;
}

}  // namespace peftbench
