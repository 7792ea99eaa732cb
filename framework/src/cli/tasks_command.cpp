#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/fetch.h"
#include "commands/task_survey.h"
#include "core/names.h"
#include "data/preprocess/preprocess.h"
#include "data/task/label_check.h"
#include "data/task/locate.h"
#include "data/task/task.h"
#include "data/task/task_mixture.h"
#include "data/task/task_spec.h"
#include "report/render.h"
#include "report/text_sheet.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

namespace peftbench::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string answers_of(const TaskConfig& task) {
  if (task.mixture) return std::to_string(task.mixture->tasks.size()) + " tasks";
  return task.labels.empty() ? "free text" : std::to_string(task.labels.size()) + " labels";
}

// Whether a task can be used: "ready"; "fetch", if we can get its data; else "bring your own".
std::string state_of(const TaskConfig& task, const fs::path& data_root) {
  std::string state = "ready";
  for (const TaskConfig* part : parts_of(task)) {
    if (!search_source(*part, data_root).results.empty()) continue;
    if (part->spec->fetch.empty()) return "bring your own";
    state = "fetch";
  }
  return state;
}

Json task_json(const TaskConfig& task) {
  Json json = {{"name", task.name},
               {"summary", task.summary},
               {"labels", task.labels},
               {"metrics", task.metrics},
               {"max_input_tokens", task.max_input_tokens},
               {"max_target_tokens", task.max_target_tokens},
               {"file", task.file.string()}};
  if (task.spec && task.spec->preprocess) json["preprocess"] = task.spec->preprocess->name;
  if (task.mixture) json["tasks"] = task.mixture->names;
  return json;
}

std::vector<std::string> texts_of(const std::vector<fs::path>& files) {
  std::vector<std::string> result;
  for (const fs::path& file : files) result.push_back(file.string());
  return result;
}

// Where the data was looked for, and the files that were found.
void show_places(const TaskConfig& task, const Search& search, TextSheet& sheet, Json& json) {
  Json places = Json::array();
  for (const LookedAt& place : search.places) {
    places.push_back({{"folder", place.folder.empty() ? "." : place.folder.string()},
                      {"found", place.found},
                      {"missing", place.missing},
                      {"taken", place.missing.empty() && !place.broken_off}});
  }
  if (search.results.empty()) {
    std::string label = "files needed";
    for (const std::string& line : wanted_files(task.spec->source)) {
      const bool first = label == "files needed";
      sheet.add(std::exchange(label, ""), (first ? "" : "or ") + line);
    }
  }
  std::string label = "searched";
  for (const std::string& line : lines_of(search)) sheet.add(std::exchange(label, ""), line);
  json["places"] = std::move(places);
  if (search.results.empty()) {
    sheet.add("how to get it", how_to_get(task, search));
    json["files"] = nullptr;
    json["to_get_it"] = how_to_get(task, search);
    return;
  }
  const FoundSource& source = search.results.front();
  json["files"] = {
      {"train", texts_of(source.train)}, {"validation", texts_of(source.validation)}, {"test", texts_of(source.test)}};
  for (const auto& [name, files] : {std::pair{"train", &source.train}, std::pair{"validation", &source.validation},
                                    std::pair{"test", &source.test}}) {
    if (!files->empty()) sheet.add(std::string(name) + " from", join(texts_of(*files)));
  }
}

std::string input_text(const TextExample& example) {
  std::string text;
  for (const Piece& piece : example.input) text += piece.text;
  return text;
}

// The first examples of each split that there is, as the backbone gets them.
std::string show_examples(const TaskData& data, std::size_t count, Json& json) {
  std::string text;
  for (const auto& [name, examples] :
       {std::pair{"train", &data.train}, std::pair{"validation", &data.validation}, std::pair{"test", &data.test}}) {
    Json list = Json::array();
    for (std::size_t i = 0; i < std::min(count, examples->size()); ++i) {
      const TextExample example = (*examples)[i];
      const std::string origin = examples->origin(i);
      TextSheet sheet;
      sheet.add("input", input_text(example));
      sheet.add("target", example.target);
      if (example.label >= 0) sheet.add("label", std::to_string(example.label));
      if (!example.references.empty()) sheet.add("references", join(example.references, " | "));
      if (!example.group.empty()) sheet.add("group", example.group);
      text += "\n" + std::string(name) + " " + std::to_string(i + 1) + ", " + origin + "\n" + sheet.text(0);
      list.push_back({{"origin", origin},
                      {"input", input_text(example)},
                      {"target", example.target},
                      {"label", example.label < 0 ? Json() : Json(example.label)},
                      {"references", example.references},
                      {"group", example.group}});
    }
    if (!list.empty()) json[std::string(name) + "_examples"] = std::move(list);
  }
  return text;
}

