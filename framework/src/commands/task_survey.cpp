#include "commands/task_survey.h"

#include "backbone/hub.h"
#include "config/options.h"
#include "config/settings.h"
#include "core/names.h"
#include "core/utf8.h"
#include "data/prepared/encode_list.h"
#include "data/task/label_check.h"

#include <peftbench/error.h>

#include <map>
#include <string_view>
#include <variant>

namespace peftbench::commands {
namespace {

std::string default_backbone(const Paths& paths) {
  const fs::path file = paths.configs() / "defaults.yaml";
  if (!file_exists(file)) return {};
  for (const Setting& setting : read_settings(file).settings)
    if (const auto* name = std::get_if<std::string>(&setting.value); name && setting.key == option_key::backbone)
      return *name;
  return {};
}

void append(std::vector<std::string>& all, const std::vector<std::string>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

// Of a message its parts, one behind the other.
std::string one_line_of(std::string_view message) {
  std::string line;
  for (const char c : message) {
    const bool space = c == ' ' || c == '\n';
    if (!space)
      line += c;
    else if (!line.ends_with(' '))
      line += ' ';
  }
  return line;
}

// As a run encodes them, so that it finds the files that this leaves.
TextCounts counts_of(const TextList& texts, const TaskConfig& config, const Paths& paths,
                     const std::optional<Vocabulary>& vocabulary) {
  TextCounts counts;
  if (vocabulary) {
    const Tokenizer& tokenizer = *vocabulary->tokenizer;
    const EncodeSettings settings{
        tokenizer, {config.max_input_tokens, config.max_target_tokens}, tokenizer.pad_id(), tokenizer.eos_id()};
    DataStorage storage;
    storage.folder = paths.data / ".cache" / "tasks";
    encode_list(texts, settings, {}, storage, config.name, {}, &counts);
  } else {
    for (const TextExample& example : texts) counts.add({}, example.label);
  }
  return counts;
}

void add_label_warnings(const TaskConfig& config, TaskSurvey& survey) {
  std::vector<std::string> nowhere;
  std::map<std::string, std::vector<std::string>> absent;  // from a split
  for (std::size_t label = 0; label < config.labels.size(); ++label) {
    const std::string word = spelled(config.labels[label]);
    std::vector<std::string> without;
    for (const auto& [name, counts] : survey.splits)
      if (!counts.labels.contains(static_cast<int>(label))) without.push_back(name);
    if (without.size() == survey.splits.size()) {
      nowhere.push_back(word);
    } else {
      for (const std::string& name : without) absent[name].push_back(word);
    }
  }
  if (!nowhere.empty()) survey.warnings.push_back("no row has the label word " + join(nowhere));
  for (const auto& [name, words] : absent) survey.warnings.push_back("no example of " + join(words) + " in " + name);
}

}  // namespace

std::optional<Vocabulary> find_vocabulary(const Paths& paths, const std::string& backbone) {
  const auto of = [&](const std::string& name) {
    const ResolvedBackbone found = resolve_backbone(name, backbone_search(paths));
    return Vocabulary{found.name, open_tokenizer(found.folder.value())};
  };
  if (!backbone.empty()) return of(backbone);
  try {
    const std::string name = default_backbone(paths);
    return name.empty() ? std::nullopt : std::optional(of(name));
  } catch (const Error&) {  // nobody asked for it
    return std::nullopt;
  }
}

TaskSurvey survey_task(const TaskData& task, const Paths& paths, const std::optional<Vocabulary>& vocabulary) {
  const TaskConfig& config = task.config;
  TaskSurvey survey;
  if (vocabulary) {
    try {
      check_labels(config, *vocabulary->tokenizer);
    } catch (const ConfigError& error) {
      survey.warnings.push_back("with the vocabulary of " + vocabulary->backbone +
                                " runs fail: " + one_line_of(error.what()));
    }
    append(survey.warnings, label_warnings(config, *vocabulary->tokenizer));
  }
  for (const auto& [name, list] :
       {std::pair{"train", &task.train}, std::pair{"validation", &task.validation}, std::pair{"test", &task.test}}) {
    if (list->empty() || (list == &task.test && !task.test_labelled)) continue;
    survey.splits.emplace_back(name, counts_of(*list, config, paths, vocabulary));
  }
  add_label_warnings(config, survey);
  if (!vocabulary) return survey;
  for (const auto& [name, counts] : survey.splits)
    append(survey.warnings, cut_remarks(counts, name, config.max_input_tokens, config.max_target_tokens));
  if (!config.labels.empty()) return survey;
  for (const auto& [name, list] :
       {std::pair{"train", &task.train}, std::pair{"validation", &task.validation}, std::pair{"test", &task.test}}) {
    if (list == &task.test && !task.test_labelled) continue;
    Unwritable targets;
    for (const TextExample& example : *list) targets.add(example, *vocabulary->tokenizer);
    const std::string whole = with_thousands(static_cast<long long>(list->size())) + " " + name + " targets";
    if (const auto remark = unwritable_remark(targets, whole)) survey.warnings.push_back(*remark);
  }
  return survey;
}

}  // namespace peftbench::commands
