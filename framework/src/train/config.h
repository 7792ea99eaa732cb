#pragma once

#include "backbone/run_context.h"  // DropoutShape
#include "eval/config.h"
#include "eval/enum_names.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace peftbench {

enum class OptimizerKind { adafactor, adamw };
enum class ScheduleKind { constant, linear, cosine, inverse_sqrt };
enum class LossNormalisation {
  token_mean,  // over the label tokens of a step
  sum,         // over them, as Lester et al. train
};

template <>
struct EnumNames<OptimizerKind> {
  static constexpr std::string_view names[] = {"adafactor", "adamw"};
};
template <>
struct EnumNames<ScheduleKind> {
  static constexpr std::string_view names[] = {"constant", "linear", "cosine", "inverse_sqrt"};
};
template <>
struct EnumNames<LossNormalisation> {
  static constexpr std::string_view names[] = {"token_mean", "sum"};
};
template <>
struct EnumNames<DropoutShape> {
  static constexpr std::string_view names[] = {"per_sequence", "elementwise"};
};

// T5X's, with its names. The defaults are those of prompt tuning (no parameter scale, decay 1e-5).
struct AdafactorConfig {
  std::int64_t initial_step = 0;  // T5X starts tuning at the checkpoint's step, 1,100,000 for Lester et al.
  std::int64_t step_offset = 0;
  bool multiply_by_parameter_scale = false;
  double decay_rate = 0.8;
  double clipping_threshold = 1.0;
  double epsilon1 = 1e-30;
  double epsilon2 = 1e-3;
  double weight_decay_rate = 1e-5;
  std::int64_t min_dim_size_to_factor = 128;
};

// torch.optim.AdamW's, with its names and defaults; the parameter scale is Adafactor's.
struct AdamWConfig {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.01;
  bool multiply_by_parameter_scale = false;
};

struct TrainConfig {
  std::int64_t steps = 1000;
  std::int64_t batch_size = 32;
  std::int64_t gradient_accumulation = 1;
  OptimizerKind optimizer = OptimizerKind::adafactor;
  double learning_rate = 0.3;
  ScheduleKind schedule = ScheduleKind::constant;
  std::int64_t warmup_steps = 0;
  double clip_norm = 0;
  double dropout = 0.1;
  DropoutShape dropout_shape = DropoutShape::per_sequence;
  bool encoder_dropout = true;
  LossNormalisation loss = LossNormalisation::token_mean;
  double z_loss = 0;
  double unlikelihood_weight = 0;
  double length_normalised_weight = 0;
  std::int64_t evaluate_every = 100;
  bool evaluate_at_start = true;
  std::int64_t validation_limit = 0;
  std::int64_t patience = 0;
  std::int64_t checkpoint_every = 100;
  std::int64_t log_every = 10;
  std::int64_t encoder_cache_bytes = std::int64_t{1} << 30;
  std::int64_t threads = 0;
  std::int64_t seed = 0;
  AdafactorConfig adafactor;
  AdamWConfig adamw;
  EvaluationConfig evaluation;
};

// What is allowed and was hardly meant: a warm-up as long as the run, patience without evaluations. `can_validate`:
// there are validation examples.
std::vector<std::string> doubts(const TrainConfig& config, bool can_validate);

