#include "huggingface.h"
#include "support/layers.h"

#include "scaling.h"

#include "plugin/schema.h"
#include "support/tiny_backbone.h"

#include <peftbench/abi.h>
#include <peftbench/error.h>
#include <peftbench/method.h>

#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>

extern "C" const peftbench::PluginHeader peftbench_plugin;

namespace peftbench::huggingface_test {

using namespace layers;

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const ia3::HuggingFaceIa3 format;
const BackboneSpec gated = support::tiny_spec(), relu = support::tiny_spec({.gated = false, .tied = true});

Values values(const GivenValues& given) {
  MethodRegistrar registrar;
  peftbench_plugin.register_method(registrar);
  return parse_values("ia3", registrar.schema(), given);
}

std::map<std::string, Tensor> random_factors(const Values& of, const BackboneSpec& backbone) {
  std::map<std::string, Tensor> stored;
  for (const ia3::Scaling& scaling : ia3::scalings(of, backbone)) {
    stored[scaling.site.name() + ".scale"] = at::randn({scaling.size()});
  }
  return stored;
}

ForeignAdapter written(const GivenValues& given, const BackboneSpec& backbone) {
  const Values of = values(given);
  return format.write(of, backbone, random_factors(of, backbone));
}

std::string refusal(const ForeignAdapter& adapter, const BackboneSpec& backbone) {
  try {
    format.read(adapter, backbone);
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Ia3HuggingFace, WritesPeftsNamesAndReadsThemBack) {
  struct Case {
    GivenValues given;
    const BackboneSpec& backbone;
    Names targets;
    const char* ffn;
  };
  const Case cases[] = {
      {{}, gated, {"k", "v"}, "wi_1_output"},
      {{{"ffn", "wo_input"}}, gated, {"k", "v"}, "wo_input"},
      {{}, relu, {"k", "v"}, "wo_input"},
      {{{"ffn", "none"}, {"targets", "q,wo"}}, relu, {"q", "wo"}, "none"},
      {{{"ffn", "wo_input"}, {"targets", "wi_1,lm_head"}}, gated, {"lm_head", "wi_1"}, "wo_input"},
      {{{"targets", Names{}}}, gated, {}, "wi_1_output"},
  };
  for (const Case& one : cases) {
    const Values of = values(one.given);
    const auto stored = random_factors(of, one.backbone);
    const ForeignAdapter adapter = format.write(of, one.backbone, stored);
    EXPECT_TRUE(format.recognises(adapter));
    EXPECT_EQ(adapter.names("feedforward_modules").empty(), one.ffn != std::string("wo_input"));
    const ImportedAdapter imported = format.read(adapter, one.backbone);
    EXPECT_EQ(imported.values.names("targets"), one.targets);
    EXPECT_EQ(imported.values.text("ffn"), one.ffn);
    ASSERT_EQ(imported.tensors.size(), stored.size());
    for (const auto& [name, tensor] : stored) EXPECT_TRUE(at::equal(imported.tensors.at(name), tensor)) << name;
  }
  // peft's defaults for T5.
  const ForeignAdapter adapter = written({}, relu);
  EXPECT_THAT(adapter.names("target_modules"), ElementsAre("k", "v", "wo"));
  EXPECT_THAT(adapter.names("feedforward_modules"), ElementsAre("wo"));
  const std::string decoder = "base_model.model.decoder.block.1.layer.";
  EXPECT_EQ(adapter.tensor(decoder + "1.EncDecAttention.k.ia3_l").sizes(), (Shape{12, 1}));
  EXPECT_EQ(adapter.tensor(decoder + "2.DenseReluDense.wo.ia3_l").sizes(), (Shape{1, 24}));
  EXPECT_THAT(written({}, gated).names("feedforward_modules"), IsEmpty());
}

TEST(Ia3HuggingFace, WhatHasNoCounterpartIsRefused) {
  const std::string block = "base_model.model.encoder.block.0.layer.", k = block + "0.SelfAttention.k.ia3_l";
  ForeignAdapter adapter = written({}, relu);
  EXPECT_EQ(refusal(adapter, relu), "accepted");
  adapter.config["modules_to_save"] = Names{"lm_head"};
  EXPECT_THAT(refusal(adapter, relu), HasSubstr("modules_to_save"));
  adapter = written({}, relu);
  adapter.tensors[k] = at::randn({1, 20});  // k listed as a feed-forward module
  EXPECT_THAT(refusal(adapter, relu), HasSubstr("the input of encoder.0.self.k"));
  adapter.tensors.erase(k);
  EXPECT_THAT(refusal(adapter, relu), HasSubstr("some layers only"));
  adapter.tensors[k] = at::randn({16, 1});
  EXPECT_THAT(refusal(adapter, relu), HasSubstr("[12, 1]"));
  EXPECT_THAT(refusal(written({{"targets", "k,wi"}}, relu), gated), HasSubstr("wi.ia3_l"));
  EXPECT_THAT(refusal({{}, {{"other", at::randn({2})}}}, relu), HasSubstr("no factors"));
  EXPECT_FALSE(format.recognises({{{"peft_type", "LORA"}}, {}}));
}

// S9, S12: what the config means against what the file holds.
TEST(Ia3HuggingFace, TheConfigAndTheFileMustAgree) {
  ForeignAdapter adapter = written({}, relu);  // k, v and the input of wo
  EXPECT_THAT(format.read(adapter, relu).notes, IsEmpty());
  adapter.config["target_modules"] = Names{"k", "v", "wo", "q"};
  ASSERT_EQ(format.read(adapter, relu).notes.size(), 1u);
  EXPECT_THAT(format.read(adapter, relu).notes[0], HasSubstr("no factors for 7 of the"));
  adapter.config["exclude_modules"] = Names{"q"};
  EXPECT_THAT(format.read(adapter, relu).notes, IsEmpty());
  adapter.config["target_modules"] = Names{"k", "wo"};
  EXPECT_THAT(refusal(adapter, relu), HasSubstr("does not select a map that the file scales"));
  adapter = written({}, relu);
  adapter.config["feedforward_modules"] = Names{};
  EXPECT_THAT(refusal(adapter, relu), HasSubstr("scales the input of a map"));
  adapter.config["feedforward_modules"] = Names{"k", "wo"};
  EXPECT_THAT(refusal(adapter, relu), HasSubstr("scales the output of a map"));
}

}  // namespace
}  // namespace peftbench::huggingface_test
