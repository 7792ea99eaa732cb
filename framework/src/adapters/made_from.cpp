#include "adapters/made_from.h"

#include "adapters/seen_rows.h"
#include "core/hash.h"
#include "core/names.h"
#include "data/task/task_mixture.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>

namespace peftbench::adapters {
namespace {

std::string short_hash(const std::string& hash) { return hash.substr(0, 16); }

nlohmann::ordered_json to_json(const MadeFrom::Task& task) {
  return {{"name", task.name}, {"definition", task.definition}, {"data", task.data}};
}

MadeFrom::Task task_from(const nlohmann::json& json) {
  return {json.value("name", ""), json.value("definition", ""), json.value("data", "")};
}

bool is_same(const MadeFrom::Task& then, const TaskData& now) {
  if (then.data.empty() || !difference(then, now).empty()) return false;
  return !then.definition.empty() || then.name == now.config.name;
}

}  // namespace

MadeFrom::Task contents_of(const TaskData& task) {
  return {task.config.name, sha256(task.config.canonical), task.hash};
}

MadeFrom made_from(const TaskData& task, const Tokenizer& vocabulary, const RunOptions& options) {
  MadeFrom made;
  made.task = contents_of(task);
  for (const TaskData& part : task.parts) made.parts.push_back(contents_of(part));
  made.file = fs::absolute(task.config.file).lexically_normal().string();
  made.labels = label_words(task.config);
  made.vocabulary = vocabulary.hash();
  made.prefix = options.task.prefix;
  made.precision = std::string(enum_name(options.backbone.precision));
  made.quantization = std::string(enum_name(options.backbone.quantization));
  return made;
}

MadeFrom made_from(const RunRecord& record) {
  MadeFrom made;
  const Json task = record.config.value("task", Json::object());
  made.task = {record.task.name, task.value("definition", ""), record.task.hash};
  for (const TaskScore& part : record.tasks)
    if (part.trained) made.parts.push_back({part.task, part.definition, part.hash});
  made.file = record.task.file;
  made.prefix = task.value("prefix", true);
  made.labels = record.task.labels;
  made.vocabulary = record.vocabulary_hash;
  made.precision = record.backbone.precision;
  made.quantization = record.backbone.quantization;
  return made;
}

nlohmann::ordered_json to_json(const MadeFrom& made) {
  nlohmann::ordered_json parts = nlohmann::ordered_json::array();
  for (const MadeFrom::Task& part : made.parts) parts.push_back(to_json(part));
  return {{"task", to_json(made.task)},  {"parts", parts},
          {"file", made.file},           {"prefix", made.prefix},
          {"labels", made.labels},       {"vocabulary", made.vocabulary},
          {"precision", made.precision}, {"quantization", made.quantization}};
}

MadeFrom made_from_json(const nlohmann::json& json) {
  MadeFrom made;
  made.task = task_from(json.at("task"));
  for (const auto& part : json.at("parts")) made.parts.push_back(task_from(part));
  json.at("file").get_to(made.file);
  json.at("prefix").get_to(made.prefix);
  json.at("labels").get_to(made.labels);
  json.at("vocabulary").get_to(made.vocabulary);
  json.at("precision").get_to(made.precision);
  json.at("quantization").get_to(made.quantization);
  return made;
}

Difference difference(const MadeFrom::Task& then, const TaskData& now) {
  const MadeFrom::Task found = contents_of(now);
  Difference result;
  const auto compare = [&](const char* what, const std::string& before, const std::string& after) {
    if (before.empty() || after.empty() || before == after) return;
    result.now += (result.now.empty() ? "" : ", ") + (what + (" " + short_hash(after)));
    result.then += (result.then.empty() ? "" : ", ") + (what + (" " + short_hash(before)));
  };
  compare("definition", then.definition, found.definition);
  compare("data", then.data, found.data);
  return result;
}

bool was_trained_on(const MadeFrom& made, const TaskData& task) {
  return is_same(made.task, task) ||
         std::any_of(made.parts.begin(), made.parts.end(), [&](const auto& part) { return is_same(part, task); });
}

void check_settings(const RunRecord& record, const RunConfig& config, const std::vector<std::string>& asked) {
  const nlohmann::json now = to_json(config.options);
  for (const auto& [key, value] : now.items()) {
    // The task itself is compared by its content.
    const bool decides =
        key == option_key::seed || key.starts_with("eval.") || (key.starts_with("task.") && key != option_key::task);
    if (!decides || std::count(asked.begin(), asked.end(), key) > 0) continue;
    std::string pointer = "/" + key;
    std::replace(pointer.begin(), pointer.end(), '.', '/');
    const Json::json_pointer place(pointer);
    if (!record.config.contains(place)) continue;  // the record is older than the setting
    const nlohmann::json then = record.config.at(place);
    if (then == value) continue;
    throw DataError({"the run's config.yaml was changed after the run", key + ": " + value.dump(),
                     key + ": " + then.dump() + ", as in record.json of " + record.id,
                     "restore the file; start a new run for other settings"});
  }
}

void check_task(const MadeFrom& made, const TaskData& now, const std::string& who) {
  const Difference other = difference(made.task, now);
  if (other.empty()) return;
  const std::vector<std::string> labels = label_words(now.config);
  const bool reordered = !made.labels.empty() && labels != made.labels;
  throw DataError(
      {"the task '" + now.config.name + "' changed since " + who + " was trained: its file or its rows differ",
       other.now + (reordered ? ", labels " + join(labels) : "") + ", of " + now.config.file.string(),
       other.then + (reordered ? ", labels " + join(made.labels) : ""),
       "restore the file and the rows, or train again; `peft-bench eval RUN --task " + now.config.file.string() +
           "` evaluates it as a different task, with answers matched by their words. Random splits "
           "change when rows are added, so some of the rows scored now may have been used for training"});
}

void check_same_vocabulary(const MadeFrom& made, const Tokenizer& vocabulary, const std::string& who) {
  if (made.vocabulary.empty() || made.vocabulary == vocabulary.hash()) return;
  throw CheckpointError({"the backbone's vocabulary changed since " + who + " was trained",
                         "spiece.model, hash " + short_hash(vocabulary.hash()), "hash " + short_hash(made.vocabulary),
                         "restore the backbone's original vocabulary"});
}

namespace {

// The data that were trained on, if they are still there as they were.
std::optional<TaskData> still_there(const MadeFrom& made, const Paths& paths) {
  if (made.file.empty() || !made.prefix) return std::nullopt;
  try {
    TaskData task = load_task(read_task_config(made.file, paths.task_folders()), paths.data);
    if (made.task.data.empty() || !difference(made.task, task).empty()) return std::nullopt;
    return task;
  } catch (const UserError&) {
    return std::nullopt;
  }
}

}  // namespace

void check_start(const MadeFrom& made, const NewRun& now, const std::string& start, const Paths& paths,
                 const std::function<void(std::string)>& warn) {
  if (!made.vocabulary.empty() && made.vocabulary != now.vocabulary.hash())
    warn("the initial values were trained with another vocabulary, hash " + short_hash(made.vocabulary) + "; here " +
         short_hash(now.vocabulary.hash()));
  if (was_trained_on(made, now.task)) return;
  std::vector<MadeFrom::Task> then = made.parts;
  then.push_back(made.task);
  for (const TaskData* part : parts_of(now.task)) {
    if (made.prefix != now.options.task.prefix) break;  // the hashes are of other texts
    for (const MadeFrom::Task& task : then) {
      const Difference other = difference(task, *part);
      if (task.name != part->config.name || other.empty()) continue;
      throw DataError({"the initial values were trained on an earlier version of '" + task.name +
                           "': its file or its rows "
                           "changed since",
                       other.now + ", of " + part->config.file.string(), other.then + ", in " + start,
                       "rows that are scored now may have been used for training then. Restore the task, train from "
                       "scratch, or give "
                       "the task another name"});
    }
  }
  if (const auto trained = still_there(made, paths))
    for (const TaskData* part : parts_of(now.task))
      if (const std::string seen = seen_rows(*trained, *part, now.options.eval.split); !seen.empty())
        warn("the initial values were trained on rows that are scored: " + seen);
}

std::string unknown_hashes(const MadeFrom& made) {
  std::vector<std::string> unknown;
  if (made.task.definition.empty()) unknown.emplace_back("the task's definition");
  if (made.task.data.empty()) unknown.emplace_back("the task's data");
  if (made.vocabulary.empty()) unknown.emplace_back("the vocabulary");
  return unknown.empty() ? ""
                         : "an older version did not record hashes of " + join(unknown) + ", so they are not compared";
}

}  // namespace peftbench::adapters
