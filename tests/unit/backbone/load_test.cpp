#include "backbone/load.h"
#include "support/layers.h"

#include "backbone/backbone.h"
#include "formats/safetensors.h"

#include "support/weights_fixture.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <limits>

namespace peftbench::load_test {

using namespace layers;

namespace {

using namespace testing_files;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* q = "encoder.block.0.layer.0.SelfAttention.q.weight";
constexpr const char* bias = "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";
constexpr const char* norm = "encoder.final_layer_norm.weight";

BackboneSpec tiny(bool tied) {
  BackboneSpec spec;
  spec.name = "tiny";
  spec.vocab_size = 11, spec.d_model = 4, spec.d_kv = 2, spec.num_heads = 3, spec.d_ff = 5;
  spec.encoder_layers = 2, spec.decoder_layers = 1;
  spec.gated = !tied, spec.tied = tied, spec.scale_logits = tied;
  spec.activation = tied ? Activation::relu : Activation::gelu_tanh;
  return spec;
}

void write_config(const fs::path& folder, bool tied) {
  nlohmann::json config = {{"model_type", "t5"}, {"vocab_size", 11},        {"d_model", 4},
                           {"d_kv", 2},          {"num_heads", 3},          {"d_ff", 5},
                           {"num_layers", 2},    {"num_decoder_layers", 1}, {"tie_word_embeddings", tied}};
  if (!tied) config["feed_forward_proj"] = "gated-gelu";
  write_bytes(folder / "config.json", config.dump());
}

// Two shards and their index, of either kind of file.
void write_shards(const fs::path& folder, const TensorMap& tensors, bool safe) {
  TensorMap parts[2];
  nlohmann::json map;
  const std::string stem = safe ? "model" : "pytorch_model", suffix = safe ? ".safetensors" : ".bin";
  std::size_t number = 0;
  for (const auto& [name, tensor] : tensors) {
    parts[number % 2][name] = tensor;
    map[name] = stem + std::to_string(number++ % 2) + suffix;
  }
  for (int part : {0, 1}) {
    const fs::path file = folder / (stem + std::to_string(part) + suffix);
    if (safe) {
      write_safetensors(file, parts[part]);
    } else {
      write_bytes(file, torch_file(parts[part]));
    }
  }
  write_bytes(folder / (stem + suffix + ".index.json"),
              nlohmann::json{{"metadata", {{"total_size", 1}}}, {"weight_map", map}}.dump());
}

std::string refusal_of(const BackboneSpec& spec, const TensorMap& tensors) {
  return refusal([&] { Backbone::from_tensors(spec, tensors); });
}

TEST(Load, EveryFormOfFolderGivesTheSameBackbone) {
  for (const bool tied : {true, false}) {
    const TensorMap tensors = random_weights(tiny(tied));
    const TempFolder folder;
    for (const char* form : {"safe", "bin", "safe-shards", "bin-shards"}) write_config(folder / form, tied);
    write_safetensors(folder / "safe/model.safetensors", tensors);
    write_bytes(folder / "bin/pytorch_model.bin", torch_file(tensors));
    write_shards(folder / "safe-shards", tensors, true);
    write_shards(folder / "bin-shards", tensors, false);
    const auto expected = Backbone::from_tensors(tiny(tied), tensors);
    for (const char* form : {"safe", "bin", "safe-shards", "bin-shards"}) {
      const auto backbone = Backbone::load(folder / form);
      EXPECT_EQ(backbone->checksum(), expected->checksum()) << form;
      EXPECT_EQ(backbone->spec().tied, tied);
      EXPECT_EQ(backbone->spec().name, form);
      EXPECT_EQ(backbone->bytes(), 4 * tiny(tied).parameter_count());
      const int index = backbone->spec().parameter(q).index;
      EXPECT_TRUE(at::equal(backbone->frozen(index), tensors.at(q)));
    }
  }
}

TEST(Load, SafetensorsArePreferred) {
  const TempFolder folder;
  const TensorMap tensors = random_weights(tiny(true));
  write_config(folder, true);
  write_bytes(folder / "pytorch_model.bin", "not looked at");
  write_safetensors(folder / "model.safetensors", tensors);
  EXPECT_EQ(Backbone::load(folder)->checksum(), Backbone::from_tensors(tiny(true), tensors)->checksum());
}

TEST(Load, ChecksumSeesEveryByte) {
  TensorMap tensors = random_weights(tiny(true));
  const auto checksum = [&] { return Backbone::from_tensors(tiny(true), tensors)->checksum(); };
  const std::string before = checksum();
  EXPECT_EQ(before.size(), 64u);
  EXPECT_EQ(checksum(), before);
  for (const auto& [name, tensor] : tensors) {
    float& last = tensor.mutable_data_ptr<float>()[tensor.numel() - 1];
    const float kept = std::exchange(last, last + 1);
    EXPECT_NE(checksum(), before) << name;
    last = kept;
  }
  EXPECT_EQ(checksum(), before);
}

TEST(Load, HeadIsTiedAsTheWeightsHaveIt) {
  const TempFolder folder;
  TensorMap tensors = random_weights(tiny(true));
  // config.json of either opinion; a head of its own, then one that equals the table.
  for (const bool suggested : {true, false}) {
    write_config(folder, suggested);
    const TensorMap all = random_weights(tiny(suggested));
    tensors = all;
    tensors["lm_head.weight"] = random_tensor({11, 4}, 3);
    write_safetensors(folder / "model.safetensors", tensors);
    EXPECT_FALSE(Backbone::load(folder)->spec().tied);
    EXPECT_FALSE(read_spec(folder).tied);
    tensors["lm_head.weight"] = tensors["shared.weight"];
    write_safetensors(folder / "model.safetensors", tensors);
    EXPECT_TRUE(Backbone::load(folder)->spec().tied);
    tensors.erase("lm_head.weight");
    write_safetensors(folder / "model.safetensors", tensors);
    EXPECT_TRUE(Backbone::load(folder)->spec().tied);
    EXPECT_EQ(Backbone::load(folder)->spec().scale_logits, suggested);
  }
}

TEST(Load, SecondCopiesAreDroppedAndMustAgree) {
  TensorMap tensors = random_weights(tiny(true));
  const std::string checksum = Backbone::from_tensors(tiny(true), tensors)->checksum();
  tensors["encoder.embed_tokens.weight"] = tensors["decoder.embed_tokens.weight"] = tensors["shared.weight"].clone();
  tensors["lm_head.weight"] = tensors["shared.weight"].clone();
  tensors["decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"] = at::zeros({32, 3});
  EXPECT_EQ(Backbone::from_tensors(tiny(true), tensors)->checksum(), checksum);
  tensors.erase("shared.weight");
  EXPECT_EQ(Backbone::from_tensors(tiny(true), tensors)->checksum(), checksum);
  tensors.erase("lm_head.weight");
  EXPECT_EQ(Backbone::from_tensors(tiny(true), tensors)->checksum(), checksum);
  TensorMap head_alone = random_weights(tiny(true));
  head_alone["lm_head.weight"] = head_alone.extract("shared.weight").mapped();
  EXPECT_EQ(Backbone::from_tensors(tiny(true), head_alone)->checksum(), checksum);
  tensors["decoder.embed_tokens.weight"] = at::zeros({11, 4});
  EXPECT_THAT(refusal_of(tiny(true), tensors), HasSubstr("decoder.embed_tokens.weight differs from shared.weight"));
}

TEST(Load, AllFaultsInOneMessage) {
  TensorMap tensors = random_weights(tiny(false));
  tensors.erase("lm_head.weight");
  tensors.erase(norm);
  tensors[q] = random_tensor({4, 6}, 1);
  tensors[bias] = at::zeros({32, 3}, at::kLong);
  tensors["decoder.final_layer_norm.weight"].mutable_data_ptr<float>()[1] = std::numeric_limits<float>::quiet_NaN();
  tensors["encoder.block.7.extra"] = at::zeros({2});
  EXPECT_THAT(refusal_of(tiny(false), tensors),
              AllOf(HasSubstr("'tiny' does not match"), HasSubstr("2 tensors are missing:"),
                    HasSubstr("lm_head.weight [11, 4]"), HasSubstr(std::string(norm) + " [4]"),
                    HasSubstr("2 tensors are wrong:"), HasSubstr(std::string(q) + " is [4, 6], not [6, 4]"),
                    HasSubstr(std::string(bias) + " is of type Long"), HasSubstr("1 tensor is not finite:"),
                    HasSubstr("decoder.final_layer_norm.weight"), HasSubstr("1 tensor is unexpected:"),
                    HasSubstr("encoder.block.7.extra [2]")));
}

// S1
TEST(Load, InfinityIsCalledWhatItIs) {
  TensorMap tensors = random_weights(tiny(false));
  tensors["decoder.final_layer_norm.weight"].mutable_data_ptr<float>()[1] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(refusal_of(tiny(false), tensors),
              AllOf(HasSubstr("'tiny' holds numbers that are not finite"),
                    HasSubstr("inf or NaN in decoder.final_layer_norm.weight"), HasSubstr("download the model again")));
}

TEST(Load, LongListsAreCutWithTheirCount) {
  const std::string message = refusal_of(tiny(true), {{norm, random_weights(tiny(true)).at(norm)}});
  EXPECT_THAT(message, AllOf(HasSubstr("33 tensors are missing"), HasSubstr("… and 13 more"),
                             Not(HasSubstr("decoder.final_layer_norm"))));
}

TEST(Load, PrecisionOfTheWeights) {
  TensorMap tensors = random_weights(tiny(false));
  const auto wide = Backbone::from_tensors(tiny(false), tensors);
  EXPECT_EQ(wide->frozen(0).const_data_ptr(), tensors.at("shared.weight").const_data_ptr());  // shared, not copied
  const auto narrow = Backbone::from_tensors(tiny(false), tensors, {Precision::bfloat16});
  for (const ParameterSite& site : tiny(false).parameters()) {
    const bool small = site.shape.size() == 1 || site.tensor.ends_with("relative_attention_bias.weight");
    EXPECT_EQ(narrow->frozen(site.index).scalar_type(), small ? at::kFloat : at::kBFloat16) << site.tensor;
    EXPECT_EQ(wide->frozen(site.index).scalar_type(), at::kFloat);
  }
  EXPECT_EQ(narrow->precision(), Precision::bfloat16);
  EXPECT_LT(narrow->bytes(), wide->bytes());
  for (auto& [name, tensor] : tensors) tensor = tensor.to(at::kHalf).requires_grad_(true);
  const auto halves = Backbone::from_tensors(tiny(false), tensors);
  EXPECT_EQ(halves->frozen(0).scalar_type(), at::kFloat);
  EXPECT_FALSE(halves->frozen(0).requires_grad());
}

TEST(Load, EmbeddingRows) {
  const TensorMap tensors = random_weights(tiny(false));
  const auto backbone = Backbone::from_tensors(tiny(false), tensors, {Precision::bfloat16});
  const Tensor rows = backbone->embedding_rows({10, 0});
  EXPECT_EQ(rows.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(rows[0], tensors.at("shared.weight")[10].to(at::kBFloat16).to(at::kFloat)));
  EXPECT_THAT(refusal([&] { backbone->embedding_rows({11}); }), HasSubstr("token 11"));
}

TEST(Load, FoldersWithoutWhatIsNeeded) {
  const TempFolder folder;
  const auto message = [&] { return refusal([&] { Backbone::load(folder); }); };
  EXPECT_THAT(message(), HasSubstr("no config.json"));
  write_config(folder, true);
  EXPECT_THAT(message(), AllOf(HasSubstr("no weights"), HasSubstr("model.safetensors or")));
  write_bytes(folder / "tf_model.h5", "");
  EXPECT_THAT(message(), HasSubstr("tf_model.h5, which are not supported"));
  EXPECT_EQ(read_spec(folder).parameter_count(), tiny(true).parameter_count());
}

TEST(Load, IndexesThatDoNotHold) {
  const TempFolder folder;
  const auto message = [&](const std::string& index) {
    write_bytes(folder / "model.safetensors.index.json", index);
    return refusal([&] { read_weights(folder); });
  };
  EXPECT_THAT(message("{"), HasSubstr("model.safetensors.index.json is not JSON"));
  EXPECT_THAT(message("[]"), HasSubstr("no weight_map"));
  EXPECT_THAT(message(R"({"weight_map":{"a":3}})"), HasSubstr("'a' in 3"));
  EXPECT_THAT(message(R"({"weight_map":{"a":"../a.safetensors"}})"), HasSubstr("../a.safetensors"));
  EXPECT_THAT(message(R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})"),
              AllOf(HasSubstr("2 of 2"), HasSubstr("1.safetensors, 2.safetensors")));
  write_safetensors(folder / "1.safetensors", {{"a", at::zeros({1})}});
  EXPECT_THAT(message(R"({"weight_map":{"a":"1.safetensors","b":"1.safetensors"}})"),
              HasSubstr("does not contain 'b'"));
}

}  // namespace
}  // namespace peftbench::load_test
