#include "core/json.h"
#include "core/names.h"
#include "data/preprocess/preprocess.h"
#include "data/readers/text_source.h"
#include "data/task/metric_names.h"
#include "data/task/task.h"
#include "data/task/task_mixture.h"
#include "data/task/task_spec.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <system_error>

namespace peftbench::data {

namespace {

using OrderedJson = nlohmann::ordered_json;

void parse_labels(const Yaml& yaml, TaskConfig& config, TaskSpec& spec) {
  const auto add = [&](const std::string& raw, const Yaml& item) {
    const std::string& word = one_line(item, "a label word");
    // Generated text has one space between words and none around them: another word could never be produced.
    if (word.front() == ' ' || word.back() == ' ' || word.find("  ") != std::string::npos) {
      item.fail("a label word has extra spaces", "'" + word + "'", "single spaces, none at the ends");
    }
    if (std::count(config.labels.begin(), config.labels.end(), word) == 0) config.labels.push_back(word);
    spec.raw_labels.emplace_back(raw, word);
  };
  if (yaml.is_map()) {
    for (const auto& [raw, item] : yaml.entries()) add(raw, item);
  } else {
    for (const Yaml& item : yaml.items()) {
      if (item.is_scalar() && std::count(config.labels.begin(), config.labels.end(), item.text()) > 0) {
        item.fail("duplicate label word", item.text(), "each word once");
      }
      add(item.is_scalar() ? item.text() : "", item);
    }
  }
  if (config.labels.size() < 2) {
    yaml.fail("a task with labels needs at least two words", std::to_string(config.labels.size()),
              "[negative, positive], or a map {0: negative, 1: positive}", "remove 'labels' for free text");
  }
}

std::int64_t token_limit(const Yaml& yaml) {
  const long long limit = yaml.integer();
  if (limit < 2 || limit > 1000000) yaml.fail("invalid token limit", std::to_string(limit), "2 or more, including EOS");
  return limit;
}

OrderedJson to_json(const TextTemplate& text) {
  OrderedJson parts = OrderedJson::array();
  for (const TemplatePart& part : text.parts) parts.push_back({part.field ? "field" : "text", part.text});
  return parts;
}

// All that decides what the examples are and how they are scored, defaults filled in: equal tasks give equal text.
std::string canonical_json(const TaskConfig& config, const TaskSpec& spec) {
  OrderedJson fields = OrderedJson::array(), filter = OrderedJson::array(), labels = OrderedJson::array();
  for (const MadeField& field : spec.fields) {
    fields.push_back({field.name, field.from, field.otherwise ? OrderedJson(*field.otherwise) : OrderedJson(),
                      field.cuts, field.words});
  }
  for (const RowTest& test : spec.filter) {
    filter.push_back({test.field, static_cast<int>(test.kind), test.values, test.low, test.high});
    for (std::size_t i = 0; i < test.values.size(); ++i)  // a quoted number, which equals its own text alone
      if (!test.numbers[i] && number_of(test.values[i])) filter.back().push_back({"text", i});
  }
  for (const auto& [raw, word] : spec.raw_labels) labels.push_back({raw, word});
  OrderedJson json = {{"name", config.name},
                      {"source", parse_json<OrderedJson>(source_json(spec.source), spec.source.place)},
                      {"fetch", spec.fetch},
                      {"fields", fields},
                      {"filter", filter},
                      {"input", to_json(spec.input)},
                      {"target", to_json(spec.target)},
                      {"labels", labels},
                      {"metrics", config.metrics},
                      {"split",
                       {{"seed", spec.split.seed},
                        {"validation", spec.split.validation},
                        {"test", spec.split.test},
                        {"by", spec.split.by}}},
                      {"limits", {{"input", config.max_input_tokens}, {"target", config.max_target_tokens}}}};
  if (!config.prefix.empty()) json["prefix"] = config.prefix;
  if (spec.preprocess) json["preprocess"] = spec.preprocess->name;
  if (!spec.group.empty()) json["group"] = spec.group;
  if (!spec.references.empty()) json["references"] = spec.references;
  if (spec.split.keep_overlap) json["split"]["overlap"] = "keep";
  return json.dump();
}

// `listed`: what the task is called unless its file says otherwise; by default as the file.
TaskConfig parse_task(const fs::path& file, const std::string& listed = {}) {
  const Yaml yaml = Yaml::load(file);
  const bool mixture = yaml.has("mixture");
  if (mixture) yaml.only({"name", "summary", "mixture"});
  yaml.only({"name", "summary", "mixture", "source", "fetch", "fields", "filter", "preprocess", "prefix", "input",
             "target", "labels", "references", "group", "metrics", "split", "limits"});
  TaskConfig config;
  auto spec = std::make_shared<TaskSpec>();
  config.file = file;
  config.name = yaml.has("name") ? one_line(yaml.at("name"), "the name")
                : listed.empty() ? file.stem().string()
                                 : listed;
  const fs::path parts(config.name);  // a folder of tasks is part of its tasks' names
  if (config.name.find_first_of("\\ ") != std::string::npos || parts.is_absolute() || !parts.has_filename() ||
      config.name != parts.lexically_normal().string() || config.name.starts_with('.')) {
    yaml.fail("invalid task name", config.name, "letters, digits, - and _, optionally after a folder name: glue/rte");
  }
  if (yaml.has("summary")) config.summary = one_line(yaml.at("summary"), "the summary");
  if (mixture) {
    config.mixture = std::make_shared<const TaskMixture>(parse_mixture(yaml.at("mixture")));
    return config;
  }
  spec->source = parse_source(yaml.at("source"));
  if (yaml.has("fetch")) spec->fetch = one_line(yaml.at("fetch"), "the recipe");
  if (yaml.has("fields")) spec->fields = parse_fields(yaml.at("fields"));
  if (yaml.has("filter")) spec->filter = parse_filter(yaml.at("filter"));
  if (yaml.has("preprocess")) spec->preprocess = &parse_preprocessor(yaml.at("preprocess"));
  if (yaml.has("prefix")) {
    config.prefix = one_line(yaml.at("prefix"), "the prefix");
    if (config.prefix.find(' ') != std::string::npos)
      yaml.at("prefix").fail("the prefix is more than one word", "'" + config.prefix + "'",
                             "one word: the first word of T5's input",
                             "put the other words at the beginning of 'input'");
  }
  spec->input = parse_template(yaml.at("input"));
  spec->target = parse_template(yaml.at("target"));
  if (yaml.has("labels")) parse_labels(yaml.at("labels"), config, *spec);
  if (yaml.has("references")) {
    spec->references = one_line(yaml.at("references"), "the list of correct answers");
    if (!config.labels.empty())
      yaml.at("references")
          .fail("'labels' and 'references' cannot be combined", "'labels' and 'references'",
                "one of them; a row with label words has one correct answer");
  }
  if (yaml.has("group")) {
    spec->group = yaml.at("group").texts();
    spec->group_place = yaml.at("group").place();
  }
  config.metrics = {config.labels.empty() ? "exact_match" : "accuracy"};
  if (yaml.has("metrics")) {
    config.metrics = yaml.at("metrics").texts();
    if (config.metrics.empty())
      yaml.at("metrics").fail("no metrics given", "an empty list", "at least one; the first selects checkpoints");
    for (const Yaml& item : yaml.at("metrics").items())
      if (const auto problem = metric_problem(item.text(), config.metrics, config.labels))
        item.fail(problem->what, problem->found, problem->expected, problem->remedy);
  }
  spec->split.place = yaml.at("source").place();
  if (yaml.has("split")) spec->split = parse_split(yaml.at("split"));
  if (yaml.has("limits")) {
    const Yaml limits = yaml.at("limits");
    limits.only({"input", "target"});
    if (limits.has("input")) config.max_input_tokens = token_limit(limits.at("input"));
    if (limits.has("target")) config.max_target_tokens = token_limit(limits.at("target"));
  }
  config.canonical = canonical_json(config, *spec);
  config.spec = std::move(spec);
  return config;
}

bool is_path(const std::string& name) {
  std::error_code unreadable;
  return name.ends_with(".yaml") || name.ends_with(".yml") ||
         (name.find('/') != std::string::npos && fs::exists(name, unreadable));
}

// Tasks of the folders by name, that of a folder inside before it: glue/rte. Of two with one name the earlier folder's.
std::map<std::string, fs::path> find_tasks(const std::vector<fs::path>& folders) {
  std::map<std::string, fs::path> found;
  for (const fs::path& folder : folders) {
    std::error_code absent;  // a folder that is not there holds no tasks
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder, absent)) {
      if (entry.path().extension() != ".yaml") continue;
      const fs::path name = entry.path().lexically_relative(folder).replace_extension();
      found.emplace(name.generic_string(), entry.path());
    }
  }
  return found;
}