// Every option once: visitor(key, field, help), keys relative to `train.`. Fields are bool, int64_t, double or an
// enum with EnumNames. YAML, --set, canonical JSON and the documentation all come from here.
template <class Config, class Visitor>
void visit(Config& c, Visitor&& visitor) {
  visitor("steps", c.steps, "optimizer steps");
  visitor("batch_size", c.batch_size, "examples of one forward pass");
  visitor("gradient_accumulation", c.gradient_accumulation,
          "forward passes of one step; a step sees batch_size times as many examples");
  visitor("optimizer", c.optimizer, "adafactor as T5X runs it, or adamw as torch.optim");
  visitor("learning_rate", c.learning_rate, "the schedule's peak");
  visitor("schedule", c.schedule,
          "what follows the warm-up: constant, linear or cosine to 0 at `steps`, or inverse_sqrt");
  visitor("warmup_steps", c.warmup_steps, "steps over which the rate rises linearly from 0");
  visitor("clip_norm", c.clip_norm, "largest global norm of the gradient; 0 is off");
  visitor("dropout", c.dropout, "dropout rate of the frozen backbone while training");
  visitor("dropout_shape", c.dropout_shape,
          "per_sequence: one mask for all positions of a sequence, as T5X; elementwise: as Hugging Face");
  visitor("encoder_dropout", c.encoder_dropout,
          "dropout in the encoder too; off, a method that leaves the encoder alone gets its outputs cached");
  visitor("loss", c.loss, "token_mean: mean over the label tokens of a step; sum: their sum");
  visitor("z_loss", c.z_loss, "weight of log²Z of each label token; Lester et al. use 1e-4");
  visitor("unlikelihood_weight", c.unlikelihood_weight,
          "weight of -log(1 - p) of the tokens of the wrong label words; 0 is off, T-Few uses 1");
  visitor("length_normalised_weight", c.length_normalised_weight,
          "weight of the cross-entropy among all label words by their mean log-likelihood of a token; 0 is off, T-Few "
          "uses 1");
  visitor("evaluate_every", c.evaluate_every, "steps between evaluations on the validation split; 0: only at the end");
  visitor("evaluate_at_start", c.evaluate_at_start, "evaluate once before the first step, for comparison");
  visitor("validation_limit", c.validation_limit, "validation examples used while training; 0: all");
  visitor("patience", c.patience, "stop after so many evaluations without a better one; 0: never");
  visitor("checkpoint_every", c.checkpoint_every, "steps between checkpoints for resuming; 0: only at the end");
  visitor("log_every", c.log_every, "steps between lines of log.jsonl");
  visitor("encoder_cache_bytes", c.encoder_cache_bytes,
          "most memory for cached encoder outputs; results do not depend on it");
  visitor("threads", c.threads, "processor threads; 0: one per core");
  visitor("seed", c.seed, "of every use of chance");
  visitor("adafactor.initial_step", c.adafactor.initial_step,
          "step at which the optimizer believes to start; T5X resumes Lester's backbone at 1100000");
  visitor("adafactor.step_offset", c.adafactor.step_offset, "subtracted from the step before the decay is computed");
  visitor("adafactor.multiply_by_parameter_scale", c.adafactor.multiply_by_parameter_scale,
          "multiply the rate by max(epsilon2, RMS of the parameter)");
  visitor("adafactor.decay_rate", c.adafactor.decay_rate, "second moment decays by 1 - (t+1)^-rate");
  visitor("adafactor.clipping_threshold", c.adafactor.clipping_threshold, "largest RMS of an update; 0 is off");
  visitor("adafactor.epsilon1", c.adafactor.epsilon1, "added to the squared gradient");
  visitor("adafactor.epsilon2", c.adafactor.epsilon2, "least parameter scale");
  visitor("adafactor.weight_decay_rate", c.adafactor.weight_decay_rate,
          "part of a parameter taken off each step; not multiplied by the learning rate");
  visitor("adafactor.min_dim_size_to_factor", c.adafactor.min_dim_size_to_factor,
          "the second moment is factored if the second-largest dimension is at least this");
  visitor("adamw.beta1", c.adamw.beta1, "decay of the mean of the gradient");
  visitor("adamw.beta2", c.adamw.beta2, "decay of the mean of its square");
  visitor("adamw.epsilon", c.adamw.epsilon, "added to the root of the second moment");
  visitor("adamw.weight_decay", c.adamw.weight_decay, "decoupled; multiplied by the learning rate");
  visitor("adamw.multiply_by_parameter_scale", c.adamw.multiply_by_parameter_scale,
          "multiply the rate by max(1e-3, RMS of the parameter), as Adafactor can; helps where T5 is trained from the "
          "start");
  visit_evaluation(c.evaluation, visitor);
}

// Throws ConfigError naming the key that is out of range.
void check(const TrainConfig& config);

}  // namespace peftbench