void show_data(const TaskData& data, TextSheet& sheet, Json& json) {
  const SplitSizes sizes = sizes_of(data);
  json["examples"] = {{"train", sizes.train}, {"validation", sizes.validation}, {"test", sizes.test}};
  json["source"] = data.source.string();
  json["hash"] = data.hash;
  json["notes"] = data.notes;
  sheet.add("examples", with_thousands(sizes.train) + " train, " + with_thousands(sizes.validation) + " validation, " +
                            with_thousands(sizes.test) + " test");
  sheet.add("hash", data.hash);
  for (const std::string& note : data.notes) sheet.add("note", note);
}

void show_mixture(const TaskData& data, TextSheet& sheet, Json& json) {
  const auto scored_alone = [](const TaskData& part) { return part.train.empty(); };
  if (std::any_of(data.parts.begin(), data.parts.end(), scored_alone)) {  // of use to what trains nothing
    for (const TaskData& part : data.parts)
      if (scored_alone(part)) sheet.add(part.config.name, "no training examples: the mixture can only be evaluated");
    json["rates"] = nullptr;
    return;
  }
  const std::vector<double> rates = rates_of(data);
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const TaskData& part = data.parts[i];
    char rate[32];
    std::snprintf(rate, sizeof rate, "%.4f", rates[i]);
    sheet.add(part.config.name, "sampled at a rate of " + std::string(rate) + " from " +
                                    with_thousands(static_cast<long long>(part.train.size())) + " examples");
    json["rates"][part.config.name] = rates[i];
  }
}

// Labels, and what the limits and the vocabulary take from the texts.
void show_survey(const TaskData& data, const Paths& paths, const std::optional<Vocabulary>& vocabulary, bool named,
                 TextSheet& sheet, Json& json) {
  const TaskSurvey survey = survey_task(data, paths, vocabulary);
  const TaskConfig& task = data.config;
  std::string label = named ? "labels of " + task.name : "rows";
  json["label_counts"] = Json::object();
  json["texts"] = Json::object();
  for (std::size_t i = 0; i < task.labels.size(); ++i) {
    std::vector<std::string> parts;
    Json& own = json["label_counts"][task.labels[i]] = Json::object();
    for (const auto& [split, counts] : survey.splits) {
      const auto found = counts.labels.find(static_cast<int>(i));
      const std::int64_t count = found == counts.labels.end() ? 0 : found->second;
      own[split] = count;
      parts.push_back(with_thousands(count) + " " + split);
    }
    sheet.add(std::exchange(label, ""), task.labels[i] + ": " + join(parts));
  }
  for (const auto& [split, counts] : survey.splits) {
    if (!vocabulary) continue;
    Json& own = json["texts"][split] = to_json(counts);
    own.erase("labels");
  }
  json["warnings"] = survey.warnings;
  for (const std::string& warning : survey.warnings) sheet.add("warning", (named ? task.name + ": " : "") + warning);
}

