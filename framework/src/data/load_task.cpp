#include "core/hash.h"
#include "core/names.h"
#include "data/formatter.h"
#include "data/locate.h"
#include "data/rows.h"
#include "data/split.h"
#include "data/task.h"
#include "data/task_mixture.h"
#include "data/task_spec.h"

#include <peftbench/error.h>

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
                                 const std::vector<fs::path>& files) {
  const Formatter formatter(config);
  std::vector<LoadedRow> rows;
  for (const fs::path& file : files) {
    const std::unique_ptr<RowReader> reader = RowReader::open(file, source);
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
  data.source = source.train.front();
  std::vector<LoadedRow> train = read_rows(config, source.source, source.train), validation, test;
  if (!source.validation.empty()) validation = read_rows(config, source.source, source.validation);
  if (!source.test.empty()) test = read_rows(config, source.source, source.test);
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
      throw DataError(Problem{source.source.place + ": no row is left for " + name,
                              join(data.notes, "; "),
                              "rows that other splits do not hold",
                              {}});
    }
  }
  data.train = keep(std::move(train));
  data.validation = keep(std::move(validation));
  data.test = keep(std::move(test));
  data.hash = hash_of(data);
  return data;
}

}  // namespace peftbench
