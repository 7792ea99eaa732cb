#include "backbone/catalogue.h"
#include "backbone/config_json.h"
#include "support/layers.h"

#include "support/weights_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::config_test {

using namespace layers;

namespace {

using namespace testing_files;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string config(const std::string& more, const std::string& type = "t5") {
  return R"({"model_type":")" + type +
         R"(","vocab_size":32128,"d_model":512,"d_kv":64,"d_ff":1024,"num_layers":8,"num_heads":6)" + more + "}";
}
BackboneSpec parse(const std::string& more, const std::string& type = "t5") {
  return parse_config(config(more, type), "config.json");
}
std::string refusal_of(const std::string& json) {
  return refusal([&] { parse_config(json, "x/config.json"); });
}

TEST(ConfigJson, OldestFormIsV10) {
  const BackboneSpec spec = parse("");
  EXPECT_EQ(spec.vocab_size, 32128);
  EXPECT_EQ(spec.inner(), 384);
  EXPECT_EQ(spec.encoder_layers, 8);
  EXPECT_EQ(spec.decoder_layers, 8);
  EXPECT_EQ(spec.relative_max_distance, 128);
  EXPECT_FALSE(spec.gated);
  EXPECT_TRUE(spec.tied);
  EXPECT_TRUE(spec.scale_logits);
  EXPECT_EQ(spec.activation, Activation::relu);
  EXPECT_EQ(spec.eos_id, 1);
}

TEST(ConfigJson, EveryKeyIsRead) {
  const BackboneSpec spec = parse(
      R"(,"num_decoder_layers":2,"relative_attention_num_buckets":16,"relative_attention_max_distance":64,)"
      R"("layer_norm_epsilon":1e-5,"dropout_rate":0.0,"pad_token_id":3,"eos_token_id":[4,4],"decoder_start_token_id":6,)"
      R"("unknown_key":{"is":"ignored"},"num_labels":null)");
  EXPECT_EQ(spec.decoder_layers, 2);
  EXPECT_EQ(spec.relative_buckets, 16);
  EXPECT_EQ(spec.relative_max_distance, 64);
  EXPECT_EQ(spec.norm_epsilon, 1e-5);
  EXPECT_EQ(spec.dropout_rate, 0.0);
  EXPECT_EQ(spec.pad_id, 3);
  EXPECT_EQ(spec.eos_id, 4);
  EXPECT_EQ(spec.decoder_start_id, 6);
}

// S13
TEST(ConfigJson, TheGenerationConfigDecidesWhereDecodingBeginsAndEnds) {
  const auto with = [](const std::string& generation, const std::string& more = "") {
    return parse_config(config(more), "x/config.json", generation);
  };
  EXPECT_EQ(with(R"({"decoder_start_token_id":7,"eos_token_id":1})").decoder_start_id, 7);
  EXPECT_EQ(with(R"({"bos_token_id":8})").decoder_start_id, 8);
  EXPECT_EQ(with(R"({"bos_token_id":8})", R"(,"decoder_start_token_id":3)").decoder_start_id, 3);
  EXPECT_EQ(with("{}", R"(,"pad_token_id":5)").decoder_start_id, 5);
  EXPECT_EQ(with(R"({"eos_token_id":9})").eos_id, 9);
  EXPECT_EQ(with(R"({"eos_token_id":[9]})", R"(,"eos_token_id":[4,5])").eos_id, 9);
  EXPECT_EQ(with(R"({"eos_token_id":null})", R"(,"eos_token_id":4)").eos_id, 4);
  const auto refusal_with = [&](const std::string& generation, const std::string& more = "") {
    return refusal([&] { with(generation, more); });
  };
  EXPECT_THAT(refusal_with(R"({"eos_token_id":[1,7]})"),
              HasSubstr("generation_config.json: eos_token_id is [1,7]; it must be one id"));
  EXPECT_THAT(refusal_with("{}", R"(,"eos_token_id":[1,7])"), HasSubstr("eos_token_id is [1,7]; it must be one id"));
  EXPECT_THAT(refusal_with(R"({"decoder_start_token_id":0})", R"(,"decoder_start_token_id":3)"),
              AllOf(HasSubstr("generation_config.json: decoder_start_token_id is 0"), HasSubstr("config.json, 3")));
  EXPECT_THAT(refusal_with("[1]"), HasSubstr("x/generation_config.json is not a model configuration"));
  EXPECT_THAT(refusal_with(R"({"eos_token_id":999999})"), HasSubstr("eos_token_id is 999999"));
}

