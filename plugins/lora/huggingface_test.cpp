#include "huggingface.h"
#include "support/layers.h"

#include "targets.h"

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

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const BackboneSpec backbone = support::tiny_spec();
const lora::HuggingFaceLora format;
using Numbers = ForeignNumbers;

Values values(const GivenValues& given) {
  MethodRegistrar registrar;
  peftbench_plugin.register_method(registrar);
  return parse_values("lora", registrar.schema(), given);
}

std::map<std::string, Tensor> random_factors(const Values& of) {
  std::map<std::string, Tensor> stored;
  for (const lora::Target& target : lora::targets(of, backbone)) {
    stored[target.site.name() + ".A"] = at::randn({target.rank, target.site.in_features()});
    stored[target.site.name() + ".B"] = at::randn({target.site.out_features(), target.rank});
  }
  return stored;
}

// What peft would save of an adapter on these modules.
ForeignAdapter peft(const std::map<std::string, int64_t>& rank_by_module, const Names& target_modules) {
  ForeignAdapter adapter;
  adapter.config = {{"peft_type", "LORA"},
                    {"r", int64_t{4}},
                    {"lora_alpha", int64_t{12}},
                    {"target_modules", target_modules},
                    {"lora_bias", false},
                    {"bias", "none"},
                    {"modules_to_save", std::monostate()},
                    {"loftq_config", Numbers{}},
                    {"init_lora_weights", true}};
  for (const LinearSite& site : backbone.linears()) {
    const auto rank = rank_by_module.find(lora::module_of(site));
    if (rank == rank_by_module.end()) continue;
    const std::string module = "base_model.model." + rank->first;
    adapter.tensors[module + ".lora_A.weight"] = at::randn({rank->second, site.in_features()});
    adapter.tensors[module + ".lora_B.weight"] = at::randn({site.out_features(), rank->second});
  }
  return adapter;
}

ForeignAdapter peft_on(const Names& maps) {
  std::map<std::string, int64_t> modules;
  for (const LinearSite& site : backbone.linears(maps)) modules[lora::module_of(site)] = 4;
  return peft(modules, maps);
}

