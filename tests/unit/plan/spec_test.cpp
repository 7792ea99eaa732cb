#include "support/layers.h"

#include <peftbench/error.h>
#include <peftbench/spec.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace peftbench::spec_test {

using namespace layers;

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

BackboneSpec t5(int64_t d, int64_t d_kv, int64_t heads, int64_t d_ff, int64_t layers, bool v11) {
  BackboneSpec spec;
  spec.vocab_size = 32128;
  spec.d_model = d, spec.d_kv = d_kv, spec.num_heads = heads, spec.d_ff = d_ff;
  spec.encoder_layers = spec.decoder_layers = layers;
  spec.gated = v11, spec.tied = spec.scale_logits = !v11;
  spec.activation = v11 ? Activation::gelu_tanh : Activation::relu;
  return spec;
}

BackboneSpec uneven(bool v11) {
  BackboneSpec spec = t5(6, 4, 2, 10, 2, v11);
  spec.decoder_layers = 1;
  return spec;
}

std::string refusal(const auto& function) {
  try {
    function();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "nothing was refused";
}

TEST(Spec, TotalsOfThePublishedSizes) {
  EXPECT_EQ(t5(512, 64, 8, 2048, 6, false).parameter_count(), 60'506'624);
  EXPECT_EQ(t5(768, 64, 12, 3072, 12, false).parameter_count(), 222'903'552);
  EXPECT_EQ(t5(1024, 64, 16, 4096, 24, false).parameter_count(), 737'668'096);
  EXPECT_EQ(t5(1024, 128, 32, 16384, 24, false).parameter_count(), 2'851'598'336);
  EXPECT_EQ(t5(1024, 128, 128, 65536, 24, false).parameter_count(), 11'307'321'344);
  EXPECT_EQ(t5(512, 64, 6, 1024, 8, true).parameter_count(), 76'961'152);
  EXPECT_EQ(t5(768, 64, 12, 2048, 12, true).parameter_count(), 247'577'856);
  EXPECT_EQ(t5(1024, 64, 16, 2816, 24, true).parameter_count(), 783'150'080);
  EXPECT_EQ(t5(2048, 64, 32, 5120, 24, true).parameter_count(), 2'849'757'184);
  EXPECT_EQ(t5(4096, 64, 64, 10240, 24, true).parameter_count(), 11'135'332'352);
}

TEST(Spec, TensorsOfV10InForwardOrder) {
  std::vector<std::string> names;
  for (const TensorEntry& tensor : uneven(false).tensors()) names.push_back(tensor.name);
  EXPECT_THAT(names, ElementsAre("shared.weight",                                                         //
                                 "encoder.block.0.layer.0.layer_norm.weight",                             //
                                 "encoder.block.0.layer.0.SelfAttention.q.weight",                        //
                                 "encoder.block.0.layer.0.SelfAttention.k.weight",                        //
                                 "encoder.block.0.layer.0.SelfAttention.v.weight",                        //
                                 "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",  //
                                 "encoder.block.0.layer.0.SelfAttention.o.weight",                        //
                                 "encoder.block.0.layer.1.layer_norm.weight",                             //
                                 "encoder.block.0.layer.1.DenseReluDense.wi.weight",                      //
                                 "encoder.block.0.layer.1.DenseReluDense.wo.weight",                      //
                                 "encoder.block.1.layer.0.layer_norm.weight",                             //
                                 "encoder.block.1.layer.0.SelfAttention.q.weight",                        //
                                 "encoder.block.1.layer.0.SelfAttention.k.weight",                        //
                                 "encoder.block.1.layer.0.SelfAttention.v.weight",                        //
                                 "encoder.block.1.layer.0.SelfAttention.o.weight",                        //
                                 "encoder.block.1.layer.1.layer_norm.weight",                             //
                                 "encoder.block.1.layer.1.DenseReluDense.wi.weight",                      //
                                 "encoder.block.1.layer.1.DenseReluDense.wo.weight",                      //
                                 "encoder.final_layer_norm.weight",                                       //
                                 "decoder.block.0.layer.0.layer_norm.weight",                             //
                                 "decoder.block.0.layer.0.SelfAttention.q.weight",                        //
                                 "decoder.block.0.layer.0.SelfAttention.k.weight",                        //
                                 "decoder.block.0.layer.0.SelfAttention.v.weight",                        //
                                 "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",  //
                                 "decoder.block.0.layer.0.SelfAttention.o.weight",                        //
                                 "decoder.block.0.layer.1.layer_norm.weight",                             //
                                 "decoder.block.0.layer.1.EncDecAttention.q.weight",                      //
                                 "decoder.block.0.layer.1.EncDecAttention.k.weight",                      //
                                 "decoder.block.0.layer.1.EncDecAttention.v.weight",                      //
                                 "decoder.block.0.layer.1.EncDecAttention.o.weight",                      //
                                 "decoder.block.0.layer.2.layer_norm.weight",                             //
                                 "decoder.block.0.layer.2.DenseReluDense.wi.weight",                      //
                                 "decoder.block.0.layer.2.DenseReluDense.wo.weight",                      //
                                 "decoder.final_layer_norm.weight"));
}

TEST(Spec, ShapesOfV11WithHeadsThatDoNotFillTheModel) {
  const BackboneSpec spec = uneven(true);  // D 6, inner 8, F 10
  EXPECT_EQ(spec.parameter("lm_head.weight").shape, (Shape{32128, 6}));
  EXPECT_EQ(spec.parameter("encoder.block.1.layer.0.SelfAttention.q.weight").shape, (Shape{8, 6}));
  EXPECT_EQ(spec.parameter("encoder.block.1.layer.0.SelfAttention.o.weight").shape, (Shape{6, 8}));
  EXPECT_EQ(spec.parameter("decoder.block.0.layer.2.DenseReluDense.wi_1.weight").shape, (Shape{10, 6}));
  EXPECT_EQ(spec.parameter("decoder.block.0.layer.2.DenseReluDense.wo.weight").shape, (Shape{6, 10}));
  EXPECT_EQ(spec.parameter("decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight").shape,
            (Shape{32, 2}));
  EXPECT_EQ(spec.tensors().back().name, "lm_head.weight");
}

TEST(Spec, EveryLinearMapNamesATensorOfItsShape) {
  for (const bool v11 : {false, true}) {
    const BackboneSpec spec = uneven(v11);
    int index = 0;
    for (const LinearSite& site : spec.linears()) {
      EXPECT_EQ(site.index, index++);
      const Shape shape = spec.parameter(site.tensor_name()).shape;
      if (site.map == "embedding") {
        EXPECT_EQ(shape, (Shape{site.in, site.out}));
      } else {
        EXPECT_EQ(shape, (Shape{site.out, site.in})) << site.name();
      }
    }
    EXPECT_EQ(spec.lm_head().tensor_name(), v11 ? "lm_head.weight" : "shared.weight");
    EXPECT_EQ(spec.embedding().index, index - 1);
    EXPECT_EQ(spec.lm_head().index, index - 2);
  }
}

TEST(Spec, LinearMapsByNameKeepTheirIndex) {
  const BackboneSpec spec = uneven(true);
  std::vector<std::string> names;
  for (const LinearSite& site : spec.linears({"v", "wi_0"})) {
    names.push_back(site.name());
    EXPECT_EQ(spec.linears()[static_cast<std::size_t>(site.index)].name(), site.name());
  }
  EXPECT_THAT(names, ElementsAre("encoder.0.self.v", "encoder.0.ffn.wi_0", "encoder.1.self.v", "encoder.1.ffn.wi_0",
                                 "decoder.0.self.v", "decoder.0.cross.v", "decoder.0.ffn.wi_0"));
  EXPECT_THAT(spec.linear_names(), ElementsAre("q", "k", "v", "o", "wi_0", "wi_1", "wo"));
  EXPECT_THAT(uneven(false).linear_names(), ElementsAre("q", "k", "v", "o", "wi", "wo"));
  EXPECT_EQ(spec.linears({"lm_head"}).size(), 1u);
}

TEST(Spec, UnknownMapsAreRefusedWithTheNearestName) {
  EXPECT_THAT(refusal([] { uneven(true).linears({"wi"}); }), HasSubstr("wi_0 and wi_1"));
  EXPECT_THAT(refusal([] { uneven(false).linears({"wi_1"}); }), HasSubstr("not gated"));
  EXPECT_THAT(refusal([] { uneven(true).linears({"q", "lm_haed"}); }), HasSubstr("did you mean 'lm_head'"));
}

TEST(Spec, OtherSitesAreNumberedOverBothStacks) {
  const BackboneSpec spec = uneven(true);
  std::vector<std::string> names;
  const auto collect = [&](const auto& sites, int first = 0) {
    for (const auto& site : sites) {
      names.push_back(site.name());
      EXPECT_EQ(site.index, first++) << site.name();
    }
  };
  collect(spec.key_values());
  EXPECT_THAT(names, ElementsAre("encoder.0.self.kv", "encoder.1.self.kv", "decoder.0.self.kv", "decoder.0.cross.kv"));
  names.clear();
  collect(spec.sublayers());
  EXPECT_THAT(names, ElementsAre("encoder.0.self", "encoder.0.ffn", "encoder.1.self", "encoder.1.ffn", "decoder.0.self",
                                 "decoder.0.cross", "decoder.0.ffn"));
  names.clear();
  collect(spec.blocks(Stack::encoder));
  collect(spec.blocks(Stack::decoder), 3);
  EXPECT_THAT(names, ElementsAre("encoder.0.block", "encoder.1.block", "encoder.2.block", "decoder.0.block",
                                 "decoder.1.block"));
  EXPECT_EQ(spec.key_values(Stack::decoder, Sublayer::cross).at(0).index, 3);
  EXPECT_EQ(spec.key_values(Stack::decoder, Sublayer::cross).at(0).heads, 2);
  EXPECT_THAT(refusal([&] { spec.key_values(Stack::encoder, Sublayer::cross); }), HasSubstr("no keys and values"));
  EXPECT_EQ(spec.encoder_input().name(), "encoder.input");
  EXPECT_EQ(spec.decoder_input().name(), "decoder.input");
}

TEST(Spec, ParametersAreTheTensors) {
  const BackboneSpec spec = uneven(false);
  std::set<std::string> seen;
  int index = 0;
  for (const ParameterSite& site : spec.parameters()) {
    EXPECT_EQ(site.index, index++);
    EXPECT_TRUE(seen.insert(site.name()).second) << site.name();
    EXPECT_EQ(spec.parameter(site.name()).index, site.index);
  }
  EXPECT_EQ(seen.size(), spec.tensors().size());
  EXPECT_THAT(refusal([&] { spec.parameter("lm_head.weight"); }), HasSubstr("tied"));
  EXPECT_THAT(refusal([&] { spec.parameter("encoder.final_layernorm.weight"); }),
              HasSubstr("did you mean 'encoder.final_layer_norm.weight'?"));
}

}  // namespace
}  // namespace peftbench::spec_test
