#include "core/ascii.h"
#include "support/layers.h"

#include <gtest/gtest.h>

#include <string_view>

namespace peftbench::ascii_test {

using namespace layers;

namespace {

// Python 3.11: all(chr(c).isspace() …) below 0x1c, string.punctuation; RE2's manual: [\t\n\f\r ].
TEST(Ascii, SetsHoldWhatTheirNamesSay) {
  constexpr std::string_view marks = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
  for (int c = -128; c < 0x3100; ++c) {
    const bool byte = c > 0 && c < 128;
    const auto among = [&](std::string_view set) { return byte && set.find(static_cast<char>(c)) != set.npos; };
    EXPECT_EQ(is_ascii_space(c), among(" \t\n\v\f\r")) << c;
    EXPECT_EQ(is_re2_space(c), among(" \t\n\f\r")) << c;
    EXPECT_EQ(is_ascii_punctuation(c), among(marks)) << c;
  }
}

}  // namespace
}  // namespace peftbench::ascii_test
