#include "train/config.h"

#include <peftbench/error.h>

#include <limits>
#include <sstream>
#include <string>
#include <type_traits>

namespace peftbench::train {

namespace {

[[noreturn]] void refuse(const std::string& key, double value, double least, double most, bool above) {
  std::ostringstream found, expected;
  const std::string name = name_of_option(key);
  found << name << " = " << value;
  expected << (above ? "more than " : "at least ") << least;
  if (most != std::numeric_limits<double>::infinity()) expected << " and at most " << most;
  throw ConfigError({"a training option is out of range", found.str(), expected.str(), "change " + name});
}

}  // namespace

std::string name_of_option(const std::string& key) {
  const std::string evaluation = "evaluation.";
  if (key == "seed" || key == "threads") return key;
  return key.starts_with(evaluation) ? "eval." + key.substr(evaluation.size()) : "train." + key;
}

std::vector<std::string> doubts(const TrainConfig& c, bool can_validate) {
  std::vector<std::string> result;
  const auto number = [](std::int64_t value) { return std::to_string(value); };
  if (c.steps > 0 && c.warmup_steps >= c.steps)
    result.push_back("the warm-up is as long as the run or longer: train.warmup_steps=" + number(c.warmup_steps) +
                     " of " + number(c.steps) +
                     " steps, so the learning rate never stays at its peak; lower train.warmup_steps");
  if (c.steps > 0 && c.patience > 0) {
    const bool evaluates = can_validate && c.evaluate_every > 0 && c.evaluate_every < c.steps;
    if (!evaluates)
      result.push_back("train.patience=" + number(c.patience) + " has no effect: " +
                       (can_validate ? "there is no evaluation before the last step (train.evaluate_every=" +
                                           number(c.evaluate_every) + ")"
                                     : "there are no validation examples to evaluate on"));
  }
  return result;
}

void check(const TrainConfig& c) {
  visit(c, [](const std::string& key, const auto& field, const OptionInfo& info) {
    using Field = std::decay_t<decltype(field)>;
    if constexpr (std::is_same_v<Field, double> || std::is_same_v<Field, std::int64_t>) {
      const auto value = static_cast<double>(field);
      if (!info.allows(value)) refuse(key, value, info.least, info.most, info.above);
    }
  });
  const auto offset = static_cast<double>(c.adafactor.step_offset);
  if (c.adafactor.step_offset > c.adafactor.initial_step)
    refuse("adafactor.step_offset", offset, 0, static_cast<double>(c.adafactor.initial_step), false);
}

}  // namespace peftbench::train
