#include "architectures/architecture.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::architecture_test {

using namespace layers;

namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Architecture, OfT5NamesEveryKindOfTensor) {
  const Architecture& t5 = architecture_named("t5");
  const auto name = [&](const TensorRole& role) { return tensor_name(t5, role); };
  EXPECT_EQ(name({TensorKind::embedding}), "shared.weight");
  EXPECT_EQ(name({TensorKind::lm_head}), "lm_head.weight");
  EXPECT_EQ(name({TensorKind::final_norm, Stack::decoder}), "decoder.final_layer_norm.weight");
  EXPECT_EQ(name({TensorKind::norm, Stack::decoder, 11, Sublayer::ffn}), "decoder.block.11.layer.2.layer_norm.weight");
  EXPECT_EQ(name({TensorKind::norm, Stack::encoder, 11, Sublayer::ffn}), "encoder.block.11.layer.1.layer_norm.weight");
  EXPECT_EQ(name({TensorKind::linear, Stack::decoder, 3, Sublayer::cross, "k"}),
            "decoder.block.3.layer.1.EncDecAttention.k.weight");
  EXPECT_EQ(name({TensorKind::position_bias, Stack::encoder, 0}),
            "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
}

TEST(Architecture, AFilesOwnNamesOfMapsAreFilledIn) {
  Architecture other = architecture_named("t5");
  other.names.linear = "{stack}.layers.{layer}.{module}.{map}.weight";
  other.names.self = "self_attn";
  other.names.maps = {{"o", "out_proj"}};
  EXPECT_EQ(tensor_name(other, {TensorKind::linear, Stack::encoder, 2, Sublayer::self, "o"}),
            "encoder.layers.2.self_attn.out_proj.weight");
  EXPECT_EQ(tensor_name(other, {TensorKind::linear, Stack::encoder, 2, Sublayer::self, "q"}),
            "encoder.layers.2.self_attn.q.weight");
}

TEST(Architecture, IsFoundByModelTypeOrRefusedByName) {
  for (const char* type : {"t5", "mt5"}) EXPECT_EQ(architecture_of(type), &architecture_named("t5"));
  EXPECT_EQ(architecture_of("bart"), nullptr);
  EXPECT_THAT([] { (void)architecture_named("t6"); }, ThrowsMessage<ConfigError>(HasSubstr("did you mean 't5'")));
}

}  // namespace
}  // namespace peftbench::architecture_test
