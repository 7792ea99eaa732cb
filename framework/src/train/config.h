#pragma once

#include "backbone/run_context.h"  // DropoutShape
#include "core/enum_names.h"
#include "core/option_info.h"
#include "eval/config.h"
#include "train/layer.h"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace peftbench::train {

enum class OptimizerKind { adafactor, adamw };
enum class ScheduleKind { constant, linear, cosine, inverse_sqrt };
enum class LossNormalisation {
  token_mean,  // over the label tokens of a step
  sum,         // over them, as Lester et al. train
};

}  // namespace peftbench::train

template <>
struct peftbench::EnumNames<peftbench::train::OptimizerKind> {
  static constexpr std::string_view names[] = {"adafactor", "adamw"};
};

template <>
struct peftbench::EnumNames<peftbench::train::ScheduleKind> {
  static constexpr std::string_view names[] = {"constant", "linear", "cosine", "inverse_sqrt"};
};

template <>
struct peftbench::EnumNames<peftbench::train::LossNormalisation> {
  static constexpr std::string_view names[] = {"token_mean", "sum"};
};

template <>
struct peftbench::EnumNames<peftbench::backbone::DropoutShape> {
  static constexpr std::string_view names[] = {"per_sequence", "elementwise"};
};

namespace peftbench::train {

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

// Every option once: visitor(key, field, OptionInfo), keys relative to `train.`. Fields are bool, int64_t, double or an
// enum with EnumNames. YAML, --set, canonical JSON and the documentation all come from here.
template <class Config, class Visitor>
void visit(Config& c, Visitor&& visitor) {
  constexpr double largest = std::numeric_limits<double>::max();  // not infinity
  constexpr double below_one = 1 - std::numeric_limits<double>::epsilon() / 2;
  visitor("steps", c.steps, at_least(0, "optimizer steps"));
  visitor("batch_size", c.batch_size, of_runs(at_least(1, "examples per forward pass")));
  visitor("gradient_accumulation", c.gradient_accumulation,
          at_least(1, "forward passes per step; a step uses batch_size times this many examples"));
  visitor("optimizer", c.optimizer, any("adafactor as in T5X, or adamw as in torch.optim"));
  visitor("learning_rate", c.learning_rate, between(0, largest, "peak learning rate of the schedule"));
  visitor("schedule", c.schedule,
          any("schedule after the warm-up: constant, linear or cosine decay to 0 at `steps`, or inverse_sqrt"));
  visitor("warmup_steps", c.warmup_steps, at_least(0, "steps of linear warm-up from 0"));
  visitor("clip_norm", c.clip_norm, at_least(0, "maximum global gradient norm; 0: off"));
  visitor("dropout", c.dropout, between(0, 0.999999, "dropout rate of the frozen backbone during training"));
  visitor("dropout_shape", c.dropout_shape,
          any("per_sequence: one mask for all positions of a sequence, as in T5X; elementwise: as in Hugging Face"));
  visitor("encoder_dropout", c.encoder_dropout,
          any("dropout in the encoder too; if off, encoder outputs are cached for methods that do not change them"));
  visitor("loss", c.loss, any("token_mean: mean over the target tokens of a step; sum: their sum"));
  visitor("z_loss", c.z_loss, between(0, largest, "weight of log²Z per target token; Lester et al. use 1e-4"));
  visitor("unlikelihood_weight", c.unlikelihood_weight,
          of_runs(between(0, largest,
                          "weight of -log(1 - p) of the tokens of the wrong label words; 0: off; T-Few uses 1")));
  visitor("length_normalised_weight", c.length_normalised_weight,
          of_runs(between(
              0, largest,
              "weight of the cross-entropy over label words, from their mean token log-likelihood; 0: off; T-Few "
              "uses 1")));
  visitor("evaluate_every", c.evaluate_every,
          at_least(0, "steps between evaluations on the validation split; 0: only at the end"));
  visitor("evaluate_at_start", c.evaluate_at_start,
          of_runs(any("evaluate once before the first step, for comparison")));
  visitor("validation_limit", c.validation_limit,
          of_runs(at_least(0, "validation examples used during training; 0: all")));
  visitor("patience", c.patience, of_runs(at_least(0, "stop after N evaluations without improvement; 0: never")));
  visitor("checkpoint_every", c.checkpoint_every,
          at_least(0, "steps between checkpoints for resuming; 0: only at the end"));
  visitor("log_every", c.log_every, at_least(1, "steps between lines of log.jsonl"));
  visitor("encoder_cache_bytes", c.encoder_cache_bytes,
          of_runs(at_least(0, "maximum memory for cached encoder outputs; does not affect results")));
  visitor("threads", c.threads, between(0, 4096, "CPU threads; 0: OMP_NUM_THREADS, else one per available processor"));
  visitor("seed", c.seed, at_least(0, "random seed"));
  visitor("adafactor.initial_step", c.adafactor.initial_step,
          at_least(0, "initial step count of the optimizer; T5X resumes Lester et al.'s backbone at 1100000"));
  visitor("adafactor.step_offset", c.adafactor.step_offset,
          at_least(0, "subtracted from the step before the decay is computed"));
  visitor("adafactor.multiply_by_parameter_scale", c.adafactor.multiply_by_parameter_scale,
          any("multiply the rate by max(epsilon2, RMS of the parameter)"));
  visitor("adafactor.decay_rate", c.adafactor.decay_rate,
          above(0, "decay of the second moment at step t: 1 - (t+1)^-rate"));
  visitor("adafactor.clipping_threshold", c.adafactor.clipping_threshold,
          at_least(0, "maximum RMS of an update; 0: off"));
  visitor("adafactor.epsilon1", c.adafactor.epsilon1, between(0, 1, "added to the squared gradient"));
  visitor("adafactor.epsilon2", c.adafactor.epsilon2, between(0, 1, "minimum parameter scale"));
  visitor("adafactor.weight_decay_rate", c.adafactor.weight_decay_rate,
          between(0, 1, "fraction subtracted from a parameter per step; not multiplied by the learning rate"));
  visitor("adafactor.min_dim_size_to_factor", c.adafactor.min_dim_size_to_factor,
          at_least(1, "the second moment is factored if the second-largest dimension is at least this"));
  visitor("adamw.beta1", c.adamw.beta1, between(0, below_one, "decay rate of the first moment"));
  visitor("adamw.beta2", c.adamw.beta2, between(0, below_one, "decay rate of the second moment"));
  visitor("adamw.epsilon", c.adamw.epsilon, between(0, 1, "added to the root of the second moment"));
  visitor("adamw.weight_decay", c.adamw.weight_decay, at_least(0, "decoupled; multiplied by the learning rate"));
  visitor("adamw.multiply_by_parameter_scale", c.adamw.multiply_by_parameter_scale,
          any("multiply the rate by max(1e-3, RMS of the parameter), as Adafactor can; helps if T5 is trained from the "
              "start"));
  visit_evaluation(c.evaluation,
                   [&](const char* key, auto& field, const OptionInfo& info) { visitor(key, field, of_runs(info)); });
}

// How an option is called in a run's configuration: seed and threads concern the whole run, evaluation has a section of
// its own (eval.beams), the others are train.KEY.
std::string name_of_option(const std::string& key);

// Throws ConfigError naming the option that is out of its range.
void check(const TrainConfig& config);

}  // namespace peftbench::train
