#include "data/prepared/joined_examples.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::joined_examples_test {

using namespace layers;

namespace {

std::shared_ptr<const ExampleList> list(std::vector<int64_t> first_ids) {
  std::vector<EncodedExample> examples;
  for (const int64_t id : first_ids) examples.push_back({{id, 1}, {}, {1}, -1, {}});
  return std::make_shared<const ExamplesInMemory>(std::move(examples));
}

TEST(JoinedExamplesTest, HoldsTheListsOneAfterAnother) {
  const JoinedExamples joined({list({5, 6}), list({}), list({7}), list({8, 9})});
  ASSERT_EQ(joined.size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(joined.at(i).input.front(), static_cast<int64_t>(5 + i));
  EXPECT_EQ(joined.index(0, 1), 1U);
  EXPECT_EQ(joined.index(2, 0), 2U);
  EXPECT_EQ(joined.index(3, 1), 4U);
  EXPECT_THAT([&] { joined.at(5); }, ::testing::ThrowsMessage<Error>(::testing::HasSubstr("example 5 of 5")));
  EXPECT_TRUE(JoinedExamples({}).empty());
}

}  // namespace
}  // namespace peftbench::joined_examples_test
