#include "backbone/hub.h"
#include "support/layers.h"

#include "formats/safetensors.h"

#include "support/weights_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace peftbench::hub_test {

using namespace layers;

namespace {

using namespace testing_files;
using testing::AllOf;
using testing::HasSubstr;

// A home with the published sizes and one small model of its own, and a hub cache.
class Hub : public testing::Test {
 protected:
  Hub() {
    fs::create_directories(home() / "configs");
    fs::copy(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "configs" / "backbones", home() / "configs" / "backbones");
    put_model(home() / "assets/backbones/nano");
  }

  fs::path home() const { return folder_ / "home"; }
  fs::path cache() const { return folder_ / "cache"; }
  BackboneSearch search() const { return {home(), {cache()}}; }

  static void put_model(const fs::path& folder, const std::string& type = "t5") {
    write_bytes(folder / "config.json", R"({"model_type":")" + type +
                                            R"(","vocab_size":11,"d_model":4,"d_kv":2,"num_heads":3,)"
                                            R"("d_ff":5,"num_layers":1})");
    BackboneSpec spec;
    spec.vocab_size = 11, spec.d_model = 4, spec.d_kv = 2, spec.num_heads = 3, spec.d_ff = 5;
    spec.encoder_layers = spec.decoder_layers = 1, spec.tied = true;
    write_safetensors(folder / "model.safetensors", random_weights(spec));
  }
  void put_in_cache(const std::string& name, const std::string& commit, const std::string& reference = "main") {
    put_model(cache() / name / "snapshots" / commit);
    write_bytes(cache() / name / "refs" / reference, commit + "\n");
  }
  std::string refusal_of(const std::string& name, BackboneNeed need = BackboneNeed::weights) {
    return refusal([&] { resolve_backbone(name, search(), need); });
  }

  TempFolder folder_;
};

TEST_F(Hub, FoldersAndNames) {
  const ResolvedBackbone by_name = resolve_backbone("nano", search());
  EXPECT_EQ(by_name.folder, home() / "assets/backbones/nano");
  EXPECT_EQ(by_name.spec.d_model, 4);
  EXPECT_EQ(by_name.spec.name, "nano");
  const ResolvedBackbone by_path = resolve_backbone((home() / "assets/backbones/nano/").string(), search());
  EXPECT_EQ(by_path.folder, home() / "assets/backbones/nano");
  EXPECT_EQ(by_path.name, "nano");
  EXPECT_THAT(refusal_of((folder_ / "nothing").string()), HasSubstr("no config.json"));
}

