#include "support/layers.h"

#include <peftbench/error.h>
#include <peftbench/layout.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::layout_test {

using namespace layers;

namespace {

using Ids = std::vector<int64_t>;

Ids values(const Tensor& tensor) {
  const Tensor flat = tensor.contiguous();
  return Ids(flat.const_data_ptr<int64_t>(), flat.const_data_ptr<int64_t>() + flat.numel());
}

Tensor column(int64_t first, int64_t count) { return at::arange(first, first + count, at::kFloat).unsqueeze(1); }

TEST(TokenLayout, KnowsWhereSequencesLie) {
  const TokenLayout layout = TokenLayout::of({3, 1, 2}, {0, 0, 1});
  EXPECT_EQ(layout.offsets, (Ids{0, 3, 4, 6}));
  EXPECT_EQ(values(layout.first_rows()), (Ids{0, 3, 4}));
  EXPECT_EQ(values(layout.last_rows()), (Ids{2, 3, 5}));
  EXPECT_EQ(values(layout.sequence_of_rows()), (Ids{0, 0, 0, 1, 2, 2}));
  EXPECT_TRUE(TokenLayout(layout).last_rows().is_same(layout.last_rows()));  // a copy shares what was made
  EXPECT_EQ(layout.slot_count(), 0);
  const TokenLayout part = layout.slice(1, 2);
  EXPECT_EQ(part.lengths, (Ids{1, 2}));
  EXPECT_EQ(part.groups, (Ids{0, 1}));
  EXPECT_EQ(part.offsets, (Ids{0, 1, 3}));
}

TEST(TokenLayout, RefusesUnsortedGroupsAndWrongCounts) {
  EXPECT_THAT(
      [&] {
        TokenLayout::of({1, 1}, {1, 0});
      },
      ::testing::ThrowsMessage<Error>(::testing::HasSubstr("must be sorted by group")));
  EXPECT_THAT([&] { TokenLayout::of({1, 1}, {0}); }, ::testing::ThrowsMessage<Error>(::testing::HasSubstr("1 groups")));
}

TEST(Prepend, PutsThePromptBeforeEverySequence) {
  const Embedded out = prepend({column(10, 3), TokenLayout::of({2, 1})}, column(0, 2));
  EXPECT_EQ(out.layout.lengths, (Ids{4, 3}));
  EXPECT_TRUE(out.embeddings.flatten().equal(at::tensor({0.F, 1.F, 10.F, 11.F, 0.F, 1.F, 12.F})));
  EXPECT_EQ(values(out.layout.slots), (Ids{0, 1, -1, -1, 0, 1, -1}));
}

TEST(Prepend, MovesSlotsThatWereThere) {
  TokenLayout layout = TokenLayout::of({3});
  layout.slots = at::tensor(at::ArrayRef<int64_t>({-1, 0, 1}));
  const Embedded out = prepend({column(10, 3), layout}, column(0, 2));
  EXPECT_EQ(values(out.layout.slots), (Ids{0, 1, -1, 2, 3}));
}

TEST(Prepend, GradientOfThePromptSumsOverSequences) {
  Tensor prompt = column(0, 2).set_requires_grad(true);
  prepend({column(10, 3), TokenLayout::of({2, 1})}, prompt).embeddings.sum().backward();
  EXPECT_TRUE(prompt.grad().equal(at::ones({2, 1}) * 2));
}

TEST(Slots, AreReplacedAndAddedByNumber) {
  TokenLayout layout = TokenLayout::of({3, 2});
  layout.slots = at::tensor(at::ArrayRef<int64_t>({-1, 1, 0, 0, 2}));
  const Tensor hidden = column(10, 5), rows = column(100, 2);
  EXPECT_TRUE(replace_slots(hidden, layout, rows).flatten().equal(at::tensor({10.F, 101.F, 100.F, 100.F, 14.F})));
  EXPECT_TRUE(add_at_slots(hidden, layout, rows).flatten().equal(at::tensor({10.F, 112.F, 112.F, 113.F, 14.F})));
  EXPECT_THROW(replace_slots(hidden, TokenLayout::of({5}), rows), ConfigError);
}

}  // namespace
}  // namespace peftbench::layout_test
