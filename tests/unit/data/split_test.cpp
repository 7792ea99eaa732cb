#include "data/split.h"

#include "core/random.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace peftbench {
namespace {

SplitSpec spec(double validation, double test, std::uint64_t seed = 0) {
  SplitSpec made;
  made.seed = seed;
  made.validation = validation;
  made.test = test;
  made.place = "task.yaml:1";
  return made;
}

KeyTable distinct(int rows) {
  KeyTable result;
  for (int i = 0; i < rows; ++i) result.add({{std::to_string(i)}});
  return result;
}

long count(const std::vector<Split>& splits, Split split) { return std::count(splits.begin(), splits.end(), split); }

TEST(SplitTest, TakesFractionsAndNumbers) {
  const auto splits = split_rows(distinct(1000), spec(0.1, 57), {true, true});
  EXPECT_EQ(count(splits, Split::validation), 100);
  EXPECT_EQ(count(splits, Split::test), 57);
  EXPECT_EQ(count(splits, Split::train), 843);
}

TEST(SplitTest, TakesOnlyWhatIsWanted) {
  const auto splits = split_rows(distinct(100), spec(0.1, 0.2), {false, true});
  EXPECT_EQ(count(splits, Split::validation), 0);
  EXPECT_EQ(count(splits, Split::test), 20);
}

TEST(SplitTest, TheSeedDecidesAndNothingElse) {
  EXPECT_EQ(split_rows(distinct(500), spec(0.1, 0.1, 4), {true, true}),
            split_rows(distinct(500), spec(0.1, 0.1, 4), {true, true}));
  EXPECT_NE(split_rows(distinct(500), spec(0.1, 0.1, 4), {true, true}),
            split_rows(distinct(500), spec(0.1, 0.1, 5), {true, true}));
}

// Pinned: a split that moved would make published figures incomparable.
TEST(SplitTest, StaysTheSameFromVersionToVersion) {
  const auto splits = split_rows(distinct(20), spec(3, 2), {true, true});
  std::string drawn;
  for (const Split split : splits) drawn += split == Split::train ? '.' : split == Split::test ? 't' : 'v';
  EXPECT_EQ(drawn, "..........vvv.t....t");
}

TEST(SplitTest, RowsThatShareAKeyStayTogetherOverAnyChain) {
  Random random(11);
  for (int round = 0; round < 50; ++round) {
    std::vector<RowKeys> rows;
    for (int i = 0; i < 200; ++i) {
      rows.push_back({{"a" + std::to_string(random.below(300)), "b" + std::to_string(random.below(300))}});
    }
    KeyTable table;
    for (const RowKeys& row : rows) table.add(row);
    const auto splits = split_rows(std::move(table), spec(0.2, 0.2, static_cast<std::uint64_t>(round)), {true, true});
    std::map<std::string, Split> where;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (const std::string& key : rows[i].keys) {
        ASSERT_EQ(where.emplace(key, splits[i]).first->second, splits[i]) << key << " in round " << round;
      }
    }
  }
}

TEST(SplitTest, RefusesEmptySplits) {
  EXPECT_THROW(split_rows(distinct(2), spec(0.5, 0.5), {true, true}), ConfigError);
  EXPECT_THROW(split_rows(distinct(10), spec(0.1, 10), {true, true}), ConfigError);
  KeyTable one_group;
  for (int i = 0; i < 100; ++i) one_group.add({{"same"}});
  try {
    split_rows(one_group, spec(0.1, 0.1), {true, true});
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("100 rows in 1 groups"));
  }
}

}  // namespace
}  // namespace peftbench
