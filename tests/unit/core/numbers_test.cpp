#include "core/numbers.h"
#include "support/layers.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace peftbench::numbers_test {

using namespace layers;

namespace {

TEST(Numbers, AreTheWholeTextInFullRange) {
  EXPECT_EQ(parse_number<std::int64_t>("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(parse_number<std::uint64_t>("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(parse_number<double>("1e-3"), 0.001);
  EXPECT_EQ(parse_number<int>("12"), 12);
}

TEST(Numbers, OthersAreRefused) {
  for (const char* text : {"", " 1", "1 ", "1x", "--1", "9223372036854775808", "1.0", "0x10", "+1"})
    EXPECT_EQ(parse_number<std::int64_t>(text), std::nullopt) << text;
  for (const char* text : {"1e999", "inf", "nan", "", "1,5"})
    EXPECT_EQ(parse_number<double>(text), std::nullopt) << text;
  EXPECT_EQ(parse_number<std::uint64_t>("-1"), std::nullopt);
  EXPECT_EQ(parse_number<int>("4294967296"), std::nullopt);
}

}  // namespace
}  // namespace peftbench::numbers_test
