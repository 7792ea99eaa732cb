#pragma once

// For tests of methods whose prompts stand within the text: plans of the plugin that the test is linked with, a
// vocabulary of letters, and batches with slots where a layout hook would have put them.
#include "backbone/backbone.h"
#include "core/random.h"
#include "plugin/schema.h"
#include "support/layers.h"

#include <peftbench/abi.h>
#include <peftbench/error.h>
#include <peftbench/method.h>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/tensor.h>

#include <string>
#include <vector>

extern "C" const peftbench::PluginHeader peftbench_plugin;

namespace peftbench::support {

using namespace layers;

// Initialises from a backbone and single letters: a = 3, b = 4, … and <extra_id_0> = the last row of the table.
class LetterContext final : public InitContext {
 public:
  LetterContext(const Backbone& backbone, const std::string& parameter, std::vector<std::string>& warnings)
      : backbone_(backbone),
        generator_(at::make_generator<at::CPUGeneratorImpl>(stream_seed(0, parameter))),
        warnings_(warnings) {}
  at::Generator& generator() override { return generator_; }
  Tensor frozen(std::string_view name) override {
    return backbone_.frozen(backbone_.spec().parameter(name).index).clone();
  }
  Tensor embedding_rows(const std::vector<int64_t>& ids) override { return backbone_.embedding_rows(ids); }
  int64_t vocab_size() const override { return backbone_.spec().vocab_size; }
  std::vector<int64_t> tokenize(std::string_view text) override {
    if (text == "<extra_id_0>") return {vocab_size() - 1};
    std::vector<int64_t> ids;
    for (const char c : text)
      if (c != ' ') ids.push_back(c - 'a' + 3);
    return ids;
  }
  std::vector<std::string> labels() override { return {}; }
  Tensor read_tensor(std::string_view, std::string_view) override { throw Error("no files here"); }
  void warn(std::string message) override { warnings_.push_back(std::move(message)); }

 private:
  const Backbone& backbone_;
  at::Generator generator_;
  std::vector<std::string>& warnings_;
};

inline MethodSchema schema_of_plugin() {
  MethodRegistrar registrar;
  peftbench_plugin.register_method(registrar);
  return registrar.schema();
}

inline CompiledPlan plan_of_plugin(const BackboneSpec& spec, const TaskShape& task, const GivenValues& given = {}) {
  MethodRegistrar registrar;
  peftbench_plugin.register_method(registrar);
  const auto method = registrar.factory()(parse_values(peftbench_plugin.name, registrar.schema(), given));
  PlanBuilder builder(spec, task);
  builder.set_claimant(peftbench_plugin.name);
  method->plan(spec, builder);
  return CompiledPlan(builder.finish());
}

// The same with first values; what the initialisers warn of is returned, too.
inline std::vector<std::string> initialise_with_letters(const Backbone& backbone, CompiledPlan& plan) {
  std::vector<std::string> warnings;
  plan.initialise(
      [&](const std::string& parameter) { return std::make_unique<LetterContext>(backbone, parameter, warnings); });
  return warnings;
}

inline std::string refusal_of_plan(const BackboneSpec& spec, const TaskShape& task, const GivenValues& given) {
  try {
    plan_of_plugin(spec, task, given);
    return "accepted";
  } catch (const ConfigError& error) {
    return error.what();
  }
}

inline int64_t trained_elements(const CompiledPlan& plan) {
  int64_t sum = 0;
  for (const auto& slot : plan.trained()) {
    int64_t elements = 1;
    for (const int64_t size : slot->shape) elements *= size;
    sum += elements;
  }
  return sum;
}

inline Tensor& value_of(const CompiledPlan& plan, const std::string& name) {
  for (const auto& slot : plan.slots())
    if (slot->name == name) return slot->value;
  throw Error("the plan has no parameter " + name);
}

constexpr int64_t slot = -1;  // in place of an id

// A batch whose `slot`s are numbered from 0 in each sequence.
inline PackedTokens with_slots(std::vector<std::vector<int64_t>> sequences, std::vector<int64_t> replicas = {}) {
  std::vector<int64_t> numbers;
  for (auto& sequence : sequences) {
    int64_t next = 0;
    for (int64_t& id : sequence) {
      numbers.push_back(id == slot ? next++ : -1);
      if (id == slot) id = 0;
    }
  }
  PackedTokens packed = PackedTokens::of(sequences, {}, std::move(replicas));
  packed.layout.slots = at::tensor(numbers);
  return packed;
}

// What a layout hook makes of an example, slots as <n>.
inline std::string shown_layout(const CompiledPlan& plan, const TextExample& example, int64_t replica = 0) {
  const std::vector<TextExample> none;
  std::string out;
  for (const Piece& piece : plan.only()->layout->arrange({example, none, {}, 512, replica, 0}))
    out += piece.kind == Piece::Kind::slots ? "<" + std::to_string(piece.slots) + ">" : piece.text;
  return out;
}

// Sizes of t5-v1_1-base.
inline BackboneSpec v11_base() {
  BackboneSpec spec;
  spec.name = "t5-v1_1-base";
  spec.vocab_size = 32128;
  spec.d_model = 768;
  spec.d_kv = 64;
  spec.num_heads = 12;
  spec.d_ff = 2048;
  spec.encoder_layers = spec.decoder_layers = 12;
  spec.gated = true;
  spec.activation = Activation::gelu_tanh;
  return spec;
}

}  // namespace peftbench::support
