#include "data/prepared/groups.h"
#include "support/layers.h"

#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <string>
#include <vector>

namespace peftbench::groups_test {

using namespace layers;

namespace {

// A row for each letter, whose group it is; '-' is a row without one.
TextList list_of(const std::string& groups) {
  std::vector<StoredText> texts;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    TextExample example{{}, std::to_string(i)};
    if (groups[i] != '-') example.group = groups[i];
    texts.push_back({std::move(example), {}});
  }
  return TextList(std::make_shared<TextsInMemory>(std::move(texts)));
}

using Paths = std::vector<std::uint32_t>;

TEST(Groups, StandSideBySideWhereTheirFirstRowDoes) {
  EXPECT_EQ(side_by_side(list_of("abcabc"), {3, 2, 1, 0, 5, 4}), Paths({3, 0, 2, 5, 1, 4}));
  EXPECT_EQ(side_by_side(list_of("aab"), {2, 0}), Paths({2, 0}));
  EXPECT_EQ(side_by_side(list_of("----"), {3, 0, 2, 1}), Paths({3, 0, 2, 1}));
  EXPECT_EQ(side_by_side(TextList(), {}), Paths());
}

TEST(Groups, ALimitCutsNone) {
  const TextList list = list_of("aabbbcc");
  const std::vector<std::size_t> wanted = {7, 2, 2, 2, 2, 5, 5, 7, 7};  // of a limit of 0 (all), 1, 2, …
  for (std::size_t limit = 0; limit < wanted.size(); ++limit)
    EXPECT_EQ(whole_groups(list, static_cast<std::int64_t>(limit)), wanted[limit]) << limit;
  for (std::int64_t limit = 1; limit <= 4; ++limit)
    EXPECT_EQ(whole_groups(list_of("----"), limit), static_cast<std::size_t>(limit));
  EXPECT_EQ(whole_groups(list_of("aaaa"), 2), 4u);
  EXPECT_EQ(whole_groups(TextList(), 3), 0u);
}

}  // namespace
}  // namespace peftbench::groups_test
