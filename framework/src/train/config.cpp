#include "train/config.h"

#include <peftbench/error.h>

#include <cmath>
#include <limits>
#include <sstream>
#include <string>

namespace peftbench {

namespace {

constexpr double unbounded = std::numeric_limits<double>::infinity();

template <class T>
void require(const char* key, T value, double low, double high, bool above_low = false) {
  const double number = static_cast<double>(value);
  if (number >= low && number <= high && !(above_low && number == low)) return;  // NaN fails too
  std::ostringstream found, expected;
  found << "train." << key << " = " << value;
  expected << (above_low ? "more than " : "at least ") << low;
  if (high != unbounded) expected << " and at most " << high;
  throw ConfigError(
      {"a training option is out of its range", found.str(), expected.str(), "change train." + std::string(key)});
}

}  // namespace

std::vector<std::string> doubts(const TrainConfig& c, bool can_validate) {
  std::vector<std::string> result;
  const auto number = [](std::int64_t value) { return std::to_string(value); };
  if (c.steps > 0 && c.warmup_steps >= c.steps)
    result.push_back("the warm-up is as long as the run or longer: train.warmup_steps=" + number(c.warmup_steps) +
                     " of " + number(c.steps) +
                     " steps, so the learning rate never stays at its peak; set train.warmup_steps lower");
  if (c.steps > 0 && c.patience > 0) {
    const bool evaluates = can_validate && c.evaluate_every > 0 && c.evaluate_every < c.steps;
    if (!evaluates)
      result.push_back("train.patience=" + number(c.patience) + " stops nothing: " +
                       (can_validate ? "there is no evaluation before the last step (train.evaluate_every=" +
                                           number(c.evaluate_every) + ")"
                                     : "there are no validation examples to evaluate on"));
  }
  return result;
}

void check(const TrainConfig& c) {
  require("steps", c.steps, 0, unbounded);
  require("batch_size", c.batch_size, 1, unbounded);
  require("gradient_accumulation", c.gradient_accumulation, 1, unbounded);
  require("learning_rate", c.learning_rate, 0, std::numeric_limits<double>::max());
  require("warmup_steps", c.warmup_steps, 0, unbounded);
  require("clip_norm", c.clip_norm, 0, unbounded);
  require("dropout", c.dropout, 0, 0.999999);
  require("z_loss", c.z_loss, 0, std::numeric_limits<double>::max());
  require("unlikelihood_weight", c.unlikelihood_weight, 0, std::numeric_limits<double>::max());
  require("length_normalised_weight", c.length_normalised_weight, 0, std::numeric_limits<double>::max());
  require("evaluate_every", c.evaluate_every, 0, unbounded);
  require("validation_limit", c.validation_limit, 0, unbounded);
  require("patience", c.patience, 0, unbounded);
  require("checkpoint_every", c.checkpoint_every, 0, unbounded);
  require("log_every", c.log_every, 1, unbounded);
  require("encoder_cache_bytes", c.encoder_cache_bytes, 0, unbounded);
  require("threads", c.threads, 0, 4096);
  require("seed", c.seed, 0, unbounded);
  require("adafactor.initial_step", c.adafactor.initial_step, 0, unbounded);
  require("adafactor.step_offset", c.adafactor.step_offset, 0, static_cast<double>(c.adafactor.initial_step));
  require("adafactor.decay_rate", c.adafactor.decay_rate, 0, unbounded, true);
  require("adafactor.clipping_threshold", c.adafactor.clipping_threshold, 0, unbounded);
  require("adafactor.epsilon1", c.adafactor.epsilon1, 0, 1);
  require("adafactor.epsilon2", c.adafactor.epsilon2, 0, 1);
  require("adafactor.weight_decay_rate", c.adafactor.weight_decay_rate, 0, 1);
  require("adafactor.min_dim_size_to_factor", c.adafactor.min_dim_size_to_factor, 1, unbounded);
  require("adamw.beta1", c.adamw.beta1, 0, std::nextafter(1.0, 0.0));
  require("adamw.beta2", c.adamw.beta2, 0, std::nextafter(1.0, 0.0));
  require("adamw.epsilon", c.adamw.epsilon, 0, 1);
  require("adamw.weight_decay", c.adamw.weight_decay, 0, unbounded);
  require("evaluation.batch_size", c.evaluation.batch_size, 1, unbounded);
  require("evaluation.beams", c.evaluation.beams, 1, 1024);
  require("evaluation.max_tokens", c.evaluation.max_tokens, 0, unbounded);
  require("evaluation.length_penalty", c.evaluation.length_penalty, -100, 100);
}

}  // namespace peftbench