TEST(ConfigJson, FeedForwardForms) {
  const auto form = [](const std::string& keys) {
    const BackboneSpec spec = parse("," + keys);
    return (spec.gated ? "gated " : "") + std::string(enum_name(spec.activation));
  };
  EXPECT_EQ(form(R"("feed_forward_proj":"relu")"), "relu");
  EXPECT_EQ(form(R"("feed_forward_proj":"gated-gelu")"), "gated gelu_tanh");
  EXPECT_EQ(form(R"("feed_forward_proj":"gated-silu")"), "gated silu");
  EXPECT_EQ(form(R"("feed_forward_proj":"gelu")"), "gelu");
  EXPECT_EQ(form(R"("dense_act_fn":"gelu_new","feed_forward_proj":"gated-gelu","is_gated_act":true)"),
            "gated gelu_tanh");
  EXPECT_EQ(form(R"("feed_forward_proj":"gated-gelu","dense_act_fn":"gelu")"), "gated gelu");
  EXPECT_EQ(form(R"("dense_act_fn":"relu","is_gated_act":false)"), "relu");
}

TEST(ConfigJson, HeadAsTransformersWritesIt) {
  const auto head = [](const std::string& keys, const std::string& type = "t5") {
    const BackboneSpec spec = parse(keys, type);
    return std::string(spec.tied ? "tied" : "own") + (spec.scale_logits ? " scaled" : "");
  };
  EXPECT_EQ(head(""), "tied scaled");
  EXPECT_EQ(head(R"(,"tie_word_embeddings":true)"), "tied scaled");
  EXPECT_EQ(head(R"(,"tie_word_embeddings":false)"), "own");                               // v1.1 before transformers 5
  EXPECT_EQ(head(R"(,"tie_word_embeddings":true,"scale_decoder_outputs":false)"), "own");  // v1.1 since
  EXPECT_EQ(head(R"(,"tie_word_embeddings":true,"scale_decoder_outputs":true)"), "tied scaled");
  EXPECT_EQ(head(R"(,"tie_word_embeddings":false,"scale_decoder_outputs":true)"), "own scaled");
  EXPECT_EQ(head(R"(,"tie_word_embeddings":false,"feed_forward_proj":"gated-gelu")", "mt5"), "own");
  EXPECT_TRUE(parse("", "mt5").gated);
}

TEST(ConfigJson, AllFaultsInOneMessage) {
  const std::string message =
      refusal_of(R"({"model_type":"t5","vocab_size":"many","d_model":0,"d_kv":64.5,"num_layers":2,)"
                 R"("num_heads":[1],"feed_forward_proj":"tanh","is_gated_act":1,"dropout_rate":1.5})");
  EXPECT_THAT(message, AllOf(HasSubstr("x/config.json"), HasSubstr("vocab_size is \"many\""), HasSubstr("d_model is 0"),
                             HasSubstr("d_kv is 64.5"), AllOf(HasSubstr("missing"), HasSubstr("d_ff")),
                             HasSubstr("num_heads is [1]")));
  EXPECT_THAT(message, AllOf(HasSubstr("feed_forward_proj is \"tanh\""), HasSubstr("is_gated_act is 1"),
                             HasSubstr("dropout_rate is 1.5"), Not(HasSubstr("num_layers")), HasSubstr("8 invalid keys")));
}

TEST(ConfigJson, ImplausibleSizesAreRefused) {
  EXPECT_THAT(refusal_of(config(R"(,"num_decoder_layers":1000000)")), HasSubstr("layers of the decoder is 1000000"));
  EXPECT_THAT(refusal_of(config(R"(,"eos_token_id":32128)")), HasSubstr("eos_token_id is 32128"));
  EXPECT_THAT(refusal_of(config(R"(,"relative_attention_max_distance":16)")),
              HasSubstr("relative_attention_max_distance"));
  EXPECT_THAT(refusal_of(config(R"(,"relative_attention_num_buckets":31)")), HasSubstr("even"));
  EXPECT_THAT(refusal_of(config(R"(,"pad_token_id":1e300)")), HasSubstr("a token id"));
}

TEST(ConfigJson, OtherFamiliesAndOtherFiles) {
  EXPECT_THAT(refusal_of(config("", "umt5")), HasSubstr("relative bias in every layer"));
  EXPECT_THAT(refusal_of(config("", "bert")), HasSubstr("model_type 'bert'"));
  EXPECT_THAT(refusal_of("{}"), HasSubstr("no model_type"));
  EXPECT_THAT(refusal_of("[]"), HasSubstr("not an object"));
  EXPECT_THAT(refusal_of("{\"model_type\": \"t5\","), AllOf(HasSubstr("is not JSON"), HasSubstr("line 1")));
  EXPECT_THAT(refusal([] { read_config("/nonexistent/t5"); }), HasSubstr("hf download"));
}