TaskConfig named_task(const std::string& name, const fs::path& file) {
  TaskConfig config = parse_task(file, name);
  if (config.name != name) {
    throw ConfigError(Problem{file.string() + ": the task name differs from the file name", config.name, name,
                              "rename one of them: tasks are found by file name"});
  }
  return config;
}

// Data in place of a task, which says how rows are read.
void refuse_data(const std::string& name) {
  const fs::path file = name;
  const std::string ending = text_ending(file);
  constexpr std::array endings = {".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".txt"};
  if (std::find(endings.begin(), endings.end(), ending) == endings.end()) return;
  throw ConfigError(Problem{"'" + name + "' is a data file, not a task", "the extension " + ending,
                            "a YAML file that describes how its rows become texts",
                            "write one next to it, with its field names, and use that:\n"
                            "              source: " +
                                file.filename().string() +
                                "\n              input: \"{text}\"\n              target: \"{label}\"\n"
                                "              labels: [negative, positive]\n            see docs/tasks.md"});
}

// A mixture without its tasks.
TaskConfig find_task(const std::string& name_or_file, const std::vector<fs::path>& folders) {
  const std::map<std::string, fs::path> tasks = find_tasks(folders);
  if (const auto found = tasks.find(name_or_file); found != tasks.end()) return named_task(name_or_file, found->second);
  refuse_data(name_or_file);
  std::vector<std::string> names, places;
  for (const auto& [name, file] : tasks) names.push_back(name);
  if (is_path(name_or_file)) {
    std::error_code error;
    if (fs::exists(name_or_file, error)) return parse_task(name_or_file);
    throw ConfigError(Problem{
        "there is no task file " + name_or_file,
        "no file of this name in " + fs::absolute(fs::path(name_or_file)).parent_path().string(),
        "a task's name, or the path of its YAML file",
        did_you_mean(fs::path(name_or_file).stem().string(), names) + "; docs/tasks.md shows how to write one"});
  }
  for (const fs::path& folder : folders) places.push_back(folder.string());
  throw ConfigError(Problem{"unknown task '" + name_or_file + "'", "no " + name_or_file + ".yaml in " + join(places),
                            "a task's name, or the path of its YAML file", did_you_mean(name_or_file, names)});
}

}  // namespace

TaskConfig read_task_config(const std::string& name_or_file, const std::vector<fs::path>& folders) {
  return with_tasks(find_task(name_or_file, folders),
                    [&](const std::string& name) { return find_task(name, folders); });
}

TaskShape shape_of(const TaskConfig& config) {
  if (config.mixture) return shape_of_mixture(config);
  TaskShape shape{config.labels, {}};
  for (const TemplatePart& part : config.spec->input.parts)
    if (part.field) shape.fields.push_back(part.text);
  return shape;
}

std::vector<std::string> task_names(const std::vector<fs::path>& folders) {
  std::vector<std::string> names;
  for (const auto& [name, file] : find_tasks(folders)) names.push_back(name);
  return names;
}

std::vector<TaskConfig> list_tasks(const std::vector<fs::path>& folders) {
  std::vector<TaskConfig> result;
  for (const auto& [name, file] : find_tasks(folders)) {
    result.push_back(
        with_tasks(named_task(name, file), [&](const std::string& task) { return find_task(task, folders); }));
  }
  return result;
}

}  // namespace peftbench::data
