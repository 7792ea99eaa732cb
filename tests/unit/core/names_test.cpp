#include "core/names.h"
#include "support/layers.h"

#include <gtest/gtest.h>

#include <climits>

namespace peftbench::names_test {

using namespace layers;

namespace {

const std::vector<std::string> methods = {"prompt_tuning", "prefix_tuning", "lora", "ia3", "adapters"};

TEST(Names, FindsTheNearest) {
  EXPECT_EQ(nearest("prompt_tunning", methods), "prompt_tuning");
  EXPECT_EQ(nearest("prefix-tuning", methods), "prefix_tuning");
  EXPECT_EQ(nearest("PromptTuning", methods), "prompt_tuning");
  EXPECT_EQ(nearest("lroa", methods), "lora");  // a swap is one slip
  EXPECT_EQ(nearest("prompt", methods), "prompt_tuning");
  EXPECT_EQ(nearest("adapter", methods), "adapters");
}

TEST(Names, StaysSilentWhenNothingIsNear) {
  EXPECT_EQ(nearest("bitfit", methods), std::nullopt);
  EXPECT_EQ(nearest("", methods), std::nullopt);
  EXPECT_EQ(nearest("x", {"y"}), std::nullopt);
  EXPECT_EQ(nearest("lora", {}), std::nullopt);
}

TEST(Names, SpeaksInARemedy) {
  EXPECT_EQ(did_you_mean("lorra", {"lora", "ia3"}), "did you mean 'lora'? Available: lora, ia3");
  EXPECT_EQ(did_you_mean("zzzz", {"lora", "ia3"}), "available: lora, ia3");
  EXPECT_EQ(did_you_mean("zzzz", {}), "none are available");
}

TEST(Names, Joins) {
  EXPECT_EQ(join({}), "");
  EXPECT_EQ(join({"a"}), "a");
  EXPECT_EQ(join({"a", "b", "b"}, "/"), "a/b/b");
}

TEST(Names, GroupsThousands) {
  EXPECT_EQ(with_thousands(0), "0");
  EXPECT_EQ(with_thousands(999), "999");
  EXPECT_EQ(with_thousands(1000), "1,000");
  EXPECT_EQ(with_thousands(11135332352), "11,135,332,352");
  EXPECT_EQ(with_thousands(-100), "-100");
  EXPECT_EQ(with_thousands(-123456), "-123,456");
  EXPECT_EQ(with_thousands(LLONG_MIN), "-9,223,372,036,854,775,808");
}

}  // namespace
}  // namespace peftbench::names_test