TEST_F(Hub, SizesWithoutWeights) {
  for (const char* name : {"t5-v1_1-xxl", "google/t5-v1_1-xxl", "google/t5-xxl-lm-adapt", "google/flan-t5-xxl"}) {
    const ResolvedBackbone backbone = resolve_backbone(name, search(), BackboneNeed::sizes);
    EXPECT_EQ(backbone.spec.parameter_count(), 11'135'332'352) << name;
    EXPECT_EQ(backbone.name, name);
    EXPECT_FALSE(backbone.folder);
  }
  EXPECT_THAT(refusal_of("t5-v1_1-xxl"),
              AllOf(HasSubstr("not on this machine"), HasSubstr("only its sizes are known"),
                    HasSubstr("hf download google/t5-v1_1-xxl"), HasSubstr(cache().string())));
  EXPECT_THAT(refusal_of("google/flan-t5-xxl"), HasSubstr("hf download google/flan-t5-xxl"));
}

TEST_F(Hub, ModelsOfTheCache) {
  put_in_cache("models--google--flan-t5-xxl", "abc123");
  put_in_cache("models--google-t5--t5-small", "def456");
  put_in_cache("models--me--mine", "0123", "v2");
  EXPECT_EQ(resolve_backbone("google/flan-t5-xxl", search()).folder,
            cache() / "models--google--flan-t5-xxl/snapshots/abc123");
  EXPECT_EQ(resolve_backbone("t5-small", search()).folder, cache() / "models--google-t5--t5-small/snapshots/def456");
  EXPECT_EQ(resolve_backbone("t5-small", search()).spec.name, "t5-small");
  EXPECT_FALSE(resolve_backbone("t5-v1_1-xxl", search(), BackboneNeed::sizes).folder);  // an alias is another model
  // No refs/main, but one snapshot; and by branch or commit.
  for (const char* name : {"me/mine", "me/mine@v2", "me/mine@0123"}) {
    EXPECT_EQ(resolve_backbone(name, search()).folder, cache() / "models--me--mine/snapshots/0123") << name;
  }
  EXPECT_THAT(refusal_of("me/mine@v3"), HasSubstr("hf download me/mine --revision v3"));
  put_in_cache("models--me--mine", "4567", "v3");
  EXPECT_THAT(refusal_of("me/mine"), AllOf(HasSubstr("has 'me/mine', but not its revision main"),
                                           HasSubstr("0123, 4567"), HasSubstr("--backbone me/mine@4567")));
}

TEST_F(Hub, AReferenceWithoutItsSnapshotLeavesTheOnlyModelThereIs) {
  put_in_cache("models--me--mine", "0123", "v2");
  write_bytes(cache() / "models--me--mine/refs/main", "9999\n");
  EXPECT_EQ(resolve_backbone("me/mine", search()).folder, cache() / "models--me--mine/snapshots/0123");
  // A snapshot that was fetched in part, such as the vocabulary alone, is no model.
  write_bytes(cache() / "models--me--mine/snapshots/9999/spiece.model", "x");
  EXPECT_EQ(resolve_backbone("me/mine", search()).folder, cache() / "models--me--mine/snapshots/0123");
  fs::remove_all(cache() / "models--me--mine/snapshots/0123");
  EXPECT_THAT(refusal_of("me/mine"), AllOf(HasSubstr("9999 (without config.json)"), HasSubstr("hf download me/mine")));
}

TEST_F(Hub, UnknownNames) {
  EXPECT_THAT(refusal_of("t5-v1_1-xxxl"), HasSubstr("did you mean 't5-v1_1-xxl'"));
  EXPECT_THAT(refusal_of("nanno", BackboneNeed::sizes), HasSubstr("did you mean 'nano'"));
  EXPECT_THAT(refusal_of("google/other"), HasSubstr("hf download google/other"));
  for (const char* name : {"", "a/b/c", "a b", "..%2f", ".hidden", "a@", "models--x", "org/../x"}) {
    EXPECT_THAT(refusal_of(name), HasSubstr("there is no backbone")) << name;
  }
}

TEST_F(Hub, ListNamesEverythingAndItsFaults) {
  put_in_cache("models--google--flan-t5-small", "aa");
  put_in_cache("models--google-t5--t5-base", "bb");
  put_model(cache() / "models--some--bert/snapshots/cc", "bert");
  write_bytes(cache() / "models--google--flan-t5-small/snapshots/aa/model.safetensors", "cut");
  const std::vector<BackboneListing> list = list_backbones(search());
  ASSERT_EQ(list.size(), 12u);
  EXPECT_EQ(list.front().name, "nano");
  EXPECT_EQ(list.front().folder, home() / "assets/backbones/nano");
  EXPECT_EQ(list.front().problem, "");
  EXPECT_GT(list.front().parameters, 0);
  EXPECT_EQ(list[1].name, "t5-small");
  EXPECT_EQ(list[1].parameters, 60'506'624);
  EXPECT_FALSE(list[1].folder);
  EXPECT_EQ(list.back().name, "google/flan-t5-small");
  EXPECT_THAT(list.back().problem, HasSubstr("not a safetensors file"));
  const auto base =
      std::find_if(list.begin(), list.end(), [](const BackboneListing& l) { return l.name == "t5-base"; });
  ASSERT_NE(base, list.end());
  EXPECT_EQ(base->folder, cache() / "models--google-t5--t5-base/snapshots/bb");
  EXPECT_THAT(base->source, HasSubstr("t5_1_0/base.gin"));
}

}  // namespace
}  // namespace peftbench::hub_test
