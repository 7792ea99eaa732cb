#include "config/options.h"

#include <nlohmann/json.hpp>

#include <type_traits>
#include <utility>

namespace peftbench::config {
namespace {

MethodSchema make_schema() {
  MethodSchema schema;
  const RunOptions standard;
  visit_options(standard, [&](const std::string& key, const auto& field, const OptionInfo& info) {
    using Field = std::decay_t<decltype(field)>;
    const std::string help(info.help);
    if constexpr (std::is_enum_v<Field>) {
      schema.param(key, std::string(enum_name(field)).c_str(), help).choices(enum_choices<Field>());
    } else if constexpr (std::is_same_v<Field, std::string>) {
      schema.param(key, field.c_str(), help);
      if (key == option_key::split) schema.choices({"test", "validation"});
    } else {
      schema.param(key, field, help);
      if constexpr (std::is_same_v<Field, double> || std::is_same_v<Field, std::int64_t>)
        if (info.is_limited()) schema.range(info.least, info.most);
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
    {"no_cuda", "device.name"},
    {"use_cpu", "device.name"},
    {"gpu", "device.name"},
    {"random_seed", "seed"},
};

}  // namespace

std::optional<std::string> setting_of_alias(std::string_view word) {
  for (const auto& [alias, key] : aliases)
    if (alias == word) return std::string(key);
  return std::nullopt;
}

const MethodSchema& option_schema() {
  static const MethodSchema schema = make_schema();
  return schema;
}

void set_option(RunOptions& options, const std::string& key, const Value& value) {
  visit_options(options, [&](const std::string& name, auto& field, const OptionInfo&) {
    using Field = std::decay_t<decltype(field)>;
    if (name != key) return;
    if constexpr (std::is_enum_v<Field>) {
      field = enum_from<Field>(std::get<std::string>(value)).value();
    } else {
      field = std::get<Field>(value);
    }
  });
}

nlohmann::json to_json(const RunOptions& options) {
  nlohmann::json json = nlohmann::json::object();
  visit_options(options, [&](const std::string& key, const auto& field, const OptionInfo&) {
    if constexpr (std::is_enum_v<std::decay_t<decltype(field)>>) {
      json[key] = enum_name(field);
    } else {
      json[key] = field;
    }
  });
  return json;
}

}  // namespace peftbench::config
