#include "eval/neighbors.h"
#include "support/layers.h"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

namespace peftbench::neighbors_test {

using namespace layers;

namespace {

// Words along the axes, of unequal lengths, and one between the first two.
Tensor table() {
  Tensor words = at::zeros({5, 3});
  words[0][0] = 2;
  words[1][1] = 0.5;
  words[2][2] = 7;
  words[3][0] = 1;
  words[3][1] = 1;
  words[4][0] = 9;  // a row beyond the vocabulary, parallel to the first
  return words;
}

Tensor rows(const std::vector<std::vector<float>>& values) {
  Tensor result = at::zeros({static_cast<int64_t>(values.size()), 3});
  for (std::size_t i = 0; i < values.size(); ++i) result[static_cast<int64_t>(i)].copy_(at::tensor(values[i]));
  return result;
}

TEST(Neighbors, AreByDirectionNotLength) {
  const auto near = nearest_words(rows({{30, 1, 0}, {0, 0, -1}}), table(), 4, 3);
  ASSERT_EQ(near.size(), 2u);
  ASSERT_EQ(near[0].size(), 3u);
  EXPECT_EQ(near[0][0].id, 0);
  EXPECT_NEAR(near[0][0].cosine, 30 / std::sqrt(901.0), 1e-6);
  EXPECT_EQ(near[0][1].id, 3);
  EXPECT_NEAR(near[0][1].cosine, 31 / std::sqrt(2 * 901.0), 1e-6);
  EXPECT_EQ(near[0][2].id, 1);
  EXPECT_NEAR(near[1][2].cosine, 0, 1e-6);  // the opposite direction comes last of all
}

TEST(Neighbors, RowsBeyondTheVocabularyAreNoWords) {
  const auto near = nearest_words(rows({{1, 0, 0}}), table(), 4, 10);
  for (const Neighbor& neighbor : near.front()) EXPECT_LT(neighbor.id, 4);
  EXPECT_EQ(near.front().size(), 4u);
  EXPECT_EQ(nearest_words(rows({{1, 0, 0}}), table(), 9, 10).front().size(), 5u);
}

TEST(Neighbors, ARowOfZerosHasNoDirection) {
  const auto near = nearest_words(rows({{0, 0, 0}}), table(), 4, 4);
  ASSERT_EQ(near.front().size(), 4u);
  for (const Neighbor& neighbor : near.front()) EXPECT_EQ(neighbor.cosine, 0);
}

TEST(Neighbors, StatisticsCountLabelsRowsAndRepetitions) {
  const std::vector<std::vector<Neighbor>> near = {
      {{0, 0.9}, {1, 0.5}}, {{0, 0.7}, {2, 0.1}}, {{3, 0.5}, {0, 0.4}}, {{1, 0.3}, {2, 0.2}}};
  const NeighborStatistics s =
      neighbor_statistics(near, {{"one", {0}, 0}, {"two", {1, 2}, 0}, {"none", {9}, 0}, {"half", {3, 9}, 0}});
  EXPECT_EQ(s.labels[0].rows, 3);
  EXPECT_EQ(s.labels[1].rows, 1);  // both sub-tokens in the last row alone
  EXPECT_EQ(s.labels[2].rows, 0);
  EXPECT_EQ(s.labels[3].rows, 0);
  EXPECT_DOUBLE_EQ(s.label_persistence, 0.5);
  EXPECT_DOUBLE_EQ(s.duplicates, 0.25);  // nearest words 0, 0, 3, 1
  EXPECT_NEAR(s.mean_cosine, 0.6, 1e-12);
}

TEST(Neighbors, WithoutLabelsNothingPersists) { EXPECT_EQ(neighbor_statistics({{{0, 1.0}}}, {}).label_persistence, 0); }

}  // namespace
}  // namespace peftbench::neighbors_test
