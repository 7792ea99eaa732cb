#include "core/hash.h"
#include "core/names.h"
#include "data/formatter.h"
#include "data/locate.h"
#include "data/metric_names.h"
#include "data/rows.h"
#include "data/split.h"
#include "data/task.h"
#include "data/task_mixture.h"
#include "data/task_spec.h"

#include <peftbench/error.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace peftbench {

namespace {

std::string names_of(const std::vector<fs::path>& files) {
  std::vector<std::string> names;
  for (const fs::path& file : files) names.push_back(file.string());
  return join(names);
}

std::vector<LoadedRow> read_rows(const TaskConfig& config, const SourceSpec& source,
                                 const std::vector<fs::path>& files, Split split) {
  const Formatter formatter(config);
  std::vector<LoadedRow> rows;
  for (const fs::path& file : files) {
    const std::unique_ptr<RowReader> reader = RowReader::open(file, source);
    std::size_t read = 0;
    while (reader->next()) {
      ++read;
      if (formatter.passes(*reader)) rows.push_back(formatter.format(*reader, split));
    }
    if (read == 0)
      reader->fail("the file holds no rows", "no line after the header, or only empty ones", "a row for each example");
  }
  if (rows.empty()) {
    throw ConfigError(Problem{config.spec->source.place + ": no row is left",
                              "the filter refuses every row of " + names_of(files), "rows that pass 'filter'",
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

// The splits that files give; those that are set aside from train share nothing with it anyway.
void drop_overlap(std::vector<LoadedRow>& train, std::vector<LoadedRow>& validation, const std::vector<LoadedRow>& test,
                  std::vector<std::string>& notes) {
  if (!test.empty()) drop_seen(train, inputs_of(test), "train that are in test too", notes);
  if (!validation.empty()) drop_seen(train, inputs_of(validation), "train that are in validation too", notes);
  if (!test.empty() && !validation.empty())
    drop_seen(validation, inputs_of(test), "validation that are in test too", notes);
}

// A test file has all of its labels or none. False for none.
bool check_labels(const std::vector<LoadedRow>& test, std::vector<std::string>& notes) {
  const auto bare = std::find_if(test.begin(), test.end(), [](const LoadedRow& row) { return !row.labelled; });
  if (bare == test.end()) return true;
  if (std::any_of(test.begin(), test.end(), [](const LoadedRow& row) { return row.labelled; })) {
    throw DataError(Problem{bare->origin + ": the row has no label, but others of the test split have",
                            "no answer, or the label -1", "a label in every row of test, or in none",
                            "leave such rows out with 'filter'"});
  }
  notes.emplace_back("the rows of test have no labels: validation is scored in its place");
  return false;
}

std::vector<LoadedRow> for_training(const TaskConfig& config, std::vector<LoadedRow> rows) {
  const Formatter formatter(config);
  std::vector<LoadedRow> result;
  for (LoadedRow& row : rows) {
    for (LoadedRow& example : formatter.for_training(std::move(row))) result.push_back(std::move(example));
  }
  return result;
}

TextList keep(std::vector<LoadedRow> rows) {
  std::vector<StoredText> texts;
  for (LoadedRow& row : rows) texts.push_back({std::move(row.example), std::move(row.origin)});
  return TextList(std::make_shared<const TextsInMemory>(std::move(texts)));
}

std::string hash_of(const TaskData& data) {
  Sha256 hash;
  for (const auto* split : {&data.train, &data.validation, &data.test}) {
    const std::string size = std::to_string(split->size());
    hash.update(std::to_string(size.size()) + ":" + size);  // so that no two splits run together
    for (const TextExample& example : *split) add_example(hash, example);
  }
  return hash.hex();
}

}  // namespace

TaskData load_task(const TaskConfig& config, const fs::path& data_root) {
  if (config.mixture) return load_mixture(config, data_root);
  const FoundSource source = find_source(config, data_root);
  TaskData data;
  data.config = config;
  const bool scored_alone = source.train.empty();  // rows of test, to score what another task trained
  data.source = (scored_alone ? source.test : source.train).front();
  std::vector<LoadedRow> train, validation, test;
  if (!scored_alone) train = read_rows(config, source.source, source.train, Split::train);
  if (!source.validation.empty()) validation = read_rows(config, source.source, source.validation, Split::validation);
  if (!source.test.empty()) test = read_rows(config, source.source, source.test, Split::test);
  data.test_labelled = check_labels(test, data.notes);
  const SplitSpec& split = config.spec->split;
  const SplitWants wants{!scored_alone && source.validation.empty(),
                         !scored_alone && source.test.empty() && split.test > 0};
  if (!split.keep_overlap) drop_overlap(train, validation, test, data.notes);
  if (wants.validation || wants.test) {
    KeyTable keys;
    for (const LoadedRow& row : train) keys.add(row.keys);
    const std::vector<Split> splits = split_rows(std::move(keys), split, wants);
    std::vector<LoadedRow> kept;
    for (std::size_t i = 0; i < train.size(); ++i) {
      (splits[i] == Split::test         ? test
       : splits[i] == Split::validation ? validation
                                        : kept)
          .push_back(std::move(train[i]));
    }
    train = std::move(kept);
  }
  train = for_training(config, std::move(train));
  for (const auto& [rows, name] :
       {std::pair{&train, "train"}, std::pair{&validation, "validation"}, std::pair{&test, "test"}}) {
    const bool wanted = rows == &test ? scored_alone || split.test > 0 || !source.test.empty() : !scored_alone;
    if (rows->empty() && wanted) {
      throw DataError(Problem{source.source.place + ": no row is left for " + name,
                              join(data.notes, "; "),
                              "rows that other splits do not hold",
                              {}});
    }
  }
  data.train = keep(std::move(train));
  data.validation = keep(std::move(validation));
  data.test = keep(std::move(test));
  check_metric_needs(config, data.validation);
  check_metric_needs(config, data.test);
  data.hash = hash_of(data);
  return data;
}

}  // namespace peftbench
