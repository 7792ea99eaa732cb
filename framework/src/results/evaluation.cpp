#include "results/evaluation.h"

#include "core/json.h"
#include "core/option_keys.h"

#include <algorithm>
#include <array>

namespace peftbench::results {
namespace {

constexpr std::array<std::string_view, 4> of_the_task = {option_key::max_input_tokens, option_key::max_target_tokens,
                                                         option_key::prefix, option_key::sentinel};
// Sections of a configuration that hold such settings.
constexpr std::array<const char*, 2> sections = {"eval", "task"};

std::string value_of(const EvaluationSettings& settings, const std::string& key) {
  const auto found = settings.find(key);
  return found == settings.end() ? "" : found->second;
}

}  // namespace

bool decides_evaluation(std::string_view key) {
  // Which other tasks are scored as well changes no score; the batch does not either.
  if (key == option_key::eval_batch_size || key == option_key::eval_tasks || key == option_key::keep_inputs)
    return false;
  return key.starts_with("eval.") || std::find(of_the_task.begin(), of_the_task.end(), key) != of_the_task.end();
}

EvaluationSettings evaluation_of(const Json& config) {
  EvaluationSettings settings;
  for (const char* section : sections) {
    const auto values = config.find(section);
    if (values == config.end() || !values->is_object()) continue;
    for (const auto& [name, value] : values->items())
      if (const std::string key = std::string(section) + "." + name; decides_evaluation(key))
        settings[key] = json_text(value);
  }
  if (value_of(settings, option_key::mode) == "rank")
    for (const char* key : {option_key::beams, option_key::length_penalty, option_key::max_tokens}) settings.erase(key);
  else
    settings.erase(option_key::rank_score);
  if (value_of(settings, option_key::beams) == "1") settings.erase(option_key::length_penalty);
  return settings;
}

std::vector<std::string> differences(const EvaluationSettings& one, const EvaluationSettings& common) {
  std::vector<std::string> result;
  for (const auto& [key, value] : one) {
    const auto other = common.find(key);
    if (other == common.end())
      result.push_back(key + "=" + value);
    else if (other->second != value)
      result.push_back(key + "=" + value + " (else " + other->second + ")");
  }
  return result;
}

bool evaluated_alike(const Json& one, const Json& other) {
  return std::all_of(sections.begin(), sections.end(), [&](const char* section) {
    const auto a = one.find(section), b = other.find(section);
    return a == one.end() || b == other.end() ? a == one.end() && b == other.end() : *a == *b;
  });
}

std::string answers_text(const RunRecord& record) { return answers_text(record.answers, evaluation_of(record.config)); }

std::string answers_text(const std::string& recorded, const EvaluationSettings& settings) {
  const bool ranks = value_of(settings, option_key::mode) == "rank";
  // Older records do not say it.
  const std::string answers = !recorded.empty() ? recorded : ranks ? "ranked" : "generated";
  if (answers == "classes") return "classes of a head";
  if (const std::string score = value_of(settings, option_key::rank_score); answers == "ranked" && !score.empty())
    return "ranked by " + score;
  if (const std::string beams = value_of(settings, option_key::beams);
      answers == "generated" && beams.size() > 0 && beams != "1")
    return "generated, " + beams + " beams";
  return answers;
}

}  // namespace peftbench::results
