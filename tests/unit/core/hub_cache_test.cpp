#include "core/hub_cache.h"
#include "support/layers.h"

#include "support/variable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

namespace peftbench::hub_cache_test {

using namespace layers;

namespace {

using testing::ElementsAre;
using testing_support::Variable;

// Nothing is set but what a test sets.
class HubCache : public testing::Test {
 protected:
  Variable hub_{"HF_HUB_CACHE", ""}, older_{"HUGGINGFACE_HUB_CACHE", ""}, hf_{"HF_HOME", ""},
      xdg_{"XDG_CACHE_HOME", ""}, transformers_{"TRANSFORMERS_CACHE", ""}, home_{"HOME", "/home/me"};
};

TEST_F(HubCache, TheVariablesOfTheClientInTheirOrder) {
  EXPECT_THAT(hub_caches(), ElementsAre("/home/me/.cache/huggingface/hub"));
  const Variable xdg("XDG_CACHE_HOME", "/cache");
  EXPECT_THAT(hub_caches(), ElementsAre("/cache/huggingface/hub"));
  const Variable hf("HF_HOME", "/hf");
  EXPECT_THAT(hub_caches(), ElementsAre("/hf/hub", "/cache/huggingface/hub"));
  const Variable older("HUGGINGFACE_HUB_CACHE", "/older"), transformers("TRANSFORMERS_CACHE", "/models");
  EXPECT_THAT(hub_caches(), ElementsAre("/older", "/hf/hub", "/cache/huggingface/hub", "/models"));
  const Variable hub("HF_HUB_CACHE", "/hub/");
  EXPECT_THAT(hub_caches(), ElementsAre("/hub", "/hf/hub", "/cache/huggingface/hub", "/models"));
  const Variable same("HF_HOME", "/cache/huggingface");
  EXPECT_THAT(hub_caches(), ElementsAre("/hub", "/cache/huggingface/hub", "/models"));
}

TEST_F(HubCache, TildeAndVariablesMeanWhatTheyMeanToAShell) {
  const Variable hf("HF_HOME", "~/hf");
  EXPECT_EQ(hub_caches().front(), "/home/me/hf/hub");
  const Variable named("PEFTBENCH_TEST_DISK", "/disk"), with("HF_HOME", "${PEFTBENCH_TEST_DISK}/x$PEFTBENCH_TEST_DISK");
  EXPECT_EQ(hub_caches().front(), "/disk/x/disk/hub");
  for (const char* plain : {"/a/$PEFTBENCH_TEST_UNSET", "/a/${", "/a/$", "/a/~/b", "/~nobody-of-this-name"}) {
    const Variable odd("HF_HUB_CACHE", plain);
    EXPECT_EQ(hub_caches().front(), plain);
  }
  const Variable unknown("HF_HUB_CACHE", "~nobody-of-this-name/x");
  EXPECT_EQ(hub_caches().front(), "~nobody-of-this-name/x");
}

TEST_F(HubCache, NamesOfFolders) {
  EXPECT_EQ(hub_folder("/c", HubKind::model, "google/t5"), "/c/models--google--t5");
  EXPECT_EQ(hub_folder("/c", HubKind::dataset, "glue"), "/c/datasets--glue");
  EXPECT_EQ(hub_name("/c/models--google--t5", HubKind::model), "google/t5");
  EXPECT_EQ(hub_name("/c/models--google--t5", HubKind::dataset), std::nullopt);
}

TEST_F(HubCache, AReferenceNamesASnapshotAndNothingElse) {
  const fs::path set = fs::temp_directory_path() / ("peftbench_hub_" + std::to_string(::getpid()));
  fs::create_directories(set / "snapshots/abc");
  fs::create_directories(set / "snapshots/012");
  fs::create_directories(set / "refs");
  fs::create_directories(set / "data");
  EXPECT_EQ(referred_snapshot(set, "main"), std::nullopt);
  write_atomically(set / "refs/main", "abc\n");
  EXPECT_EQ(referred_snapshot(set, "main"), set / "snapshots/abc");
  for (const char* text : {"", "../data", "def", ".", "abc/.."}) {
    write_atomically(set / "refs/main", text);
    EXPECT_EQ(referred_snapshot(set, "main"), std::nullopt) << text;
  }
  EXPECT_THAT(snapshots_in(set), ElementsAre(set / "snapshots/012", set / "snapshots/abc"));
  fs::remove_all(set);
}

}  // namespace
}  // namespace peftbench::hub_cache_test