std::string refusal(const ForeignAdapter& adapter) {
  try {
    format.read(adapter, backbone);
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return "accepted";
}

std::vector<std::tuple<std::string, int64_t, double>> shape(const Values& of) {
  std::vector<std::tuple<std::string, int64_t, double>> result;
  for (const lora::Target& target : lora::targets(of, backbone)) {
    result.emplace_back(target.site.name(), target.rank, target.scale);
  }
  return result;
}

TEST(LoraHuggingFace, WritesPeftsNamesAndReadsThemBack) {
  const GivenValues cases[] = {
      {},
      {{"rank", "3"}, {"alpha", "2.5"}, {"rslora", "true"}, {"dropout", "0.25"}, {"targets", "all-linear"}},
      {{"targets", "decoder.*self.(q|v),lm_head"}},
      // Sorted, as peft saves them, `decoder.*q` would come before `q`, and both after `.*cross.q`.
      {{"rank_pattern", "q=2,decoder.*q=3,v=6"}, {"alpha_pattern", "cross.q=7,q=5"}},
  };
  for (const GivenValues& given : cases) {
    const Values of = values(given);
    const auto stored = random_factors(of);
    const ForeignAdapter written = format.write(of, backbone, stored);
    ASSERT_TRUE(format.recognises(written));
    EXPECT_EQ(written.tensors.size(), stored.size());
    const ImportedAdapter imported = format.read(written, backbone);
    EXPECT_EQ(shape(imported.values), shape(of));
    EXPECT_EQ(imported.values.real("dropout"), of.real("dropout"));
    ASSERT_EQ(imported.tensors.size(), stored.size());
    for (const auto& [name, tensor] : stored) EXPECT_TRUE(at::equal(imported.tensors.at(name), tensor)) << name;
  }
  const Values of = values({});
  const ForeignAdapter written = format.write(of, backbone, random_factors(of));
  EXPECT_THAT(written.names("target_modules"), ElementsAre("q", "v"));
  EXPECT_EQ(written.integer("lora_alpha", 0), 16);  // a whole number where it is one
  EXPECT_TRUE(written.tensors.contains("base_model.model.decoder.block.1.layer.1.EncDecAttention.v.lora_A.weight"));
}

TEST(LoraHuggingFace, PeftsOwnWordsAreKeptWhereTheyMeanTheSame) {
  ForeignAdapter adapter = peft_on({"q", "v"});
  ImportedAdapter imported = format.read(adapter, backbone);
  EXPECT_THAT(imported.values.names("targets"), ElementsAre("q", "v"));
  EXPECT_THAT(imported.values.names("rank_pattern"), IsEmpty());
  EXPECT_EQ(imported.values.integer("rank"), 4);
  EXPECT_DOUBLE_EQ(lora::targets(imported.values, backbone)[0].scale, 3);
  adapter.config["alpha_pattern"] = Numbers{{"SelfAttention.q", 2}, {"nothing", 3}};  // peft warns of the second
  imported = format.read(adapter, backbone);
  for (const lora::Target& target : lora::targets(imported.values, backbone)) {
    const bool own = target.site.sublayer == Sublayer::self && target.site.map == "q";
    EXPECT_DOUBLE_EQ(target.alpha, own ? 2 : 12) << target.site.name();
  }
}

// Expressions and patterns: what was trained is what the file has.
TEST(LoraHuggingFace, TheTensorsSayWhatIsATarget) {
  const std::string q = "encoder.block.1.layer.0.SelfAttention.q", v = "decoder.block.0.layer.1.EncDecAttention.v";
  ForeignAdapter adapter = peft({{q, 4}, {v, 2}}, {});
  adapter.config["target_modules"] = "encoder.block.1.*Self\\w+.q|decoder.block.0.*EncDec\\w+\\.v";
  adapter.config["rank_pattern"] = Numbers{{"EncDecAttention.v", 2}};
  adapter.config["use_rslora"] = true;
  const ImportedAdapter imported = format.read(adapter, backbone);
  EXPECT_THAT(imported.notes, IsEmpty());
  EXPECT_THAT(shape(imported.values), ElementsAre(std::tuple("encoder.1.self.q", 4, 12 / 2.0),
                                                  std::tuple("decoder.0.cross.v", 2, 12 / std::sqrt(2.0))));
  EXPECT_TRUE(at::equal(imported.tensors.at("decoder.0.cross.v.B"),
                        adapter.tensors.at("base_model.model." + v + ".lora_B.weight")));
}

// S9: the scale is alpha / r, so a rank that the config does not have would be a guess.
TEST(LoraHuggingFace, RanksThatContradictTheConfigAreRefused) {
  ForeignAdapter adapter = peft_on({"q"});
  for (const int64_t r : {8, 2}) {
    adapter.config["r"] = r;
    EXPECT_THAT(refusal(adapter), AllOf(HasSubstr("has 4, not " + std::to_string(r)), HasSubstr("more maps")));
  }
  adapter.config.erase("r");  // peft's default is 8
  EXPECT_THAT(refusal(adapter), HasSubstr("has 4, not 8"));
  adapter.config["rank_pattern"] = Numbers{{"q", 4}};
  EXPECT_EQ(refusal(adapter), "accepted");
  // Sorted when it was saved, so that another pattern is the first that fits.
  adapter.config["rank_pattern"] = Numbers{{"encoder.*q", 6}, {"q", 4}};
  EXPECT_EQ(refusal(adapter), "accepted");
  adapter.config["rank_pattern"] = Numbers{{"encoder.*q", 6}, {"decoder.*q", 4}};
  EXPECT_THAT(refusal(adapter), HasSubstr("has 4, not 6"));
}

// S10
TEST(LoraHuggingFace, TheFirstPatternOfTheFileCounts) {
  for (const auto& [first, second, encoder, decoder] :
       {std::tuple{"q", "encoder.*q", 3.0, 3.0}, std::tuple{"encoder.*q", "q", 16.0, 3.0}}) {
    ForeignAdapter adapter = peft_on({"q"});
    const auto value = [&](const std::string& key) { return key == "q" ? 3.0 : 16.0; };
    adapter.config["alpha_pattern"] = Numbers{{first, value(first)}, {second, value(second)}};
    for (const lora::Target& target : lora::targets(format.read(adapter, backbone).values, backbone))
      EXPECT_EQ(target.alpha, target.site.stack == Stack::encoder ? encoder : decoder) << target.site.name();
  }
}

// S11
TEST(LoraHuggingFace, PatternsHavePythonsMeaning) {
  ForeignAdapter adapter = peft_on({"q"});
  adapter.config["alpha_pattern"] = Numbers{{"\\Aencoder.*q", 16}};
  for (const lora::Target& target : lora::targets(format.read(adapter, backbone).values, backbone))
    EXPECT_EQ(target.alpha, target.site.stack == Stack::encoder ? 16 : 12) << target.site.name();
  for (const char* pattern : {"encoder.*+q", "(?!decoder).*q", "(e)ncod\\1r.*q"}) {
    adapter.config["alpha_pattern"] = Numbers{{pattern, 16}};
    EXPECT_THROW(format.read(adapter, backbone), ConfigError) << pattern;
    EXPECT_THROW(lora::targets(values({{"targets", pattern}}), backbone), ConfigError) << pattern;
  }
}

// S12
TEST(LoraHuggingFace, MapsThatTheFileLacksAreNotedUnlessTheConfigSaysWhy) {
  std::map<std::string, int64_t> first_block;
  for (const LinearSite& site : backbone.linears({"q"}))
    if (site.layer == 0) first_block[lora::module_of(site)] = 4;
  ForeignAdapter adapter = peft(first_block, {"q"});
  ASSERT_EQ(format.read(adapter, backbone).notes.size(), 1u);
  EXPECT_THAT(format.read(adapter, backbone).notes[0],
              AllOf(HasSubstr("no matrices for 4 of the 7 maps"), HasSubstr("block.1")));
  adapter.config["layers_to_transform"] = std::vector<int64_t>{0};
  EXPECT_THAT(format.read(adapter, backbone).notes, IsEmpty());
  adapter.config.erase("layers_to_transform");
  adapter.config["exclude_modules"] = ".*block\\.[12]\\..*";
  EXPECT_THAT(format.read(adapter, backbone).notes, IsEmpty());
  adapter.config["target_modules"] = Names{"v"};  // peft would leave out what the file has
  EXPECT_THAT(refusal(adapter), HasSubstr("3 of 3 maps"));
  adapter.config["target_modules"] = "(?!x).*q";
  EXPECT_THAT(format.read(adapter, backbone).notes[0], HasSubstr("cannot check whether maps are missing"));
}

TEST(LoraHuggingFace, VariantsWithoutACounterpartAreRefusedByName) {
  const std::pair<const char*, ForeignValue> variants[] = {
      {"use_dora", true},
      {"use_qalora", true},
      {"lora_bias", true},
      {"bias", std::string("lora_only")},
      {"modules_to_save", Names{"lm_head"}},
      {"target_parameters", Names{"shared"}},
      {"init_lora_weights", std::string("pissa_niter_16")},
      {"init_lora_weights", std::string("olora")},
      {"init_lora_weights", std::string("OLoRA")},  // S8
      {"init_lora_weights", std::string("PiSSA")},
      {"init_lora_weights", std::string("no_such")},
      {"trainable_token_indices", std::vector<int64_t>{3}},
      {"layer_replication", std::string("[[0,2]]")},
  };
  for (const auto& [key, value] : variants) {
    ForeignAdapter adapter = peft_on({"q", "v"});
    EXPECT_EQ(refusal(adapter), "accepted");
    adapter.config[key] = value;
    EXPECT_THAT(refusal(adapter), HasSubstr(key));
  }
  ForeignAdapter gaussian = peft_on({"q"});
  for (const char* word : {"gaussian", "Gaussian", "eva"}) {
    gaussian.config["init_lora_weights"] = std::string(word);
    EXPECT_EQ(refusal(gaussian), "accepted");
  }
  EXPECT_FALSE(format.recognises({{{"peft_type", "IA3"}}, {}}));
  EXPECT_FALSE(format.recognises({{}, {{"", at::randn({2, 2})}}}));
}

TEST(LoraHuggingFace, TensorsWithoutAPlaceAreRefused) {
  ForeignAdapter adapter = peft_on({"q"});
  adapter.tensors["base_model.model.encoder.block.0.layer.0.SelfAttention.q.lora_magnitude_vector"] = at::randn({12});
  EXPECT_THAT(refusal(adapter), HasSubstr("lora_magnitude_vector"));
  adapter = peft_on({"q"});
  adapter.tensors["base_model.model.encoder.block.7.layer.0.SelfAttention.q.lora_A.weight"] = at::randn({4, 20});
  EXPECT_THAT(refusal(adapter), HasSubstr("block.7"));
  adapter = peft_on({"q"});
  adapter.tensors.erase("base_model.model.encoder.block.0.layer.0.SelfAttention.q.lora_B.weight");
  EXPECT_THAT(refusal(adapter), HasSubstr("one of them is missing"));
  adapter = peft_on({"q"});
  adapter.tensors["base_model.model.encoder.block.0.layer.0.SelfAttention.q.lora_A.weight"] = at::randn({4, 24});
  EXPECT_THAT(refusal(adapter), HasSubstr("[rank, 20]"));
  adapter = peft_on({"q"});
  adapter.tensors.clear();
  EXPECT_THAT(refusal(adapter), HasSubstr("no LoRA matrices"));
  adapter = peft_on({"q", "lm_head"});  // peft stores the head beside its update
  const Tensor head = at::randn({40, 20});
  adapter.tensors["base_model.model.lm_head.base_layer.weight"] = head;
  EXPECT_TRUE(at::equal(format.read(adapter, backbone).frozen.at("lm_head.weight"), head));
}

// Each is called what it is.
TEST(LoraHuggingFace, TensorsThatWereSavedOtherwiseAreNamed) {
  const std::string q = "encoder.block.0.layer.0.SelfAttention.q";
  const std::pair<std::string, const char*> names[] = {
      {"base_model.model." + q + ".lora_A.default.weight", "save_pretrained"},
      {q + ".lora_A.weight", "do not start with base_model.model."},
      {"base_model.model.shared.lora_embedding_A", "embedding table is a target"},
      {"base_model.model." + q + ".lora_magnitude_vector", "DoRA"},
      {"base_model.model." + q + ".ia3_l", "do not belong to an adapter"},
  };
  for (const auto& [name, told] : names) {
    ForeignAdapter adapter = peft_on({"q"});
    adapter.tensors[name] = at::randn({4, 20});
    EXPECT_THAT(refusal(adapter), AllOf(HasSubstr(name), HasSubstr(told)));
  }
  ForeignAdapter adapter = peft_on({"q"});
  adapter.tensors["base_model.model.shared.weight"] = at::randn({40, 20});
  EXPECT_TRUE(format.read(adapter, backbone).frozen.contains("shared.weight"));
}

}  // namespace
}  // namespace peftbench::huggingface_test
