#include "core/hash.h"
#include "support/layers.h"

#include "core/random.h"
#include "core/sha256_block.h"

#include <gtest/gtest.h>

#include <string>

namespace peftbench::hash_test {

using namespace layers;

namespace {

// The examples of FIPS 180-2, and lengths around the block's edge.
TEST(Sha256, MatchesPublishedVectors) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesHashAsTheWhole) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i * 37);
  for (std::size_t size = 0; size <= text.size(); ++size) {
    const std::string whole = text.substr(0, size);
    for (const std::size_t cut : {size / 2, size / 3, std::min<std::size_t>(size, 64)}) {
      Sha256 hash;
      hash.update(whole.substr(0, cut));
      hash.update(whole.substr(cut));
      ASSERT_EQ(hash.hex(), sha256(whole)) << size << " cut at " << cut;
    }
  }
}

TEST(Sha256, TheProcessorsInstructionsAgreeWithPlainCode) {
  if (!has_sha256_instructions()) GTEST_SKIP() << "this processor has none";
  Random random(1);
  for (int round = 0; round < 100; ++round) {
    std::uint32_t plain[8], fast[8];
    std::uint8_t data[64];
    for (int i = 0; i < 8; ++i) plain[i] = fast[i] = static_cast<std::uint32_t>(random.next());
    for (std::uint8_t& byte : data) byte = static_cast<std::uint8_t>(random.next());
    plain_sha256_block(plain, data);
    fast_sha256_block(fast, data);
    for (int i = 0; i < 8; ++i) ASSERT_EQ(plain[i], fast[i]) << "word " << i << " in round " << round;
  }
}

}  // namespace
}  // namespace peftbench::hash_test
