#include "plugin/schema.h"
#include "support/forward.h"
#include "support/init_context.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"

#include <peftbench/abi.h>
#include <peftbench/error.h>
#include <peftbench/method.h>

#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include <map>

extern "C" const peftbench::PluginHeader peftbench_plugin;

namespace peftbench::p_tuning_test {

using namespace layers;

namespace {

using support::Batch;
using support::difference;
using support::some_ids;
using support::tiny_backbone;
using support::tiny_spec;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const MethodRegistrar& registrar() {
  static const MethodRegistrar made = [] {
    MethodRegistrar fresh;
    peftbench_plugin.register_method(fresh);
    return fresh;
  }();
  return made;
}

Values values_of(const GivenValues& given) { return parse_values("p_tuning", registrar().schema(), given); }

CompiledPlan plan(const GivenValues& given, const BackboneSpec& spec = tiny_spec(), const TaskShape& task = {}) {
  const auto method = registrar().factory()(values_of(given));
  PlanBuilder builder(spec, task);
  method->plan(spec, builder);
  return CompiledPlan(builder.finish());
}

std::string refusal(const GivenValues& given, const BackboneSpec& spec = tiny_spec(), const TaskShape& task = {}) {
  try {
    plan(given, spec, task);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

int64_t trained_count(const CompiledPlan& made) {
  int64_t count = 0;
  for (const auto& slot : made.trained()) count += slot->value.numel();
  return count;
}

int64_t stored_count(const CompiledPlan& made) {
  int64_t count = 0;
  for (const auto& [name, tensor] : made.stored()) count += tensor.numel();
  return count;
}

Tensor value(const CompiledPlan& made, const std::string& name) {
  for (const auto& slot : made.slots())
    if (slot->name == "encoder.input." + name) return slot->value;
  throw Error("no parameter " + name);
}

// The prompt as the plan's parameters give it.
Tensor prompt_of(const CompiledPlan& made) {
  made.refresh([](int) { return Tensor(); });
  return value(made, "prompt");
}

BackboneSpec base() {
  BackboneSpec spec = tiny_spec();
  spec.vocab_size = 32128;
  spec.d_model = 768;
  spec.d_kv = 64;
  spec.num_heads = 12;
  spec.d_ff = 2048;
  spec.encoder_layers = spec.decoder_layers = 12;
  return spec;
}

std::pair<int64_t, int64_t> counts(const GivenValues& given, const BackboneSpec& spec) {
  CompiledPlan made = plan(given, spec);
  made.initialise_on_meta();
  return {trained_count(made), stored_count(made)};
}

TEST(PTuning, CountsOfBaseAreThoseOfTheRecipe) {
  EXPECT_EQ(counts({{"template", "[5] {input} [5]"}}, base()), std::pair(int64_t{8279040}, int64_t{7680}));
  const int64_t d = 768, lstm = 2 * (4 * d * (d + d) + 8 * d) + 2 * (4 * d * (2 * d + d) + 8 * d);
  EXPECT_EQ(counts({{"template", "[10] {input}"}, {"encoder", "fewshot"}}, base()),
            std::pair(10 * d + lstm + (2 * d * d + d) + (d * d + d), 10 * d));
}

// hf-peft.md §3: what peft reports for 20 tokens; the file holds the live ones alone.
TEST(PTuning, CountsOfHuggingFacesEncoders) {
  const GivenValues mlp{{"template", "[20] {input}"}, {"encoder", "huggingface_mlp"}};
  const GivenValues lstm{{"template", "[20] {input}"}, {"encoder", "huggingface_lstm"}};
  EXPECT_EQ(counts(mlp, base()), std::pair(int64_t{1802496}, int64_t{15360}));
  EXPECT_EQ(counts(lstm, base()), std::pair(int64_t{27189504}, int64_t{15360}));
  GivenValues alive = mlp;
  alive["dead_tokens"] = "false";
  EXPECT_EQ(counts(alive, base()), std::pair(int64_t{1802496 - 15360}, int64_t{15360}));
}

// One direction of an LSTM over the rows of x, gates in torch's order.
Tensor run_lstm(const Tensor& x, const CompiledPlan& made, const std::string& end, bool backwards) {
  const auto weight = [&](const std::string& name) { return value(made, "lstm." + name + end); };
  const int64_t hidden = weight("weight_hh").size(1), rows = x.size(0);
  Tensor h = at::zeros({hidden}), c = at::zeros({hidden});
  std::vector<Tensor> out(static_cast<std::size_t>(rows));
  for (int64_t step = 0; step < rows; ++step) {
    const int64_t row = backwards ? rows - 1 - step : step;
    const Tensor gates =
        weight("weight_ih").mv(x[row]) + weight("bias_ih") + weight("weight_hh").mv(h) + weight("bias_hh");
    const auto gate = [&](int64_t number) { return gates.narrow(0, number * hidden, hidden); };
    c = at::sigmoid(gate(1)) * c + at::sigmoid(gate(0)) * at::tanh(gate(2));
    h = at::sigmoid(gate(3)) * at::tanh(c);
    out[static_cast<std::size_t>(row)] = h;
  }
  return at::stack(out);
}

Tensor run_linear(const Tensor& x, const CompiledPlan& made, const std::string& name) {
  return x.matmul(value(made, name + ".weight").t()) + value(made, name + ".bias");
}

TEST(PTuning, TheEncoderIsABidirectionalLstmAndTwoMaps) {
  at::NoGradGuard no_grad;
  for (const char* encoder : {"lama", "fewshot", "huggingface_lstm"}) {
    CompiledPlan made = plan({{"encoder", encoder}, {"template", "[3] {input} [2]"}});
    support::initialise(made);
    Tensor x = value(made, "embedding");
    for (const char* layer : {"_l0", "_l1"}) {
      const std::string end = layer;
      x = cat({run_lstm(x, made, end, false), run_lstm(x, made, end + "_reverse", true)}, 1);
    }
    const Tensor expected = run_linear(at::relu(run_linear(x, made, "mlp.0")), made, "mlp.2");
    EXPECT_LT(difference(prompt_of(made), expected.narrow(0, 0, 5)), 1e-6) << encoder;
  }
}

TEST(PTuning, TheMlpHasThreeMaps) {
  at::NoGradGuard no_grad;
  CompiledPlan made = plan({{"encoder", "huggingface_mlp"}, {"template", "[3] {input}"}, {"encoder_hidden", "7"}});
  support::initialise(made);
  Tensor x = value(made, "embedding");
  EXPECT_EQ(x.sizes(), (Shape{6, 20}));
  for (const char* name : {"mlp.0", "mlp.2"}) x = at::relu(run_linear(x, made, name));
  EXPECT_LT(difference(prompt_of(made), run_linear(x, made, "mlp.4").narrow(0, 0, 3)), 1e-6);
  EXPECT_EQ(value(made, "mlp.2.weight").sizes(), (Shape{7, 7}));
}

// Dead tokens stand after the live ones, so an LSTM that reads backwards carries them over; maps do not.
TEST(PTuning, DeadTokensReachLiveOnesThroughTheLstmAlone) {
  for (const char* encoder : {"huggingface_lstm", "huggingface_mlp"}) {
    CompiledPlan made = plan({{"encoder", encoder}, {"template", "[3] {input}"}});
    support::initialise(made);
    prompt_of(made).square().sum().backward();
    const Tensor gradient = value(made, "embedding").grad().abs().sum(1);
    EXPECT_GT(gradient.narrow(0, 0, 3).min().item<float>(), 0) << encoder;
    EXPECT_EQ(gradient[5].item<float>() > 0, std::string(encoder) == "huggingface_lstm");
  }
}

TEST(PTuning, FirstValuesAreTorchs) {
  CompiledPlan made = plan({{"template", "[400] {input}"}});
  support::initialise(made);
  const auto largest = [&](const std::string& name) { return value(made, name).abs().max().item<double>(); };
  EXPECT_NEAR(value(made, "embedding").std().item<double>(), 1, 0.05);
  for (const char* name : {"lstm.weight_ih_l0", "lstm.weight_hh_l1_reverse", "lstm.bias_ih_l1"}) {
    EXPECT_LE(largest(name), 1 / std::sqrt(10.0)) << name;  // half of d_model
    EXPECT_GT(largest(name), 0.28) << name;
  }
  for (const char* name : {"mlp.0.weight", "mlp.2.bias"}) {
    EXPECT_LE(largest(name), 1 / std::sqrt(20.0)) << name;
    EXPECT_GT(largest(name), 0.19) << name;
  }
}

// Logits of one sequence whose rows of pad are slots, numbered in order.
Tensor logits_with_slots(const Backbone& backbone, const CompiledPlan& made, const support::Ids& ids,
                         const support::Ids& slots) {
  at::NoGradGuard no_grad;
  support::refresh(backbone, made);
  const RunContext context = RunContext::inference();
  PackedTokens tokens = PackedTokens::of({ids});
  tokens.layout.slots = at::tensor(slots, at::kLong);
  const EncoderState state = backbone.encode(tokens, made, context);
  return backbone.head(backbone.decode(state, PackedTokens::of({{0, 5, 6}}), made, context), made, context);
}

// Pseudo tokens that are embeddings of some tokens are those tokens, where the template puts them.
TEST(PTuning, PseudoTokensStandWhereTheTemplatePutsThem) {
  const auto backbone = tiny_backbone();
  CompiledPlan made = plan({{"template", "[2] say {input} [1]"}});
  EXPECT_THAT(made.claimed_sites(), ElementsAre("encoder.input", "layout"));
  const std::vector<Piece> pieces = made.only()->layout->arrange({{{Piece::of_text("x", "text")}, "", -1}, {}, {}, 9});
  ASSERT_EQ(pieces.size(), 4u);
  EXPECT_EQ(pieces[0].slots, 2);
  EXPECT_EQ(pieces[1].text + pieces[2].text, "say x");
  EXPECT_EQ(pieces[3].slots, 1);
  made.load_stored({{"encoder.input.prompt", backbone->embedding_rows({7, 3, 12})}});
  EXPECT_LT(difference(logits_with_slots(*backbone, made, {0, 0, 9, 8, 0, 1}, {0, 1, -1, -1, 2, -1}),
                       support::logits(*backbone, {}, {{7, 3, 9, 8, 12, 1}}, {{0, 5, 6}})),
            1e-5);
}

TEST(PTuning, InFrontOfTheInputNoTextIsNeeded) {
  const auto backbone = tiny_backbone();
  const Batch inputs{some_ids(9, 1), some_ids(4, 2)}, targets{{0, 5, 6}, {0, 9}};
  const support::Ids ids{7, 3, 12};
  Batch longer = inputs;
  for (auto& sequence : longer) sequence.insert(sequence.begin(), ids.begin(), ids.end());
  for (const char* layout : {"[3] {input}", "[1] [2]{input}"}) {
    CompiledPlan made = plan({{"template", layout}});
    EXPECT_THAT(made.claimed_sites(), ElementsAre("encoder.input"));
    made.load_stored({{"encoder.input.prompt", backbone->embedding_rows(ids)}});
    EXPECT_LT(
        difference(support::logits(*backbone, made, inputs, targets), support::logits(*backbone, {}, longer, targets)),
        1e-5);
  }
}

TEST(PTuning, IdsWithoutSlotsAreRefusedElsewhere) {
  const auto backbone = tiny_backbone();
  CompiledPlan made = plan({});
  support::initialise(made);
  try {
    support::logits(*backbone, made, {some_ids(4, 1)}, {{0}});
    FAIL() << "accepted";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("[6] {input} [3]"));
    EXPECT_THAT(error.what(), HasSubstr("'[9] {input}'"));
  }
}

TEST(PTuning, JointModeTrainsEveryTensorAtItsOwnRate) {
  const BackboneSpec spec = tiny_spec();
  const auto names = [](const CompiledPlan& made) {
    std::map<std::string, double> rates;
    for (const auto& slot : made.trained())
      if (slot->overrides) rates[slot->owner] = slot->learning_rate_scale;
    return rates;
  };
  EXPECT_THAT(names(plan({})), IsEmpty());
  const auto rates = names(plan({{"mode", "joint"}}));
  EXPECT_EQ(rates.size(), spec.tensors().size());
  for (const TensorEntry& tensor : spec.tensors()) EXPECT_EQ(rates.at(tensor.name), 0.1) << tensor.name;
  EXPECT_EQ(names(plan({{"mode", "joint"}, {"backbone_rate", "1"}})).at("shared.weight"), 1);
}

TEST(PTuning, WhatMakesNoSenseIsRefused) {
  EXPECT_THAT(schema_faults(registrar().schema()), IsEmpty());
  EXPECT_THAT(refusal({{"template", "say {input}"}}), HasSubstr("no pseudo tokens"));
  EXPECT_THAT(refusal({{"encoder_hidden", "8"}}), HasSubstr("d_model / 2"));
  EXPECT_THAT(refusal({{"encoder_layers", "3"}, {"encoder", "huggingface_mlp"}}), HasSubstr("fixed value of"));
  BackboneSpec odd = tiny_spec();
  odd.d_model = 21;
  EXPECT_THAT(refusal({}, odd), HasSubstr("set encoder=fewshot"));
  const GivenValues fields{{"template", "[1] {question} [2] {passage}"}};
  EXPECT_EQ(refusal(fields, tiny_spec(), {{}, {"passage", "question"}}), "accepted");
  EXPECT_EQ(refusal(fields), "accepted");  // a task that is not known yet
  EXPECT_THAT(refusal(fields, tiny_spec(), {{}, {"text", "passage"}}), HasSubstr("{input}, or one of text, passage"));
}

TEST(PTuning, HuggingFacesFormGoesBothWays) {
  const BackboneSpec spec = tiny_spec();
  ASSERT_EQ(registrar().schema().formats().size(), 1u);
  const AdapterFormat& format = *registrar().schema().formats().front();
  const Tensor rows = at::randn({6, 20});
  ForeignAdapter peft{{{"peft_type", std::string("P_TUNING")},
                       {"num_virtual_tokens", int64_t{3}},
                       {"encoder_reparameterization_type", std::string("LSTM")},
                       {"encoder_hidden_size", int64_t{8}},
                       {"encoder_num_layers", int64_t{1}}},
                      {{"prompt_embeddings", rows}}};
  EXPECT_TRUE(format.recognises(peft));
  const ImportedAdapter imported = format.read(peft, spec);
  EXPECT_EQ(imported.values.text("template"), "[3] {input}");
  EXPECT_EQ(imported.values.text("encoder"), "huggingface_lstm");
  EXPECT_EQ(imported.values.integer("encoder_hidden"), 8);
  EXPECT_EQ(imported.values.integer("encoder_layers"), 1);
  EXPECT_TRUE(imported.values.flag("dead_tokens"));
  EXPECT_TRUE(at::equal(imported.tensors.at("encoder.input.prompt"), rows.narrow(0, 0, 3)));
  plan({{"template", "[3] {input}"}}).load_stored(imported.tensors);

  Values values = values_of({});
  for (const auto& [key, entry] : imported.values.all()) values.set(key, entry);
  const ForeignAdapter written = format.write(values, spec, imported.tensors);
  EXPECT_TRUE(format.recognises(written));
  EXPECT_EQ(written.integer("num_virtual_tokens", 0), 3);
  EXPECT_EQ(written.integer("num_transformer_submodules", 0), 1);
  EXPECT_EQ(written.text("encoder_reparameterization_type"), "LSTM");
  EXPECT_EQ(written.integer("encoder_hidden_size", 0), 8);
  EXPECT_TRUE(at::equal(written.tensor("prompt_embeddings"), rows.narrow(0, 0, 3)));
  EXPECT_FALSE(format.read(written, spec).values.flag("dead_tokens"));
  EXPECT_EQ(
      format.write(values_of({{"template", "[3] {input}"}}), spec, imported.tensors).integer("encoder_hidden_size", 0),
      10);  // LAMA's encoder as Hugging Face's

  EXPECT_THROW(format.write(values_of({}), spec, imported.tensors), ConfigError);
  EXPECT_THROW(format.write(values_of({{"template", "[3] {input}"}, {"mode", "joint"}}), spec, imported.tensors),
               ConfigError);
  for (const Shape& shape : {Shape{6, 24}, Shape{5, 20}, Shape{120}}) {
    peft.tensors["prompt_embeddings"] = at::randn(shape);
    EXPECT_THROW(format.read(peft, spec), CheckpointError);
  }
  peft.config["peft_type"] = std::string("PROMPT_TUNING");
  EXPECT_FALSE(format.recognises(peft));
}

}  // namespace
}  // namespace peftbench::p_tuning_test
