#include "train/config.h"
#include "core/files.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <type_traits>

namespace peftbench::config_test {

using namespace layers;

namespace {

TEST(TrainConfig, NamesEachOptionOnceWithHelp) {
  std::set<std::string> keys;
  const TrainConfig config;
  visit(config, [&](const std::string& key, const auto&, const OptionInfo& info) {
    EXPECT_TRUE(keys.insert(key).second) << key;
    EXPECT_FALSE(info.help.empty()) << key;
  });
  EXPECT_TRUE(keys.contains("learning_rate"));
  EXPECT_TRUE(keys.contains("adafactor.step_offset"));
  EXPECT_TRUE(keys.contains("evaluation.mode"));
}

TEST(TrainConfig, EachOptionStandsInTheDocumentationWithItsDefault) {
  const std::string page = read_text(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "docs" / "cli.md");
  const TrainConfig config;
  visit(config, [&](const std::string& key, const auto& field, const OptionInfo& info) {
    if (key == "threads" || key == "seed" || key.starts_with("evaluation.")) return;  // not of `train:`
    std::string value;
    if constexpr (std::is_enum_v<std::decay_t<decltype(field)>>) {
      value = enum_name(field);
    } else {
      value = fmt::format("{}", field);
    }
    EXPECT_THAT(page, testing::HasSubstr(fmt::format("| `{}` | {} | {} |", key, value, info.help)));
  });
}

TEST(TrainConfig, ItsDefaultsAreInRange) { EXPECT_NO_THROW(check(TrainConfig{})); }

TEST(TrainConfig, RefusesWhatIsOutOfRangeByName) {
  const auto refusal = [](auto change) -> std::string {
    TrainConfig config;
    change(config);
    try {
      check(config);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return {};
  };
  EXPECT_NE(refusal([](auto& c) { c.batch_size = 0; }).find("train.batch_size"), std::string::npos);
  EXPECT_NE(refusal([](auto& c) { c.dropout = 1; }).find("train.dropout"), std::string::npos);
  EXPECT_NE(refusal([](auto& c) { c.learning_rate = std::stod("nan"); }).find("train.learning_rate"),
            std::string::npos);
  EXPECT_NE(refusal([](auto& c) { c.adafactor.step_offset = 5; }).find("train.adafactor.step_offset"),
            std::string::npos);
  EXPECT_NE(refusal([](auto& c) { c.adamw.beta2 = 1; }).find("train.adamw.beta2"), std::string::npos);
}

TEST(EnumNames, GoBothWays) {
  EXPECT_EQ(enum_name(OptimizerKind::adamw), "adamw");
  EXPECT_EQ(enum_from<ScheduleKind>("inverse_sqrt"), ScheduleKind::inverse_sqrt);
  EXPECT_FALSE(enum_from<ScheduleKind>("exponential"));
  EXPECT_EQ(enum_choices<LossNormalisation>(), (std::vector<std::string>{"token_mean", "sum"}));
  EXPECT_EQ(enum_name(DropoutShape::elementwise), "elementwise");
}

// S20
TEST(TrainDoubts, AWarmUpAsLongAsTheRunAndPatienceWithoutEvaluations) {
  TrainConfig config;
  config.steps = 30;
  config.warmup_steps = 29;
  config.evaluate_every = 10;
  config.patience = 2;
  EXPECT_TRUE(doubts(config, true).empty());
  config.warmup_steps = 30;
  ASSERT_EQ(doubts(config, true).size(), 1u);
  EXPECT_NE(doubts(config, true).front().find("train.warmup_steps=30 of 30 steps"), std::string::npos);
  config.warmup_steps = 0;
  EXPECT_EQ(doubts(config, false).size(), 1u) << "nothing to evaluate on";
  for (const std::int64_t every : {0, 30, 100}) {
    config.evaluate_every = every;
    ASSERT_EQ(doubts(config, true).size(), 1u) << every;
    EXPECT_NE(doubts(config, true).front().find("train.patience=2 has no effect"), std::string::npos);
  }
  config.steps = 0;  // nothing is trained
  config.warmup_steps = 5;
  EXPECT_TRUE(doubts(config, true).empty());
}

}  // namespace
}  // namespace peftbench::config_test