int describe_task(const TaskConfig& task, const Paths& paths, const std::string& backbone, std::size_t examples,
                  bool as_json) {
  const fs::path& data_root = paths.data;
  const std::optional<Vocabulary> vocabulary = find_vocabulary(paths, backbone);
  if (vocabulary && !backbone.empty()) check_labels(task, *vocabulary->tokenizer);
  Json json = task_json(task);
  std::exception_ptr problem;
  TextSheet sheet;
  sheet.add(task.mixture ? "mixture" : "task", task.name);
  sheet.add("summary", task.summary);
  if (task.mixture) {
    sheet.add("tasks", join(task.mixture->names));
    sheet.add("rates", describe_policy(task.mixture->policy));
  } else {
    sheet.add("labels", task.labels.empty() ? "free text" : join(task.labels));
    sheet.add("metrics", join(task.metrics));
    if (task.spec->preprocess)
      sheet.add("preprocess", task.spec->preprocess->name + ": " + task.spec->preprocess->summary);
  }
  sheet.add("tokens", "input up to " + std::to_string(task.max_input_tokens) + ", target up to " +
                          std::to_string(task.max_target_tokens));
  sheet.add("file", task.file.string());
  json["data"] = state_of(task, data_root);
  sheet.add("data", json["data"]);
  if (!task.mixture) show_places(task, search_source(task, data_root), sheet, json);
  std::string shown;
  try {
    const TaskData data = load_task(task, data_root);
    show_data(data, sheet, json);
    if (task.mixture) show_mixture(data, sheet, json);
    json["vocabulary"] = vocabulary ? Json(vocabulary->backbone) : Json();
    if (vocabulary) sheet.add("vocabulary", "of " + vocabulary->backbone + (backbone.empty() ? ", the default" : ""));
    for (const TaskData* part : parts_of(data))
      show_survey(*part, paths, vocabulary, task.mixture != nullptr, sheet,
                  task.mixture ? json["parts"][part->config.name] : json);
    for (const TaskData* part : parts_of(data)) {
      if (examples == 0) break;
      if (task.mixture) shown += "\n" + part->config.name;
      shown += show_examples(*part, examples, task.mixture ? json["parts"][part->config.name] : json);
    }
  } catch (const UserError& error) {  // the description is of use without the data
    json["examples"] = nullptr;
    json["problem"] = error.what();
    problem = std::current_exception();
  }
  if (as_json)
    print_json(json);
  else
    print(sheet.text(terminal_width(1)) + shown);
  if (problem) std::rethrow_exception(problem);
  return 0;
}

int list_preprocessors(bool as_json) {
  Table table({{"preprocessor", Align::left, "name"}, "reads", "makes", "summary"});
  for (const Preprocessor& p : preprocessors()) table.add({p.name, p.reads, p.makes, p.summary});
  if (as_json)
    print_json(render_json(table));
  else
    print(render_text(table, terminal_width(1)));
  return 0;
}

int list_all(const Paths& paths, bool as_json) {
  Table table({"task", "answers", "metrics", "data", "summary"});
  Json json = Json::array();
  for (const TaskConfig& task : list_tasks(paths.task_folders())) {
    const std::string state = state_of(task, paths.data);
    table.add({task.name, answers_of(task), join(task.metrics), state, task.summary});
    json.push_back(task_json(task));
    json.back()["data"] = state;
  }
  std::vector<std::string> names;
  for (const Preprocessor& p : preprocessors()) names.push_back(p.name);
  if (as_json)
    print_json(json);
  else
    print(render_text(table, terminal_width(1)) +
          "\ndata: ready, available; fetch, `peft-bench tasks --fetch NAME` downloads it; bring your own, "
          "`peft-bench tasks NAME` explains which and from where\npreprocessors (--preprocessors describes them): " +
          join(names) + "\n");
  return 0;
}

}  // namespace

int tasks_command(const std::vector<std::string>& words) {
  Arguments arguments("tasks", "Lists the tasks, or shows one with its data and how to get it.");
  std::string name, backbone;
  std::size_t examples = 0;
  std::vector<std::string> wanted;
  bool of_preprocessors = false, of_recipes = false;
  CLI::App& app = arguments.app();
  app.add_option("NAME", name, "a task, or the path of its YAML file")->type_name("");
  CLI::Option* const show = app.add_option("--examples", examples, "show the first N examples of each split")
                                ->type_name("N")
                                ->check(CLI::NonNegativeNumber);
  CLI::Option* const fetch =
      app.add_option("--fetch", wanted, "download the data of these tasks, or of these recipes")->type_name("NAME");
  app.add_option("--backbone", backbone, "tokenize with this backbone's vocabulary; default: the default backbone")
      ->type_name("NAME");
  arguments.flag("--recipes", of_recipes, "list what --fetch can get beside the tasks: texts, supervised tasks");
  arguments.flag("--preprocessors", of_preprocessors, "list the preprocessors for 'preprocess' in a task file");
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  const Paths paths = arguments.paths();
  if (fetch->count() > 0) {
    if (!name.empty()) wanted.push_back(name);
    return fetch_data(wanted, paths);
  }
  if (of_recipes) return list_recipes(paths);
  if (of_preprocessors) return list_preprocessors(arguments.json());
  if (!name.empty())
    return describe_task(read_task_config(name, paths.task_folders()), paths, backbone, examples, arguments.json());
  if (show->count() > 0) {
    throw ConfigError({"--examples needs a task", "none",
                       "peft-bench tasks NAME --examples " + std::to_string(examples),
                       "give a name listed by `peft-bench tasks`"});
  }
  return list_all(paths, arguments.json());
}

}  // namespace peftbench::cli
