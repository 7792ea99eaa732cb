#include "run/options.h"

#include <peftbench/error.h>

#include <limits>
#include <type_traits>
#include <utility>

namespace peftbench {
namespace {

// The trainer's keys are relative to `train.`, but evaluation is a section of its own, and seed and threads concern
// the whole run.
std::string dotted(const std::string& key) {
  const std::string evaluation = "evaluation.";
  if (key == "seed" || key == "threads") return key;
  return key.starts_with(evaluation) ? "eval." + key.substr(evaluation.size()) : "train." + key;
}

MethodSchema make_options() {
  constexpr double no_limit = std::numeric_limits<double>::infinity();
  MethodSchema schema;
  schema.param("task.name", "", "name of a task, or the path of its YAML file");
  schema.param("task.max_input_tokens", 0, "longer inputs are cut; 0: as the task's file has it").range(0, no_limit);
  schema.param("task.max_target_tokens", 0, "longest target or answer; 0: as the task's file has it")
      .range(0, no_limit);
  schema
      .param("task.train_examples", 0,
             "train on so many examples (of a mixture: of each task), drawn by the seed; 0: all")
      .range(0, no_limit);
  schema.param("task.prefix", true,
               "write the task's name before its inputs where its file has one, as T5 does; false: leave it out");
  schema.param("task.sentinel", false,
               "begin every target with <extra_id_0>, as a backbone after span corruption has learnt to answer; it is "
               "stripped before scoring");
  schema.param("data.cache", true,
               "keep prepared data that does not stay in memory under .cache/ in the data folder, for the next run");
  schema.param("data.memory_bytes", 16 << 20, "texts, or ids, of a task that take more than this go to a file")
      .range(0, no_limit);
  schema.param("backbone.name", "", "name of a backbone, or the path of a Hugging Face folder");
  schema.param("backbone.precision", "float32", "of the frozen weights").choices({"float32", "bfloat16"});
  schema
      .param("backbone.quantization", "none",
             "of the blocks' linear maps: nf4 keeps them as QLoRA does, int8 with a scale for each output row")
      .choices({"none", "nf4", "int8"});
  schema.param("init_from", "",
               "training begins with the values in this: an adapter's folder (ours, Hugging Face's or a .npy), a run's "
               "folder, or a .safetensors; empty: with the method's own");
  schema.param("eval.split", "test", "split of the final score").choices({"test", "validation"});
  schema.param("eval.examples", 0, "score the first so many examples at the end; 0: all").range(0, no_limit);
  schema
      .param(
          "eval.max_input_tokens", 0,
          "longer inputs are cut where they are scored; 0: as in training. T5 trains on 512 and scores all of an input")
      .range(0, no_limit);
  schema.param("eval.tasks", Names{}, "other tasks that what was trained is scored on at the end");
  schema.param("eval.label_map", Names{},
               "from:to, parts of answers that are replaced where another task is scored: duplicate:equivalent");
  const TrainConfig standard;
  visit(standard, [&](const std::string& key, const auto& field, const std::string& help) {
    using Field = std::decay_t<decltype(field)>;
    if constexpr (std::is_enum_v<Field>) {
      schema.param(dotted(key), std::string(enum_name(field)).c_str(), help).choices(enum_choices<Field>());
    } else {
      schema.param(dotted(key), field, help);
    }
  });
  return schema;
}

// As Hugging Face's arguments, PyTorch's optimizers and papers have them.
constexpr std::pair<std::string_view, std::string_view> aliases[] = {
    {"lr", "train.learning_rate"},
    {"rate", "train.learning_rate"},
    {"bs", "train.batch_size"},
    {"batch", "train.batch_size"},
    {"per_device_train_batch_size", "train.batch_size"},
    {"eval_batch_size", "eval.batch_size"},
    {"per_device_eval_batch_size", "eval.batch_size"},
    {"accumulation", "train.gradient_accumulation"},
    {"gradient_accumulation_steps", "train.gradient_accumulation"},
    {"max_steps", "train.steps"},
    {"num_steps", "train.steps"},
    {"iterations", "train.steps"},
    {"epochs", "train.steps"},
    {"num_train_epochs", "train.steps"},
    {"warmup", "train.warmup_steps"},
    {"num_warmup_steps", "train.warmup_steps"},
    {"optim", "train.optimizer"},
    {"scheduler", "train.schedule"},
    {"lr_scheduler", "train.schedule"},
    {"lr_scheduler_type", "train.schedule"},
    {"lr_schedule", "train.schedule"},
    {"wd", "train.adamw.weight_decay"},
    {"weight_decay", "train.adamw.weight_decay"},
    {"betas", "train.adamw.beta1"},
    {"eps", "train.adamw.epsilon"},
    {"max_grad_norm", "train.clip_norm"},
    {"grad_clip", "train.clip_norm"},
    {"clip", "train.clip_norm"},
    {"eval_steps", "train.evaluate_every"},
    {"eval_every", "train.evaluate_every"},
    {"save_steps", "train.checkpoint_every"},
    {"logging_steps", "train.log_every"},
    {"early_stopping", "train.patience"},
    {"early_stopping_patience", "train.patience"},
    {"num_beams", "eval.beams"},
    {"max_new_tokens", "eval.max_tokens"},
    {"max_length", "task.max_input_tokens"},
    {"max_source_length", "task.max_input_tokens"},
    {"max_target_length", "task.max_target_tokens"},
    {"model", "backbone.name"},
    {"model_name_or_path", "backbone.name"},
    {"dataset", "task.name"},
    {"dtype", "backbone.precision"},
    {"torch_dtype", "backbone.precision"},
    {"bf16", "backbone.precision"},
    {"fp16", "backbone.precision"},
    {"load_in_8bit", "backbone.quantization"},
    {"load_in_4bit", "backbone.quantization"},
    {"num_threads", "threads"},
    {"random_seed", "seed"},
};

}  // namespace

std::optional<std::string> setting_of_alias(std::string_view word) {
  for (const auto& [alias, key] : aliases)
    if (alias == word) return std::string(key);
  return std::nullopt;
}

const MethodSchema& run_options() {
  static const MethodSchema schema = make_options();
  return schema;
}

TrainConfig train_config(const Values& options) {
  TrainConfig config;
  visit(config, [&](const std::string& key, auto& field, const std::string&) {
    using Field = std::decay_t<decltype(field)>;
    if constexpr (std::is_enum_v<Field>) {
      field = enum_from<Field>(options.text(dotted(key))).value();  // checked against the choices when it was read
    } else if constexpr (std::is_same_v<Field, bool>) {
      field = options.flag(dotted(key));
    } else if constexpr (std::is_same_v<Field, double>) {
      field = options.real(dotted(key));
    } else {
      field = options.integer(dotted(key));
    }
  });
  check(config);
  return config;
}

}  // namespace peftbench
