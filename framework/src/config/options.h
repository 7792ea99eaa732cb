#pragma once

#include "backbone/backbone.h"
#include "config/layer.h"
#include "core/option_info.h"
#include "core/option_keys.h"
#include "devices/arithmetic.h"
#include "train/config.h"

#include <peftbench/method.h>

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace peftbench::config {

struct TaskOptions {
  std::string name;
  std::int64_t max_input_tokens = 0;
  std::int64_t max_target_tokens = 0;
  std::int64_t train_examples = 0;
  bool prefix = true;
  bool sentinel = false;
};
struct DataOptions {
  bool cache = true;
  std::int64_t memory_bytes = 16 << 20;
};
struct BackboneOptions {
  std::string name;
  Precision precision = Precision::float32;
  Quantization quantization = Quantization::none;
  BackendChoice backend = BackendChoice::automatic;  // once resolved, another
};
// Beside those of TrainConfig::evaluation, which validation shares.
struct ScoreOptions {
  std::string split = "test";
  std::int64_t examples = 0;
  std::int64_t max_input_tokens = 0;
  Names tasks;
  Names label_map;
  KeepInputs keep_inputs = KeepInputs::text;
};
struct LogOptions {
  bool tensorboard = false;
};
struct DeviceOptions {
  std::string name = "auto";  // once resolved: devices::name_of
  Arithmetic arithmetic = {};
};

// Everything of a run that is not a parameter of its method. Each field has its key, help, range and default here or in
// TrainConfig, and nowhere else.
struct RunOptions {
  TaskOptions task;
  DataOptions data;
  BackboneOptions backbone;
  std::string init_from, continue_from;
  ScoreOptions eval;
  LogOptions log;
  DeviceOptions device;
  TrainConfig train;
};

// visitor(key, field, OptionInfo) for every option, under its dotted key: train.*, eval.*, task.*, backbone.*, data.*,
// log.*, device.*, init_from, continue_from, seed, threads. Fields are bool, int64_t, double, std::string, Names or an
// enum with EnumNames.
template <class Options, class Visitor>
void visit_options(Options& o, Visitor&& visitor) {
  visitor(option_key::task, o.task.name, any("name of a task, or the path of its YAML file"));
  visitor(option_key::max_input_tokens, o.task.max_input_tokens,
          at_least(0, "maximum input length; longer inputs are truncated; 0: the task file's limit"));
  visitor(option_key::max_target_tokens, o.task.max_target_tokens,
          at_least(0, "maximum target or answer length; 0: the task file's limit"));
  visitor("task.train_examples", o.task.train_examples,
          at_least(0, "train on only N examples (of a mixture: N of each task), sampled with the seed; 0: all"));
  visitor(option_key::prefix, o.task.prefix,
          any("put the task prefix of the task file before the inputs, as T5 does; false: no prefix"));
  visitor(option_key::sentinel, o.task.sentinel,
          any("start every target with <extra_id_0>, as a backbone trained with span corruption expects; it is "
              "stripped before scoring"));
  visitor("data.cache", o.data.cache,
          any("keep prepared data that does not fit in memory under .cache/ in the data folder, for the next run"));
  visitor("data.memory_bytes", o.data.memory_bytes,
          at_least(0, "texts or token ids of a task that need more memory than this are kept in a file"));
  visitor(option_key::backbone, o.backbone.name, any("name of a backbone, or the path of a Hugging Face folder"));
  visitor("backbone.precision", o.backbone.precision, any("precision of the frozen weights"));
  visitor("backbone.quantization", o.backbone.quantization,
          any("quantization of the blocks' linear maps: nf4 as in QLoRA, int8 with one scale per output row"));
  visitor(
      option_key::backend, o.backbone.backend,
      any("what computes the backbone: reference (LibTorch's operators), fast (kernels of peft-bench and weights in "
          "tiles, on the CPU alone; equal but for the last digits, except that int8 rounds activations too), or auto "
          "(fast on the CPU, reference elsewhere)"));
  visitor(option_key::init_from, o.init_from,
          any("initialise from an adapter (of peft-bench, Hugging Face or a .npy), a run's "
              "folder, or a .safetensors; empty: the method's own initialisation"));
  visitor(option_key::continue_from, o.continue_from,
          any("folder of a run whose training is continued here: its settings are the same but for the device and "
              "threads; empty: none"));
  visitor(option_key::split, o.eval.split, any("split for the final score"));
  visitor("eval.examples", o.eval.examples, at_least(0, "evaluate only the first N examples at the end; 0: all"));
  visitor(
      "eval.max_input_tokens", o.eval.max_input_tokens,
      at_least(0,
               "maximum input length in evaluation; 0: as in training. T5 trains on 512 tokens and evaluates on whole "
               "inputs"));
  visitor(option_key::eval_tasks, o.eval.tasks, any("other tasks on which the trained method is evaluated at the end"));
  visitor(option_key::label_map, o.eval.label_map,
          any("from:to, replaced in answers when another task is evaluated: duplicate:equivalent"));
  visitor(option_key::keep_inputs, o.eval.keep_inputs,
          any("what predictions.jsonl keeps of each input: its text, its SHA-256 (hash), or nothing (none)"));
  visitor(option_key::tensorboard, o.log.tensorboard,
          any("also write the run's log as an event file of TensorBoard, into its folder"));
  visitor(option_key::device, o.device.name,
          any("device that computes: auto (the first GPU, else the CPU), cpu, cuda or cuda:N"));
  visitor(option_key::tf32, o.device.arithmetic.tf32,
          any("on a GPU: products of float32 in TensorFloat-32, faster and with 10 bits of mantissa"));
  visitor(option_key::deterministic, o.device.arithmetic.deterministic,
          any("on a GPU: only algorithms that give the same bits each time; some are slower. The CPU's always do"));
  visit(o.train, [&](const std::string& key, auto& field, const OptionInfo& info) {
    visitor(name_of_option(key), field, info);
  });
}

// The same as parameters, for reading values and for help.
const MethodSchema& option_schema();

// Sets the option of this key. `value` was read by its parameter in option_schema().
void set_option(RunOptions& options, const std::string& key, const Value& value);

// {"eval.beams": 1, …}, by dotted key.
nlohmann::json to_json(const RunOptions& options);

// The setting that the field knows by another word: lr is train.learning_rate. Nothing for words that are no such one.
std::optional<std::string> setting_of_alias(std::string_view word);

}  // namespace peftbench::config
