#include "data/task/load_task.h"

#include "core/hash.h"
#include "core/json.h"
#include "core/names.h"
#include "data/prepared/row_table.h"
#include "data/prepared/text_file.h"
#include "data/preprocess/preprocess.h"
#include "data/preprocess/row_stream.h"
#include "data/readers/text_source.h"
#include "data/task/locate.h"
#include "data/task/metric_names.h"
#include "data/task/task_mixture.h"
#include "data/task/task_spec.h"

#include <peftbench/abi.h>
#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <utility>

namespace peftbench::data {

namespace {

using Json = nlohmann::json;
using Positions = std::vector<std::uint32_t>;

std::string hash_of(const TaskData& data) {
  Sha256 hash;
  for (const auto* split : {&data.train, &data.validation, &data.test}) {
    const std::string size = std::to_string(split->size());
    hash.update(std::to_string(size.size()) + ":" + size);  // so that no two splits run together
    for (const TextExample& example : *split) add_example(hash, example);
  }
  return hash.hex();
}

// All that the texts follow from; a file's ending may tell its format.
std::string key_of(const TaskConfig& config, const FoundSource& source, const DataStorage& storage) {
  Json files = Json::array();
  for (const auto* paths : {&source.train, &source.validation, &source.test}) {
    files.push_back(Json::array());
    for (const fs::path& path : *paths) files.back().push_back({content_hash(path, storage), text_ending(path)});
  }
  return sha256(Json{
      {"program", PEFTBENCH_VERSION},
      {"version", preprocessing_version},
      {"task", config.canonical},
      {"prefix", config.prefix},
      {"way", source_json(source.source)},  // of several that the task names, with its own names of fields
      {"files",
       files}}.dump());
}

// Reads a task's source into texts and splits, or opens what an earlier run made of it.
class Loader {
 public:
  Loader(const TaskConfig& config, const FoundSource& source, const DataStorage& storage)
      : config_(config),
        source_(source),
        storage_(storage),
        key_(storage.keep ? key_of(config, source, storage) : ""),
        texts_(storage, config.name, key_, "texts"),
        splits_(storage, config.name, key_, "splits") {
    for (const auto* paths : {&source.train, &source.validation, &source.test})
      for (const fs::path& path : *paths) sources_.push_back(path.string());
  }

  void load(TaskData& data) {
    const auto& parts = config_.spec->input.parts;
    if (std::none_of(parts.begin(), parts.end(), [](const TemplatePart& part) { return part.field; }))
      throw ConfigError(Problem{config_.spec->input.place + ": 'input' contains no field, so all inputs are the same",
                                "plain text only", "a field in braces",
                                "write a column name in braces: input: \"review: {text}\""});
    if (open(data)) return;
    RowTable table(*config_.spec, !source_.validation.empty(), !source_.test.empty(), source_.train.empty());
    RowStream rows(config_, source_, storage_.progress);
    const Formatter formatter(config_);
    const bool expands =
        config_.spec->preprocess && config_.spec->preprocess->training != Preprocessor::Training::as_it_is;
    std::vector<LoadedRow> trained;  // what the last row trains, waiting to be written
    std::size_t written = 0, record = 0;
    const auto store = store_texts(
        [&](StoredText& text) {
          if (written < trained.size()) {
            text = {std::move(trained[written].example), std::move(trained[written].origin)};
            ++written;
          } else {
            LoadedRow row;
            Split split{};
            if (!rows.next(row, split)) return false;
            trained.clear();
            written = 0;
            std::int32_t count = -1;
            if (expands && split == Split::train) {
              trained = formatter.for_training(row);
              count = static_cast<std::int32_t>(trained.size());
              if (count == 1 && trained.front().example.target == row.example.target) {  // the row itself
                trained.clear();
                count = -1;
              }
            }
            table.add(row, split, static_cast<std::uint32_t>(record), count);
            text = {std::move(row.example), std::move(row.origin)};
          }
          if (++record == std::numeric_limits<std::uint32_t>::max()) {
            throw DataError(Problem{config_.spec->source.place + ": the source has too many rows",
                                    "more than 4,294,967,294", "fewer than that",
                                    "split it into several tasks, and use a mixture of them"});
          }
          return true;
        },
        sources_, texts_, storage_.memory_bytes);
    RowTable::Splits splits = table.finish();
    data.notes = rows.notes();
    data.notes.insert(data.notes.end(), splits.notes.begin(), splits.notes.end());
    data.test_labelled = splits.test_labelled;
    share(data, store, std::move(splits.train), std::move(splits.validation), std::move(splits.test));
    check(data);
    check_metric_needs(config_, data.validation);
    if (data.test_labelled) check_metric_needs(config_, data.test);
    data.hash = hash_of(data);
    if (storage_.keep && !store->key().empty()) {
      check_unchanged();
      keep(data);  // without the splits, nobody takes the texts for those of this key
    }
  }

