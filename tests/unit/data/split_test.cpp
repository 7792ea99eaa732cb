#include "data/task/split.h"
#include "support/layers.h"

#include "core/random.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace peftbench::split_test {

using namespace layers;

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

// The same by sets of sets, as anyone would write it.
std::vector<Split> simple_split(const std::vector<RowKeys>& rows, const SplitSpec& spec) {
  std::vector<std::set<std::size_t>> groups;  // in the order of their first rows
  std::vector<std::set<std::string>> keys;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    groups.push_back({row});
    keys.push_back({rows[row].keys.begin(), rows[row].keys.end()});
    for (std::size_t g = 0; g + 1 < groups.size();) {
      const bool shared = std::any_of(keys[g].begin(), keys[g].end(),
                                      [&](const std::string& key) { return keys.back().contains(key); });
      if (shared) {
        groups.back().merge(groups[g]);
        keys.back().merge(keys[g]);
        groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(g));
        keys.erase(keys.begin() + static_cast<std::ptrdiff_t>(g));
      } else {
        ++g;
      }
    }
  }
  std::sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) { return *a.begin() < *b.begin(); });
  Random(stream_seed(spec.seed, "split")).shuffle(groups);
  std::vector<Split> result(rows.size(), Split::train);
  for (const auto& [split, part] : {std::pair{Split::test, spec.test}, std::pair{Split::validation, spec.validation}}) {
    auto left = static_cast<std::size_t>(part);
    for (const std::set<std::size_t>& group : groups) {
      if (group.size() > left || result[*group.begin()] != Split::train) continue;
      for (const std::size_t row : group) result[row] = split;
      left -= group.size();
    }
  }
  return result;
}

TEST(SplitTest, IsThatOfASimpleSecondImplementation) {
  Random random(21);
  for (int round = 0; round < 100; ++round) {
    std::vector<RowKeys> rows;
    KeyTable table;
    for (std::uint64_t i = 20 + random.below(100); i > 0; --i) {
      RowKeys keys;
      for (std::uint64_t k = 1 + random.below(2); k > 0; --k) keys.keys.push_back(std::to_string(random.below(150)));
      table.add(keys);
      rows.push_back(std::move(keys));
    }
    const SplitSpec wanted = spec(6, 8, random.next());
    EXPECT_EQ(split_rows(std::move(table), wanted, {true, true}), simple_split(rows, wanted)) << "round " << round;
  }
}

TEST(SplitTest, RowsThatAreDroppedLeaveTheOthersAsTheyAre) {
  KeyTable table, fewer;
  std::vector<bool> dropped(300);
  Random random(3);
  for (std::size_t row = 0; row < dropped.size(); ++row) {
    const RowKeys keys{{std::to_string(random.below(200)), "b" + std::to_string(random.below(200))}};
    dropped[row] = random.below(3) == 0;
    table.add(keys);
    if (!dropped[row]) fewer.add(keys);
  }
  table.drop(dropped);
  EXPECT_EQ(table.rows(), fewer.rows());
  EXPECT_EQ(split_rows(std::move(table), spec(20, 20), {true, true}),
            split_rows(std::move(fewer), spec(20, 20), {true, true}));
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
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("all of them are in one group"),
                                             testing::HasSubstr("100 rows in 1 group\n")));
  }
}

}  // namespace
}  // namespace peftbench::split_test
