#include "support/forward.h"
#include "support/init_context.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"

#include "huggingface.h"
#include "ledger/ledger.h"
#include "plugin/schema.h"

#include <peftbench/abi.h>
#include <peftbench/error.h>
#include <peftbench/method.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/where.h>
#include <gmock/gmock.h>

#include <set>

extern "C" const peftbench::PluginHeader peftbench_plugin;

namespace peftbench::prefix_tuning_test {

using namespace layers;

namespace {

using support::Batch;
using support::difference;
using support::Ids;
using support::logits;
using support::some_ids;
using support::tiny_backbone;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const MethodRegistrar& registrar() {
  static const MethodRegistrar made = [] {
    MethodRegistrar r;
    peftbench_plugin.register_method(r);
    return r;
  }();
  return made;
}

CompiledPlan plan(const BackboneSpec& spec, const GivenValues& given) {
  const auto method = registrar().factory()(parse_values("prefix_tuning", registrar().schema(), given));
  PlanBuilder builder(spec);
  method->plan(spec, builder);
  return CompiledPlan(builder.finish());
}

CompiledPlan initialised(const BackboneSpec& spec, const GivenValues& given) {
  CompiledPlan made = plan(spec, given);
  support::initialise(made);
  return made;
}

std::string refusal(const BackboneSpec& spec, const GivenValues& given) {
  try {
    plan(spec, given);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

// d_model = heads · d_kv, as peft wants it.
BackboneSpec square_spec(int64_t encoder_layers, int64_t decoder_layers) {
  BackboneSpec spec = support::tiny_spec();
  spec.d_model = spec.inner();
  spec.encoder_layers = encoder_layers;
  spec.decoder_layers = decoder_layers;
  return spec;
}

BackboneSpec t5_v1_1_base() {
  BackboneSpec spec;
  spec.name = "t5-v1_1-base";
  spec.vocab_size = 32128;
  spec.d_model = 768;
  spec.d_kv = 64;
  spec.num_heads = 12;
  spec.d_ff = 2048;
  spec.encoder_layers = spec.decoder_layers = 12;
  spec.gated = true;
  return spec;
}

Counts counts(const BackboneSpec& spec, const GivenValues& given) {
  CompiledPlan made = plan(spec, given);
  made.initialise_on_meta();
  return measure(spec, made).total;
}

// The first rows of what a frozen map gives, as the columns of a prefix have them.
struct Record final : LinearHook {
  Record(Tensor place, int64_t rows) : place_(std::move(place)), rows_(rows) {}
  Tensor apply(const LinearCall& call) const override {
    Tensor out = call.base();
    place_.copy_(out.narrow(0, 0, rows_));
    return out;
  }
  Tensor place_;
  int64_t rows_;
};

// Attention cannot tell a prefix from tokens before the sequence whose keys and values it is: with those that the
// tokens p of the input and q of the target have in every layer, the input x and target t give what [p; x] and [q; t]
// give. Holds for heads, order of layers, positions and all three attentions at once, and for none if one were wrong.
TEST(PrefixTuning, APrefixIsTheKeysAndValuesOfTokensBefore) {
  const auto backbone = tiny_backbone();
  const BackboneSpec& spec = backbone->spec();
  constexpr int64_t length = 4;
  const Ids p = some_ids(length, 5), x = some_ids(7, 1), q = some_ids(length, 6), t = some_ids(3, 2);
  Ids input = p, target = q;
  input.insert(input.end(), x.begin(), x.end());
  target.insert(target.end(), t.begin(), t.end());

  const CompiledPlan made = initialised(spec, {{"length", "4"}, {"reparametrisation", "direct"}});
  std::map<std::string, Tensor> prefixes = made.stored();
  ASSERT_EQ(prefixes.size(), 3u);
  const CompiledPlan record = support::plan_with(*backbone, [&](const BackboneSpec&, PlanBuilder& builder) {
    for (const LinearSite& site : spec.linears({"k", "v"})) {
      const Tensor& whole =
          prefixes.at(std::string(name_of(site.stack)) + "." + std::string(name_of(site.sublayer)) + ".prefix");
      const int64_t slot = 2 * site.layer + (site.map == "v" ? 1 : 0);
      builder.claim<Record>(site, whole.narrow(1, slot * spec.inner(), spec.inner()), length);
    }
  });
  const Tensor expected = logits(*backbone, record, {input}, {target}).narrow(0, length, 3);
  EXPECT_LT(difference(logits(*backbone, made, {x}, {t}), expected), 2e-5);

  // Each of the three takes part.
  for (const auto& [name, value] : prefixes) {
    const Tensor kept = value.clone();
    value.zero_();
    EXPECT_GT(difference(logits(*backbone, made, {x}, {t}), expected), 1e-3) << name;
    value.copy_(kept);
  }
}

TEST(PrefixTuning, EachAttentionIsSwitchable) {
  const BackboneSpec spec = support::tiny_spec();
  const auto sites = [&](const char* attentions) { return plan(spec, {{"attentions", attentions}}).claimed_sites(); };
  EXPECT_THAT(sites("encoder"), UnorderedElementsAre("encoder.0.self.kv", "encoder.1.self.kv", "encoder.2.self.kv"));
  EXPECT_THAT(sites("decoder"), UnorderedElementsAre("decoder.0.self.kv", "decoder.1.self.kv"));
  EXPECT_THAT(sites("cross"), UnorderedElementsAre("decoder.0.cross.kv", "decoder.1.cross.kv"));
  EXPECT_EQ(sites("cross,encoder,decoder").size(), 7u);
}

TEST(PrefixTuning, TheReparametrisationIsATwoLayerPerceptronForEachAttention) {
  const BackboneSpec spec = support::tiny_spec();
  const CompiledPlan made = initialised(spec, {{"length", "5"}, {"hidden", "6"}});
  EXPECT_EQ(made.trained().size(), 15u);
  const auto backbone = tiny_backbone();
  support::refresh(*backbone, made);
  const TensorMap sources = made.training(), stored = made.stored();
  std::vector<std::string> names;
  for (const auto& [name, value] : stored) names.push_back(name);
  EXPECT_THAT(names, UnorderedElementsAre("encoder.self.prefix", "decoder.self.prefix", "decoder.cross.prefix"));
  for (const char* attention : {"encoder.self", "decoder.self", "decoder.cross"}) {
    const auto of = [&](const char* name) { return sources.at(std::string(attention) + "." + name); };
    const Tensor hidden = at::tanh(at::matmul(of("rows"), of("hidden.weight").t()) + of("hidden.bias"));
    EXPECT_EQ(of("hidden.weight").size(0), 6);
    const Tensor expected = at::matmul(hidden, of("output.weight").t()) + of("output.bias");
    EXPECT_LT(difference(stored.at(std::string(attention) + ".prefix"), expected), 1e-6) << attention;
  }
  EXPECT_FALSE(at::equal(sources.at("encoder.self.rows"), sources.at("decoder.self.rows")));
}

// P' as torch's Embedding, linear maps as torch's Linear, a prefix without them as torch.randn: the authors' code.
TEST(PrefixTuning, FirstValuesAreTorchsDefaults) {
  const BackboneSpec spec = support::tiny_spec();
  const TensorMap mlp = initialised(spec, {{"length", "200"}, {"hidden", "64"}}).training();
  EXPECT_NEAR(mlp.at("decoder.self.rows").std().item<float>(), 1, 0.05);
  const auto expect_uniform = [&](const char* name, double bound) {
    const Tensor& value = mlp.at(name);
    EXPECT_LE(value.abs().max().item<double>(), bound) << name;
    EXPECT_GT(value.abs().max().item<double>(), 0.9 * bound) << name;
  };
  expect_uniform("decoder.self.hidden.weight", 1 / std::sqrt(20.0));
  expect_uniform("decoder.self.hidden.bias", 1 / std::sqrt(20.0));
  expect_uniform("encoder.self.output.weight", 1 / 8.0);
  expect_uniform("encoder.self.output.bias", 1 / 8.0);
  const GivenValues direct{{"length", "200"}, {"reparametrisation", "direct"}};
  EXPECT_NEAR(initialised(spec, direct).stored().at("encoder.self.prefix").std().item<float>(), 1, 0.05);
  GivenValues small = direct;
  small["init_deviation"] = "0.1";
  EXPECT_NEAR(initialised(spec, small).stored().at("encoder.self.prefix").std().item<float>(), 0.1, 0.005);
}

TEST(PrefixTuning, CountsAreTheFormulas) {
  const BackboneSpec spec = support::tiny_spec();  // 3 + 2 layers, D 20, inner 12
  const auto of = [&](const char* attentions, const char* reparametrisation) {
    return counts(
        spec, {{"length", "5"}, {"hidden", "6"}, {"attentions", attentions}, {"reparametrisation", reparametrisation}});
  };
  constexpr int64_t inner = 12, layer = 2 * 5 * inner;
  EXPECT_EQ(of("encoder", "direct").trained, 3 * layer);
  EXPECT_EQ(of("decoder,cross", "direct").trained, 4 * layer);
  const Counts all = of("encoder,decoder,cross", "mlp");
  EXPECT_EQ(all.stored, (3 + 2 * 2) * layer);
  EXPECT_EQ(all.inference, all.stored);
  EXPECT_EQ(all.after_merge, all.stored);
  const auto perceptron = [](int64_t layers) {
    return 5 * 20 + 20 * 6 + 6 + 6 * 2 * layers * inner + 2 * layers * inner;
  };
  EXPECT_EQ(all.trained, perceptron(3) + 2 * perceptron(2));

  const Counts base = counts(t5_v1_1_base(), {{"length", "100"}});
  EXPECT_EQ(base.inference, 5'529'600);
  EXPECT_EQ(base.stored, 5'529'600);
  EXPECT_EQ(base.trained, 29'778'432);
  const Counts peft = counts(
      t5_v1_1_base(),
      {{"length", "20"}, {"attentions", "decoder"}, {"compatibility", "huggingface"}, {"reparametrisation", "direct"}});
  EXPECT_EQ(peft.trained, 368'640);  // what peft reports, dead half included
}

TEST(PrefixTuning, DropoutIsForTrainingAlone) {
  const BackboneSpec spec = support::tiny_spec();
  const CompiledPlan made =
      initialised(spec, {{"length", "50"}, {"reparametrisation", "direct"}, {"prefix_dropout", "0.5"}});
  const KvSite site = spec.key_values(Stack::decoder, Sublayer::cross)[1];
  const KvHook& hook = *made.only()->kv[static_cast<std::size_t>(site.index)];
  const KvPrefix still = hook.prefix(RunContext::inference());
  const KvPrefix dropped = hook.prefix(RunContext::for_training(0, DropoutShape::per_sequence, 3));
  EXPECT_EQ(still.keys.eq(0).sum().item<int64_t>(), 0);
  EXPECT_NEAR(dropped.keys.eq(0).to(at::kFloat).mean().item<double>(), 0.5, 0.1);
  EXPECT_LT(difference(dropped.values, at::where(dropped.values.eq(0), 0 * still.values, 2 * still.values)), 1e-6);
  EXPECT_FALSE(at::equal(dropped.keys.eq(0), dropped.values.eq(0)));
}

TEST(PrefixTuning, Refusals) {
  const BackboneSpec spec = support::tiny_spec();
  EXPECT_THAT(schema_faults(registrar().schema()), IsEmpty());
  EXPECT_THAT(refusal(spec, {{"attentions", ""}}), HasSubstr("no attention gets a prefix"));
  EXPECT_THAT(refusal(spec, {{"attentions", "encoder,all"}}), HasSubstr("all"));
  const auto peft = [](const char* attentions) {
    return GivenValues{{"compatibility", "huggingface"}, {"attentions", attentions}};
  };
  EXPECT_THAT(refusal(square_spec(3, 3), peft("encoder,decoder,cross")), HasSubstr("set attentions=decoder"));
  EXPECT_THAT(refusal(square_spec(3, 3), peft("decoder,cross")), HasSubstr("set attentions=decoder"));
  EXPECT_THAT(refusal(spec, peft("decoder")), HasSubstr("heads · d_kv = d_model"));
  EXPECT_THAT(refusal(square_spec(2, 3), peft("decoder")), HasSubstr("3 decoder layers, 2 encoder layers"));
  EXPECT_EQ(refusal(square_spec(3, 2), peft("decoder")), "accepted");
}

// Which slots the layers read, keys first; found by filling every slot with its number.
std::vector<int64_t> slots_read(int64_t encoder_layers, int64_t decoder_layers) {
  const BackboneSpec spec = square_spec(encoder_layers, decoder_layers);
  const CompiledPlan made =
      initialised(spec, {{"compatibility", "huggingface"}, {"attentions", "decoder"}, {"reparametrisation", "direct"}});
  const Tensor prefix = made.stored().at("decoder.self.prefix");
  EXPECT_EQ(prefix.size(1), 2 * encoder_layers * spec.d_model);
  prefix.copy_(at::arange(2 * encoder_layers, at::kFloat).repeat_interleave(spec.d_model).expand(prefix.sizes()));
  std::vector<int64_t> read;
  for (const KvSite& site : spec.key_values(Stack::decoder, Sublayer::self)) {
    const KvPrefix kv = made.only()->kv[static_cast<std::size_t>(site.index)]->prefix(RunContext::inference());
    for (const Tensor& part : {kv.keys, kv.values}) {
      EXPECT_EQ(part.min().item<float>(), part.max().item<float>());
      read.push_back(part.min().item<int64_t>());
    }
  }
  return read;
}

// As peft 0.21 does it: tests/parity/test_prefix.py runs it for real.
TEST(PrefixTuning, CompatibilityReadsPeftsSlots) {
  EXPECT_THAT(slots_read(4, 4), ElementsAre(0, 1, 4, 5, 0, 1, 4, 5));
  EXPECT_THAT(slots_read(3, 3), ElementsAre(0, 1, 4, 5, 2, 3));
  EXPECT_THAT(slots_read(4, 2), ElementsAre(0, 1, 4, 5));
  EXPECT_THAT(slots_read(1, 1), ElementsAre(0, 1));
}

class Exchange : public ::testing::Test {
 protected:
  const prefix_huggingface::Format format;
  static Values values(const GivenValues& given) { return parse_values("prefix_tuning", registrar().schema(), given); }
  static ForeignAdapter foreign(int64_t length, int64_t layers, int64_t d_model) {
    ForeignAdapter adapter;
    adapter.config = {{"peft_type", std::string("PREFIX_TUNING")}, {"num_virtual_tokens", length}};
    adapter.tensors["prompt_embeddings"] = at::randn({length, 2 * layers * d_model});
    return adapter;
  }
  template <class Function>
  static std::string fault(Function&& function) {
    try {
      function();
    } catch (const UserError& error) {
      return error.what();
    }
    return "accepted";
  }
};

TEST_F(Exchange, PeftsTensorIsTakenAsItIsAndGivenBack) {
  const BackboneSpec spec = square_spec(4, 4);
  const ForeignAdapter adapter = foreign(5, 4, spec.d_model);
  ASSERT_TRUE(format.recognises(adapter));
  const ImportedAdapter imported = format.read(adapter, spec);
  EXPECT_EQ(imported.values.integer("length"), 5);
  EXPECT_EQ(imported.values.text("compatibility"), "huggingface");
  EXPECT_TRUE(at::equal(imported.tensors.at("decoder.self.prefix"), adapter.tensor("prompt_embeddings")));
  CompiledPlan made = plan(
      spec,
      {{"length", "5"}, {"compatibility", "huggingface"}, {"attentions", "decoder"}, {"reparametrisation", "direct"}});
  made.load_stored(imported.tensors);
  const ForeignAdapter back = format.write(imported.values, spec, made.stored());
  EXPECT_TRUE(at::equal(back.tensor("prompt_embeddings"), adapter.tensor("prompt_embeddings")));
  EXPECT_EQ(back.integer("num_transformer_submodules", 0), 2);
  EXPECT_EQ(back.integer("num_layers", 0), 4);
  EXPECT_EQ(back.text("peft_type"), "PREFIX_TUNING");
  ForeignAdapter other = adapter;
  other.config["peft_type"] = std::string("PROMPT_TUNING");
  EXPECT_FALSE(format.recognises(other));
}

TEST_F(Exchange, WhatDoesNotFitIsRefused) {
  const BackboneSpec spec = square_spec(4, 4);
  ForeignAdapter adapter = foreign(5, 3, spec.d_model);
  EXPECT_THAT(fault([&] { format.read(adapter, spec); }), HasSubstr("[5, 96]"));
  adapter = foreign(5, 4, spec.d_model);
  adapter.config["num_layers"] = int64_t{3};
  EXPECT_THAT(fault([&] { format.read(adapter, spec); }), HasSubstr("num_layers 3"));
  adapter.config["num_layers"] = int64_t{4};
  adapter.config["num_transformer_submodules"] = int64_t{1};
  EXPECT_THAT(fault([&] { format.read(adapter, spec); }), HasSubstr("num_transformer_submodules"));
  EXPECT_THAT(fault([&] { format.read(foreign(5, 3, 20), support::tiny_spec()); }), HasSubstr("d_kv"));
}

TEST_F(Exchange, OursIsWrittenWherePeftCanExpressIt) {
  const GivenValues decoder{{"length", "5"}, {"attentions", "decoder"}};
  const auto write = [&](const BackboneSpec& spec, const GivenValues& given, const Tensor& prefix) {
    return format.write(values(given), spec, {{"decoder.self.prefix", prefix}}).tensor("prompt_embeddings");
  };
  const auto random = [](const BackboneSpec& spec) { return at::randn({5, 2 * spec.decoder_layers * spec.d_model}); };
  const BackboneSpec odd = square_spec(3, 3);
  const Tensor three = random(odd), slots = write(odd, decoder, three);
  const auto layer = [&](const Tensor& of, int64_t number) { return of.narrow(1, number * 24, 24); };
  EXPECT_TRUE(at::equal(layer(slots, 0), layer(three, 0)));
  EXPECT_TRUE(at::equal(layer(slots, 2), layer(three, 1)));  // slots 4 and 5
  EXPECT_TRUE(at::equal(layer(slots, 1), layer(three, 2)));

  const BackboneSpec even = square_spec(4, 4);
  EXPECT_THAT(fault([&] { write(even, decoder, random(even)); }), HasSubstr("decoder layers 0 and 2"));
  const Tensor half = at::randn({5, 48});
  EXPECT_TRUE(at::equal(layer(write(even, decoder, at::cat({half, half}, 1)), 2), layer(half, 1)));
  const BackboneSpec shallow = square_spec(4, 2);
  EXPECT_EQ(layer(write(shallow, decoder, random(shallow)), 1).abs().max().item<float>(), 0);  // a dead slot

  EXPECT_THAT(fault([&] {
                write(odd, {{"attentions", "decoder,encoder"}}, three);
              }),
              HasSubstr("prefix of the encoder"));
  EXPECT_THAT(fault([&] { write(odd, {{"attentions", "cross,decoder"}}, three); }), HasSubstr("cross-attention"));
  const BackboneSpec tiny = support::tiny_spec();
  EXPECT_THAT(fault([&] { write(tiny, decoder, at::randn({5, 48})); }), HasSubstr("d_kv"));
}

}  // namespace
}  // namespace peftbench::prefix_tuning_test
