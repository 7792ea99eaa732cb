#include "support/layers.h"

#include <peftbench/error.h>

#include <gtest/gtest.h>

#include <string>

namespace peftbench::error_test {

using namespace layers;

namespace {

TEST(Error, SaysAllFourParts) {
  const ConfigError error(Problem{"unknown task 'movei'", "movei", "a task", "did you mean 'movie'?"});
  EXPECT_STREQ(error.what(),
               "unknown task 'movei'\n"
               "  found:    movei\n"
               "  expected: a task\n"
               "  fix:      did you mean 'movie'?");
}

TEST(Error, LeavesEmptyPartsOut) {
  EXPECT_STREQ(Error("plain").what(), "plain");
  EXPECT_STREQ(Error(Problem{"what", {}, "that", {}}).what(), "what\n  expected: that");
}

TEST(Error, KeepsLinesOfAPartUnderItsFirst) {
  EXPECT_STREQ(Error(Problem{"what", "one\ntwo", {}, {}}).what(), "what\n  found:    one\n            two");
}

// hostile 15
TEST(Error, HasNoMarkOfALibrary) {
  const std::string bare = "[json.exception.out_of_range.403] key 'a' not found";
  EXPECT_STREQ(Error(Problem{"what", bare, {}, {}}).what(), "what\n  found:    key 'a' not found");
  EXPECT_STREQ(Error("f.json: " + bare).what(), "f.json: key 'a' not found");
  EXPECT_STREQ(Error("a list [1] of [json").what(), "a list [1] of [json");
}

// hostile: a key of a megabyte, which a message names.
TEST(Error, HasNoPartOfMegabytes) {
  std::string much;
  for (int i = 0; i < 100'000; ++i) much += "ä";
  const std::string message = Error(Problem{"what", much, much, much}).what();
  EXPECT_LT(message.size(), 30'000u);
  EXPECT_NE(message.find("ä… (192000 bytes more)"), std::string::npos);
}

TEST(Error, TellsTheUsersMistakeFromAFailure) {
  EXPECT_EQ(Error("x").exit_code(), 1);
  EXPECT_EQ(ConfigError("x").exit_code(), 2);
  EXPECT_EQ(DataError("x").exit_code(), 2);
  EXPECT_EQ(CheckpointError("x").exit_code(), 2);
  const PluginError plugin(PluginStep::open, Problem{"x", {}, {}, {}});
  EXPECT_EQ(plugin.exit_code(), 2);
  EXPECT_EQ(plugin.step(), PluginStep::open);
}

}  // namespace
}  // namespace peftbench::error_test
