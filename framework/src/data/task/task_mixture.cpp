#include "data/task/task_mixture.h"

#include "core/hash.h"
#include "core/json.h"
#include "core/names.h"
#include "data/task/load_task.h"
#include "data/task/metric_names.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <memory>
#include <system_error>

namespace peftbench::data {

namespace {

const char* const rate_forms = "proportional, equal, {temperature: 2}, or a rate for each task: {boolq: 3, cb: 1}";

// What a task may be called among the rates: as the list has it, or its last part.
bool is_called(const std::string& task, const std::string& name) {
  return task == name || fs::path(task).filename() == name || fs::path(task).stem() == name;
}

void parse_given(const Yaml& yaml, TaskMixture& mixture) {
  mixture.policy.kind = MixturePolicy::Kind::given;
  mixture.policy.given.assign(mixture.names.size(), 0);
  for (const auto& [name, value] : yaml.entries()) {
    std::vector<std::size_t> meant;
    for (std::size_t t = 0; t < mixture.names.size(); ++t)
      if (is_called(mixture.names[t], name)) meant.push_back(t);
    if (meant.size() != 1)
      value.fail(meant.empty() ? "a rate for a task that is not in the mixture" : "a rate for an ambiguous task name",
                 "'" + name + "'", "the name of one task in 'tasks'", did_you_mean(name, mixture.names));
    const double rate = value.number();
    if (!(rate > 0) || !std::isfinite(rate))
      value.fail("invalid rate", value.text(), "a number above 0", "remove the task from 'tasks'");
    mixture.policy.given[meant.front()] = rate;
  }
  for (std::size_t t = 0; t < mixture.names.size(); ++t)
    if (mixture.policy.given[t] == 0)
      yaml.fail("a task of the mixture has no rate", "none for '" + mixture.names[t] + "'", "a rate for each task");
}

void parse_rate(const Yaml& yaml, TaskMixture& mixture) {
  MixturePolicy& policy = mixture.policy;
  if (yaml.is_map()) {
    const auto entries = yaml.entries();
    if (entries.size() != 1 || entries.front().first != "temperature") return parse_given(yaml, mixture);
    policy.temperature = entries.front().second.number();
    if (!(policy.temperature > 0) || !std::isfinite(policy.temperature))
      entries.front().second.fail("invalid temperature", entries.front().second.text(), "a number above 0",
                                  "1 gives proportional rates, large values give equal rates");
  } else if (!yaml.is_scalar() || (yaml.text() != "proportional" && yaml.text() != "equal")) {
    yaml.fail("invalid mixture rates", yaml.is_scalar() ? "'" + yaml.text() + "'" : "a list", rate_forms);
  } else if (yaml.text() == "equal") {
    policy.kind = MixturePolicy::Kind::equal;
  }
}

// All that decides what is drawn and how it is scored; the tasks' own texts are in it.
std::string canonical_json(const TaskConfig& config, const TaskMixture& mixture) {
  nlohmann::ordered_json tasks = nlohmann::ordered_json::array();
  for (const TaskConfig& task : mixture.tasks)
    tasks.push_back(parse_json<nlohmann::ordered_json>(task.canonical, task.name));
  const MixturePolicy& policy = mixture.policy;
  return nlohmann::ordered_json{{"name", config.name},
                                {"mixture",
                                 {{"tasks", tasks},
                                  {"kind", static_cast<int>(policy.kind)},
                                  {"cap", policy.cap},
                                  {"temperature", policy.temperature},
                                  {"rates", policy.given}}}}
      .dump();
}

}  // namespace

TaskMixture parse_mixture(const Yaml& yaml, const std::vector<std::string>& other) {
  std::vector<std::string> keys = {"tasks", "rate", "cap"};
  keys.insert(keys.end(), other.begin(), other.end());
  yaml.only(keys);
  TaskMixture mixture;
  mixture.place = yaml.place();
  for (const Yaml& item : yaml.at("tasks").items()) {
    if (std::count(mixture.names.begin(), mixture.names.end(), item.text()) > 0)
      item.fail("duplicate task in the mixture", item.text(), "each task once", "give it a higher rate instead");
    mixture.names.push_back(item.text());
  }
  if (mixture.names.empty()) yaml.at("tasks").fail("a mixture without tasks", "an empty list", "the tasks to mix");
  if (yaml.has("rate")) parse_rate(yaml.at("rate"), mixture);
  if (yaml.has("cap")) {
    const Yaml cap = yaml.at("cap");
    if (mixture.policy.kind != MixturePolicy::Kind::proportional)
      cap.fail("'cap' needs rates that depend on the task sizes", "other rates",
               "'cap' with 'rate: proportional' or a temperature", "remove one of them");
    mixture.policy.cap = cap.integer();
    if (mixture.policy.cap < 1) cap.fail("invalid number of examples", cap.text(), "1 or more");
  }
  return mixture;
}

TaskConfig with_tasks(TaskConfig config, const std::function<TaskConfig(const std::string&)>& read) {
  if (!config.mixture) return config;
  TaskMixture mixture = *config.mixture;
  config.metrics = {std::string(mean_metric)};
  config.max_input_tokens = config.max_target_tokens = 0;
  for (const std::string& name : mixture.names) {
    std::error_code error;
    const fs::path beside = config.file.parent_path() / name;  // a YAML that lies beside the mixture's
    TaskConfig task;
    try {
      task = read(fs::is_regular_file(beside, error) ? fs::absolute(beside).string() : name);
    } catch (const ConfigError& fault) {
      throw ConfigError(mixture.place + ": " + fault.what());
    }
    if (task.mixture) {
      const bool same = fs::equivalent(task.file, config.file, error);
      throw ConfigError({mixture.place + (same ? ": the mixture contains itself" : ": the mixture contains a mixture"),
                         "'" + name + "'", "tasks with a source", same ? "remove it" : "list its tasks instead"});
    }
    const auto same = std::find_if(mixture.tasks.begin(), mixture.tasks.end(),
                                   [&](const TaskConfig& other) { return other.name == task.name; });
    if (same != mixture.tasks.end())
      throw ConfigError({mixture.place + ": two tasks of the mixture have the same name", task.name,
                         "unique names, because predictions and scores use them", "rename one of them"});
    config.max_input_tokens = std::max(config.max_input_tokens, task.max_input_tokens);
    config.max_target_tokens = std::max(config.max_target_tokens, task.max_target_tokens);
    mixture.tasks.push_back(std::move(task));
  }
  config.canonical = canonical_json(config, mixture);
  config.mixture = std::make_shared<const TaskMixture>(std::move(mixture));
  return config;
}

TaskData load_mixture(const TaskConfig& config, const fs::path& data_root, const DataStorage& storage) {
  TaskData data;
  data.config = config;
  data.source = config.file;
  Sha256 hash;
  for (const TaskConfig& task : config.mixture->tasks) {
    data.parts.push_back(load_task(task, data_root, storage));
    hash.update(data.parts.back().hash);
    for (const std::string& note : data.parts.back().notes) data.notes.push_back(task.name + ": " + note);
  }
  data.hash = hash.hex();
  return data;
}

void drop_prefix(TaskConfig& config) {
  if (!config.mixture) {
    if (config.prefix.empty()) return;
    config.prefix.clear();
    auto json = parse_json<nlohmann::ordered_json>(config.canonical, config.name);
    json.erase("prefix");
    config.canonical = json.dump();
    return;
  }
  TaskMixture mixture = *config.mixture;
  for (TaskConfig& task : mixture.tasks) drop_prefix(task);
  config.canonical = canonical_json(config, mixture);
  config.mixture = std::make_shared<const TaskMixture>(std::move(mixture));
}

std::vector<const TaskData*> parts_of(const TaskData& data) {
  if (data.parts.empty()) return {&data};
  std::vector<const TaskData*> parts;
  for (const TaskData& part : data.parts) parts.push_back(&part);
  return parts;
}

std::vector<const TaskConfig*> parts_of(const TaskConfig& config) {
  if (!config.mixture) return {&config};
  std::vector<const TaskConfig*> parts;
  for (const TaskConfig& task : config.mixture->tasks) parts.push_back(&task);
  return parts;
}

TaskShape shape_of_mixture(const TaskConfig& config) {
  TaskShape shape = shape_of(config.mixture->tasks.front());
  shape.labels.clear();
  for (const TaskConfig& task : config.mixture->tasks) {
    const std::vector<std::string> fields = shape_of(task).fields;
    std::erase_if(shape.fields,
                  [&](const auto& field) { return std::count(fields.begin(), fields.end(), field) == 0; });
  }
  return shape;
}

std::vector<std::string> label_words(const TaskConfig& config) {
  std::vector<std::string> words;
  for (const TaskConfig* part : parts_of(config))
    for (const std::string& label : part->labels)
      if (std::count(words.begin(), words.end(), label) == 0) words.push_back(label);
  return words;
}

SplitSizes sizes_of(const TaskData& data) {
  SplitSizes sizes;
  for (const TaskData* part : parts_of(data)) {
    sizes.train += static_cast<std::int64_t>(part->train.size());
    sizes.validation += static_cast<std::int64_t>(part->validation.size());
    sizes.test += static_cast<std::int64_t>(part->test.size());
  }
  return sizes;
}

std::vector<double> rates_of(const TaskData& data) {
  std::vector<std::int64_t> sizes;
  for (const TaskData& part : data.parts)
    if (part.train.empty())
      throw ConfigError({data.config.file.string() + ": a task of the mixture has no training rows",
                         "'" + part.config.name + "': evaluation rows only, " + part.config.file.string(),
                         "training rows for each task",
                         "remove it from the mixture, and evaluate it with --eval-task " + part.config.name});
  for (const TaskData& part : data.parts) sizes.push_back(static_cast<std::int64_t>(part.train.size()));
  return mixture_rates(sizes, data.config.mixture->policy);
}

std::string describe_policy(const MixturePolicy& policy) {
  if (policy.kind == MixturePolicy::Kind::equal) return "equal";
  if (policy.kind == MixturePolicy::Kind::given) return "given";
  std::string text = "proportional";
  if (policy.cap > 0) text += ", at most " + with_thousands(policy.cap) + " of a task";
  if (policy.temperature != 1) {
    nlohmann::json number = policy.temperature;
    text += ", temperature " + number.dump();
  }
  return text;
}

}  // namespace peftbench::data
