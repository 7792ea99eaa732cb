#include "support/layers.h"

// S12: which modules a config means, as peft's check_target_module_exists has it.
#include <peftbench/error.h>
#include <peftbench/exchange.h>

#include <gmock/gmock.h>

namespace peftbench::foreign_targets_test {

using namespace layers;

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Names modules = {"shared",
                       "encoder.block.0.layer.0.SelfAttention.q",
                       "encoder.block.1.layer.0.SelfAttention.q",
                       "encoder.block.1.layer.1.DenseReluDense.wo",
                       "decoder.block.0.layer.1.EncDecAttention.q",
                       "lm_head"};

Names meant(const std::map<std::string, ForeignValue>& config) {
  return foreign_targets({config, {}}, modules, {"wo"});
}

TEST(ForeignTargets, ListsHaveEndsOfNamesAndTextsAreExpressions) {
  EXPECT_THAT(meant({}), ElementsAre(modules[3]));
  EXPECT_THAT(meant({{"target_modules", Names{"q"}}}), ElementsAre(modules[1], modules[2], modules[4]));
  EXPECT_THAT(meant({{"target_modules", Names{"SelfAttention.q", "lm_head", "ention.q"}}}),
              ElementsAre(modules[1], modules[2], modules[5]));
  EXPECT_THAT(meant({{"target_modules", Names{"e.*q"}}}), IsEmpty());
  EXPECT_THAT(meant({{"target_modules", "e.*q"}}), ElementsAre(modules[1], modules[2]));
  EXPECT_THAT(meant({{"target_modules", "q"}}), IsEmpty());  // of whole names
  EXPECT_THAT(meant({{"target_modules", "All-Linear"}}), ElementsAre(modules[1], modules[2], modules[3], modules[4]));
  EXPECT_THROW(meant({{"target_modules", "(?!e).*q"}}), ConfigError);
}

TEST(ForeignTargets, LayersAndExclusionsLeaveSomeOut) {
  const ForeignValue q = Names{"q"};
  EXPECT_THAT(meant({{"target_modules", q}, {"layers_to_transform", int64_t{1}}}), ElementsAre(modules[2]));
  EXPECT_THAT(meant({{"target_modules", q}, {"layers_to_transform", std::vector<int64_t>{0, 7}}}),
              ElementsAre(modules[1], modules[4]));
  EXPECT_THAT(meant({{"target_modules", Names{"q", "lm_head"}},
                     {"layers_to_transform", std::vector<int64_t>{1}},
                     {"layers_pattern", "layer"}}),
              ElementsAre(modules[4]));
  EXPECT_THAT(meant({{"target_modules", q},
                     {"layers_to_transform", std::vector<int64_t>{0}},
                     {"layers_pattern", Names{"no", "bl..k"}}}),
              ElementsAre(modules[1], modules[4]));
  EXPECT_THAT(meant({{"target_modules", q}, {"exclude_modules", Names{"SelfAttention.q"}}}), ElementsAre(modules[4]));
  EXPECT_THAT(meant({{"target_modules", q}, {"exclude_modules", "enc.*"}}), ElementsAre(modules[4]));
}

}  // namespace
}  // namespace peftbench::foreign_targets_test