TEST(ConfigJson, NameIsTheFoldersOrTheHubs) {
  const TempFolder folder;
  for (const char* path : {"my-t5", "models--google--t5-x/snapshots/0123"})
    write_bytes(folder / path / "config.json", config(""));
  EXPECT_EQ(read_config(folder / "my-t5").name, "my-t5");
  EXPECT_EQ(read_config(folder / "my-t5/").name, "my-t5");
  EXPECT_EQ(read_config(folder / "models--google--t5-x/snapshots/0123").name, "google/t5-x");
}

constexpr const char* yaml = R"(summary: a test
source: this file
hub: org/tiny
aliases: [org/other]
vocab_size: 11
d_model: 4
d_kv: 2
num_heads: 3
d_ff: 5
encoder_layers: 2
decoder_layers: 1
activation: gelu_tanh
gated: true
tied: false
scale_logits: false
)";

std::string catalogue_refusal(std::string text, const std::string& line, const std::string& replacement) {
  text.replace(text.find(line), line.size(), replacement);
  const TempFolder folder;
  write_bytes(folder / "tiny.yaml", text);
  return refusal([&] { read_catalogue(folder); });
}

TEST(Catalogue, SizesFromYaml) {
  const TempFolder folder;
  write_bytes(folder / "tiny.yaml", yaml);
  const CatalogueEntry entry = read_catalogue(folder).at(0);
  EXPECT_EQ(entry.name, "tiny");
  EXPECT_EQ(entry.hub, "org/tiny");
  EXPECT_THAT(entry.aliases, testing::ElementsAre("org/other"));
  EXPECT_TRUE(entry.spec.gated);
  EXPECT_EQ(entry.spec.activation, Activation::gelu_tanh);
  EXPECT_EQ(entry.spec.inner(), 6);
  EXPECT_EQ(entry.spec.decoder_layers, 1);
}

TEST(Catalogue, FaultsNameLineAndKey) {
  EXPECT_THAT(catalogue_refusal(yaml, "d_model: 4", "d_modle: 4"),
              AllOf(HasSubstr("tiny.yaml:6: unknown key 'd_modle'"), HasSubstr("did you mean 'd_model'")));
  EXPECT_THAT(catalogue_refusal(yaml, "d_model: 4", "d_model: four"),
              AllOf(HasSubstr("tiny.yaml:6"), HasSubstr("a whole number")));
  EXPECT_THAT(catalogue_refusal(yaml, "gated: true", "gated: 7"), HasSubstr("true or false"));
  EXPECT_THAT(catalogue_refusal(yaml, "gelu_tanh", "gelu_new"), HasSubstr("relu, gelu_tanh, gelu, silu"));
  EXPECT_THAT(catalogue_refusal(yaml, "d_ff: 5", "d_kv: 5"),
              AllOf(HasSubstr("tiny.yaml:9"), HasSubstr("duplicate key")));
  EXPECT_THAT(catalogue_refusal(yaml, "d_ff: 5\n", ""), AllOf(HasSubstr("missing"), HasSubstr("d_ff")));
  EXPECT_THAT(catalogue_refusal(yaml, "d_ff: 5", "d_ff: -5"),
              AllOf(HasSubstr("tiny.yaml:9"), HasSubstr("'d_ff'"), HasSubstr("-5")));
  EXPECT_THAT(catalogue_refusal(yaml, "[org/other]", "[org/tiny]"), HasSubstr("'org/tiny'"));
  EXPECT_THAT(catalogue_refusal(yaml, "[org/other]", "[org/other"), HasSubstr("not YAML"));
}

TEST(Catalogue, PublishedSizesHaveTheirPublishedTotals) {
  std::map<std::string, int64_t> totals;
  for (const CatalogueEntry& entry : read_catalogue(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "configs" / "backbones")) {
    totals[entry.name] = entry.spec.parameter_count();
  }
  const std::map<std::string, int64_t> published = {{"t5-small", 60'506'624},      {"t5-base", 222'903'552},
                                                    {"t5-large", 737'668'096},     {"t5-3b", 2'851'598'336},
                                                    {"t5-11b", 11'307'321'344},    {"t5-v1_1-small", 76'961'152},
                                                    {"t5-v1_1-base", 247'577'856}, {"t5-v1_1-large", 783'150'080},
                                                    {"t5-v1_1-xl", 2'849'757'184}, {"t5-v1_1-xxl", 11'135'332'352}};
  EXPECT_EQ(totals, published);
}

}  // namespace
}  // namespace peftbench::config_test