 private:
  static void share(TaskData& data, const std::shared_ptr<const TextStore>& store, Positions train,
                    Positions validation, Positions test) {
    data.train = TextList(store, std::move(train));
    data.validation = TextList(store, std::move(validation));
    data.test = TextList(store, std::move(test));
  }

  bool open(TaskData& data) const {
    const auto texts = texts_.find(), splits = splits_.find();
    if (!texts || !splits) return false;
    Positions train = splits->numbers("train"), validation = splits->numbers("validation"),
              test = splits->numbers("test");
    for (const Positions* places : {&train, &validation, &test})
      for (const std::uint32_t place : *places)
        if (place >= texts->size()) splits->fail("a row index outside the texts");
    const Json about = parse_json<Json>(splits->section("about"), "the section 'about'");
    about.at("notes").get_to(data.notes);
    about.at("hash").get_to(data.hash);
    about.at("test_labelled").get_to(data.test_labelled);
    share(data, std::make_shared<const TextsInFile>(texts, sources_), std::move(train), std::move(validation),
          std::move(test));
    return true;
  }

  void check_unchanged() const {
    if (key_of(config_, source_, storage_) == key_) return;
    throw DataError(Problem{"a source of task '" + config_.name + "' changed while it was read",
                            "different contents than at the start, in " + join(sources_), "files that do not change",
                            "run the command again when the files are complete"});
  }

  void keep(const TaskData& data) const {
    const std::string about =
        Json{{"notes", data.notes}, {"hash", data.hash}, {"test_labelled", data.test_labelled}}.dump();
    splits_.write([&](RecordWriter& writer) {
      writer.finish({{"about", about},
                     {"train", data.train.place_bytes()},
                     {"validation", data.validation.place_bytes()},
                     {"test", data.test.place_bytes()}});
    });
  }

  void check(const TaskData& data) const {
    const SplitSpec& split = config_.spec->split;
    const bool scored_alone = source_.train.empty();
    for (const auto& [list, name] :
         {std::pair{&data.train, "train"}, std::pair{&data.validation, "validation"}, std::pair{&data.test, "test"}}) {
      const bool wanted = list == &data.test ? scored_alone || split.test > 0 || !source_.test.empty() : !scored_alone;
      if (list->empty() && wanted) {
        throw DataError(Problem{source_.source.place + ": no row is left for " + name, join(data.notes, "; "),
                                "rows that are not in other splits",
                                "use other files, or set 'overlap: keep' under 'split' to keep rows in both splits"});
      }
    }
  }

  const TaskConfig& config_;
  const FoundSource& source_;
  const DataStorage& storage_;
  std::string key_;
  StoredRecords texts_, splits_;
  std::vector<std::string> sources_;
};

}  // namespace

TaskData load_task(const TaskConfig& config, const fs::path& data_root) { return load_task(config, data_root, {}); }

TaskData load_task(const TaskConfig& config, const fs::path& data_root, DataStorage storage) {
  if (config.mixture) return load_mixture(config, data_root, storage);
  if (storage.folder.empty()) storage.folder = data_root / ".cache" / "tasks";
  Search search = search_source(config, data_root);
  if (search.results.empty() && storage.fetch && !config.spec->fetch.empty()) {
    if (storage.progress != nullptr)
      storage.progress->note("the data of " + config.name + " is missing: downloading it");
    storage.fetch(config.spec->fetch);
  }
  const FoundSource source =
      search.results.empty() ? find_source(config, data_root) : std::move(search.results.front());
  TaskData data;
  data.config = config;
  data.source = (source.train.empty() ? source.test : source.train).front();
  Loader(config, source, storage).load(data);
  return data;
}

}  // namespace peftbench::data
