#include "core/terminal_text.h"
#include "support/layers.h"

#include <gtest/gtest.h>

namespace peftbench::terminal_text_test {

using namespace layers;

namespace {

// hostile 20
TEST(TerminalText, HoldsNothingThatATerminalObeys) {
  EXPECT_EQ(for_terminal("a\x1b[31mred\x1b]0;title\x07"), "a\\x1b[31mred\\x1b]0;title\\x07");
  EXPECT_EQ(for_terminal("one\r\ntwo\tthree\n"), "one\\r\ntwo\tthree\n");
  EXPECT_EQ(for_terminal("\xc2\x9b"
                         "31m"),
            "\\u009b31m");  // CSI as one character
  EXPECT_EQ(for_terminal("\x9b"
                         "31m"),
            "\\x9b31m");  // and as one byte
  EXPECT_EQ(for_terminal("gnp.\xe2\x80\xae"
                         "exe"),
            "gnp.\\u202eexe");
  EXPECT_EQ(for_terminal("\xe2\x81\xa6\x7f"), "\\u2066\\x7f");
  EXPECT_EQ(for_terminal(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(for_terminal("é € 😀 否 –"), "é € 😀 否 –");
  EXPECT_EQ(for_terminal("cut \xe2\x82"), "cut \\xe2\\x82");
}

TEST(TerminalText, StaysInOneLine) {
  EXPECT_EQ(in_one_line("a\nb\tc\r"), "a\\nb\\tc\\r");
  EXPECT_EQ(in_one_line("a\xe2\x80\xa8"
                        "b"),
            "a\\u2028b");
}

TEST(TerminalText, OfJsonMeansTheSame) {
  EXPECT_EQ(json_for_terminal("{\n \"a\": \"\xc2\x9b\x7f\xe2\x80\xae\"\n}\n"),
            "{\n \"a\": \"\\u009b\\u007f\\u202e\"\n}\n");
}

}  // namespace
}  // namespace peftbench::terminal_text_test
