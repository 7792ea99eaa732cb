#include "speed_task.h"

#include "core/json.h"
#include "devices/choice.h"
#include "plugin/finder.h"
#include "support/init_context.h"

#include <peftbench/error.h>

#include <ATen/ops/empty.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <optional>
#include <stdexcept>
#include <utility>

namespace peftbench::speed {

namespace {

using nlohmann::json;
using Ids = std::vector<std::vector<std::int64_t>>;

BackboneSpec spec_of(const json& sizes) {
  BackboneSpec spec;
  spec.name = "random";
  spec.vocab_size = sizes.at("vocab_size");
  spec.d_model = sizes.at("d_model");
  spec.d_kv = sizes.at("d_kv");
  spec.num_heads = sizes.at("num_heads");
  spec.d_ff = sizes.at("d_ff");
  spec.encoder_layers = spec.decoder_layers = sizes.at("num_layers");
  spec.gated = true;
  spec.activation = Activation::gelu_tanh;
  return spec;
}

LoadOptions load_options(const json& task) {
  LoadOptions load;
  const std::string precision = task.at("precision"), backend = task.at("backend");
  if (precision == enum_name(Quantization::int8)) {
    load.quantization = Quantization::int8;
  } else {
    load.precision = enum_from<Precision>(precision).value();
  }
  load.device = find_device(task.at("device"), "device");
  load.backend = enum_from<Backend>(backend).value();
  return load;
}

GivenValues parameters_of(const json& given) {
  GivenValues values;
  for (const auto& [name, value] : given.items()) {
    if (value.is_array()) {
      values[name] = value.get<Names>();
    } else {
      values[name] = json_text(value);
    }
  }
  return values;
}

}  // namespace

SpeedTask read_task(const fs::path& file) {
  const auto given = read_json<json>(file);
  const auto refuse = [&](const std::exception& error) {
    return DataError(Problem{file.string() + " is not a task of benchmarks/speed", error.what(), "a file that it wrote",
                             "benchmarks/speed --commands FOLDER writes tasks and prints the commands for them"});
  };
  try {
    SpeedTask task;
    task.work = given.at("work");
    task.method = given.value("method", "");
    task.parameters = parameters_of(given.value("parameters", json::object()));
    task.spec = spec_of(given.at("backbone"));
    task.load = load_options(given);
    task.dropout = given.value("dropout", 0.0);
    task.words = given.value("words", Ids());
    task.rows = given.value("rows", std::int64_t{0});
    const auto inputs = given.value("inputs", Ids()), targets = given.value("targets", Ids());
    for (std::size_t b = 0; b < inputs.size(); ++b) {
      EncodedExample example;
      example.input = inputs[b];
      example.target = targets.at(b);
      task.examples.push_back(std::move(example));
    }
    return task;
  } catch (const json::exception& error) {
    throw refuse(error);
  } catch (const std::out_of_range& error) {
    throw refuse(error);
  } catch (const std::bad_optional_access& error) {  // an unknown word for the precision or the backend
    throw refuse(error);
  }
}

std::shared_ptr<const Backbone> random_backbone(const SpeedTask& task) {
  TensorMap tensors;
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(1);
  for (const TensorEntry& entry : task.spec.tensors()) {
    const Tensor tensor =
        at::empty(entry.shape).normal_(0, 1 / std::sqrt(static_cast<double>(entry.shape.back())), generator);
    if (entry.role.kind == TensorKind::lm_head) tensor.select(0, task.spec.eos_id).zero_();
    tensors[entry.name] = tensor;
  }
  return Backbone::from_tensors(task.spec, std::move(tensors), task.load);
}

CompiledPlan make_plan(const SpeedTask& task, const Backbone& backbone) {
  if (task.method.empty()) return {};
  const PluginHandle plugin = PluginFinder().load_method(task.method);
  PlanBuilder builder(task.spec);
  plan_method(*plugin, *make_method(*plugin, parse_values(task.method, plugin->schema, task.parameters)), builder);
  CompiledPlan plan(builder.finish());
  plan.place_on(task.load.device);
  support::initialise(plan, [&](std::string_view name) {
    return backbone.frozen(task.spec.parameter(name).index)
        .to(c10::kCPU, at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  });
  return plan;
}

}  // namespace peftbench::speed
