#include "backbone/model_folder.h"
#include "support/layers.h"

#include "backbone/config_json.h"
#include "backbone/initial_weights.h"
#include "support/tiny_backbone.h"

#include <peftbench/error.h>

#include <gtest/gtest.h>

#include <cmath>

namespace peftbench::model_folder_test {

using namespace layers;

namespace {

struct Sizes {
  bool gated, tied;
  Activation activation;
};

void PrintTo(const Sizes& sizes, std::ostream* out) {
  *out << (sizes.gated ? "gated " : "") << (sizes.tied ? "tied " : "") << enum_name(sizes.activation);
}

class ConfigJson : public ::testing::TestWithParam<Sizes> {};

TEST_P(ConfigJson, GivesTheSameSizesBack) {
  BackboneSpec spec = support::tiny_spec({GetParam().gated, GetParam().tied});
  spec.activation = GetParam().activation;
  spec.relative_max_distance = 64;
  spec.norm_epsilon = 1e-5;
  const BackboneSpec read = parse_config(config_json(spec, Precision::bfloat16), "test");
  EXPECT_EQ(read.vocab_size, spec.vocab_size);
  EXPECT_EQ(read.d_model, spec.d_model);
  EXPECT_EQ(read.d_kv, spec.d_kv);
  EXPECT_EQ(read.num_heads, spec.num_heads);
  EXPECT_EQ(read.d_ff, spec.d_ff);
  EXPECT_EQ(read.encoder_layers, spec.encoder_layers);
  EXPECT_EQ(read.decoder_layers, spec.decoder_layers);
  EXPECT_EQ(read.gated, spec.gated);
  EXPECT_EQ(read.tied, spec.tied);
  EXPECT_EQ(read.scale_logits, spec.scale_logits);
  EXPECT_EQ(read.activation, spec.activation);
  EXPECT_EQ(read.relative_max_distance, spec.relative_max_distance);
  EXPECT_EQ(read.norm_epsilon, spec.norm_epsilon);
}

INSTANTIATE_TEST_SUITE_P(Shapes, ConfigJson,
                         ::testing::Values(Sizes{true, true, Activation::gelu_tanh},
                                           Sizes{true, false, Activation::gelu_tanh},
                                           Sizes{true, false, Activation::gelu}, Sizes{true, true, Activation::silu},
                                           Sizes{false, true, Activation::relu}, Sizes{false, true, Activation::gelu}));

TEST(InitialWeights, HaveT5sScales) {
  BackboneSpec spec = support::tiny_spec();
  spec.vocab_size = 500;
  spec.d_model = 64;
  spec.d_ff = 200;
  spec.d_kv = 16;
  const TensorMap weights = initial_weights(spec, 3);
  ASSERT_EQ(weights.size(), spec.tensors().size());
  const auto deviation = [&](const std::string& name) { return weights.at(name).std().item<double>(); };
  EXPECT_NEAR(deviation("shared.weight"), 1, 0.03);
  EXPECT_NEAR(deviation("lm_head.weight"), 1 / std::sqrt(64.0), 0.01);
  const std::string self = "encoder.block.0.layer.0.SelfAttention.";
  EXPECT_NEAR(deviation(self + "q.weight"), 1 / std::sqrt(64.0 * 16), 0.003);
  EXPECT_NEAR(deviation(self + "k.weight"), 1 / std::sqrt(64.0), 0.01);
  EXPECT_NEAR(deviation(self + "o.weight"), 1 / std::sqrt(48.0), 0.01);
  EXPECT_NEAR(deviation("encoder.block.0.layer.1.DenseReluDense.wi_0.weight"), 1 / std::sqrt(64.0), 0.01);
  EXPECT_NEAR(deviation("encoder.block.0.layer.1.DenseReluDense.wo.weight"), 1 / std::sqrt(200.0), 0.006);
  EXPECT_TRUE(weights.at("encoder.final_layer_norm.weight").eq(1).all().item<bool>());
  EXPECT_NEAR(weights.at("shared.weight").mean().item<double>(), 0, 0.03);
}

TEST(InitialWeights, FollowFromTheSeedAndTheName) {
  const BackboneSpec spec = support::tiny_spec();
  const TensorMap first = initial_weights(spec, 1), same = initial_weights(spec, 1), other = initial_weights(spec, 2);
  const std::string name = "decoder.block.0.layer.1.EncDecAttention.v.weight";
  EXPECT_TRUE(first.at(name).equal(same.at(name)));
  EXPECT_FALSE(first.at(name).equal(other.at(name)));
  EXPECT_FALSE(first.at(name).equal(first.at("decoder.block.0.layer.1.EncDecAttention.k.weight")));
}

TEST(ModelFolder, IsReadBackWithItsWeights) {
  const fs::path folder = fs::path(::testing::TempDir()) / "peftbench_model_folder";
  fs::remove_all(folder);
  fs::create_directories(folder);
  const fs::path vocabulary = folder / "some.model";
  write_atomically(vocabulary, "pieces");
  const BackboneSpec spec = support::tiny_spec({true, true});
  const TensorMap tensors = support::tiny_tensors(spec, 4);
  const auto write = [&](Precision precision) {
    const TensorMap stored = converted(tensors, precision);
    write_model_folder(folder / "model", {config_json(spec, precision), stored, vocabulary_files(vocabulary)});
  };
  write(Precision::float32);
  const auto backbone = Backbone::load(folder / "model");
  EXPECT_EQ(backbone->checksum(), Backbone::from_tensors(spec, tensors)->checksum());
  EXPECT_EQ(read_text(folder / "model" / "spiece.model"), "pieces");
  write(Precision::bfloat16);
  const auto narrow = Backbone::load(folder / "model");
  for (const ParameterSite& site : spec.parameters()) {
    const Tensor expected = tensors.at(site.tensor).to(at::kBFloat16).to(at::kFloat);
    EXPECT_TRUE(narrow->frozen(site.index).to(at::kFloat).equal(expected)) << site.tensor;
  }
  // What is wrong before the last file leaves no model.
  fs::remove_all(folder / "model");
  const ModelFiles files{config_json(spec, Precision::float32), tensors, {}};
  EXPECT_THROW(write_model_folder(folder / "model", files, [] { throw DataError("a file changed"); }), DataError);
  EXPECT_FALSE(fs::exists(folder / "model" / "config.json"));
}

}  // namespace
}  // namespace peftbench::model_folder_test
