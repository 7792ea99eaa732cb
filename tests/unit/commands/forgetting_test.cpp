#include "commands/forgetting.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::forgetting_test {

using namespace layers;

namespace {

using testing::Each;
using testing::IsEmpty;

class Pieces : public testing::Test {
 protected:
  std::vector<Halves> of(std::int64_t max_tokens, std::int64_t max_input) const {
    return halves_of({text_, one_}, *tokenizer_, max_tokens, max_input);
  }
  // Ids of the targets, EOS left out.
  static std::vector<std::size_t> targets(const std::vector<Halves>& pieces) {
    std::vector<std::size_t> sizes;
    for (const Halves& piece : pieces) sizes.push_back(piece.target.size() - 1);
    return sizes;
  }
  std::shared_ptr<const Tokenizer> tokenizer_ =
      Tokenizer::load(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets/backbones/t5-nano-lm/spiece.model");
  std::string text_ = "the old house by the river and the new house on the hill", one_ = "the";
  std::size_t size_ = tokenizer_->encode(text_).size();
};

TEST_F(Pieces, AreAtMostSoLongAndASingleIdIsNone) {
  ASSERT_EQ(tokenizer_->encode(one_).size(), 1u);
  const std::vector<Halves> whole = of(256, 512);
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_EQ(targets(whole).front(), size_ - size_ / 2);
  EXPECT_EQ(whole.front().target.back(), tokenizer_->eos_id());
  EXPECT_EQ(tokenizer_->encode(whole.front().input).size(), size_ / 2);
  EXPECT_EQ(of(4, 512).size(), size_ / 4 + (size_ % 4 > 1));
  EXPECT_EQ(of(256, 3).size(), of(4, 512).size());  // two ids and EOS are the input
}

TEST_F(Pieces, HaveTwoIdsWhereTheTaskHasRoomForNoInput) {
  for (const std::int64_t max_input : {1, 2}) {
    const std::vector<Halves> pieces = of(256, max_input);
    EXPECT_EQ(pieces.size(), size_ / 2);
    EXPECT_THAT(targets(pieces), Each(1u));
  }
  EXPECT_THAT(halves_of({one_}, *tokenizer_, 2, 1), IsEmpty());
}

}  // namespace
}  // namespace peftbench::forgetting_test
