#include "cli/console.h"
#include "cli/arguments.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace peftbench::console_test {

using namespace layers;

namespace {

using ::testing::HasSubstr;

TEST(ConsoleProgress, TellsRateAndTimeLeft) {
  EXPECT_EQ(ConsoleProgress::line({"train", 250, 1000, "loss 2.310"}, 2.5),
            "train  250/1,000  2.5/s  5 min 00 s left  loss 2.310");
  EXPECT_EQ(ConsoleProgress::line({"train", 1000, 1000, ""}, 25), "train  1,000/1,000  25/s");
  EXPECT_EQ(ConsoleProgress::line({"suite", 3, 15, "lora"}, 0.025), "suite  3/15  40.0 s each  8 min 00 s left  lora");
  EXPECT_EQ(ConsoleProgress::line({"read", 4000, 0, ""}, 3), "read  4,000");
  EXPECT_EQ(ConsoleProgress::line({"load", 0, 0, "weights"}, 0), "load  weights");
}

TEST(ConsoleProgress, PrintsFewLinesWhereThereIsNoTerminal) {
  ::testing::internal::CaptureStderr();
  {
    ConsoleProgress progress;
    for (int i = 0; i <= 1000; ++i) {
      progress.update({"train", i, 1000, ""});
      if (i % 100 == 0) progress.update({"evaluate", 1, 1, ""});
    }
    progress.note("something to know");
  }
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 4) << text;
  EXPECT_THAT(text, HasSubstr("peft-bench: something to know\n"));
}

// hostile 20: whatever a name or a text holds, the terminal shows it and obeys nothing.
TEST(Console, NothingThatATerminalObeysLeavesTheProgram) {
  const std::string evil =
      "a\x1b[2Jb\x9b"
      "31m\xc2\x9b"
      "c\xe2\x80\xae\r";
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  print(evil + "\n");
  print_json(nlohmann::json{{"key", "x\x1b\x7f\xc2\x9b\xff"}});
  print_error(evil);
  {
    ConsoleProgress progress;
    progress.update({"train", 0, 0, evil});
    progress.note(evil);
  }
  const std::string out = testing::internal::GetCapturedStdout(), err = testing::internal::GetCapturedStderr();
  for (const std::string& text : {out, err})
    for (const char* sign : {"\x1b", "\x9b", "\xe2\x80\xae", "\r", "\x7f"})
      EXPECT_EQ(text.find(sign), std::string::npos) << text;
  EXPECT_THAT(out, HasSubstr("a\\x1b[2Jb\\x9b31m\\u009bc\\u202e\\r\n"));
  EXPECT_EQ(nlohmann::json::parse(out.substr(out.find('{'))).at("key"), "x\x1b\x7f\xc2\x9b\xef\xbf\xbd");
}

TEST(Arguments, FlagsBecomeSettingsOfTheirNames) {
  Arguments arguments("run", "a test");
  arguments.add_method_and_backbone();
  arguments.setting("--steps", "train.steps", "");
  arguments.add_set();
  ASSERT_TRUE(arguments.parse(
      {"--method=soft", "--steps", "5", "--set", "a=1", "--set", "train.dropout=0", "--backbone", "x"}));
  const ConfigRequest request = arguments.config();
  EXPECT_EQ(request.method, "soft");
  ASSERT_EQ(request.flags.size(), 2u);
  EXPECT_EQ(request.flags[0].key, "backbone.name");
  EXPECT_EQ(request.flags[1].key, "train.steps");
  EXPECT_EQ(request.flags[1].origin, "--steps");
  ASSERT_EQ(request.settings.size(), 2u);
  EXPECT_EQ(request.settings[0].key, "set.a");
  EXPECT_EQ(request.settings[1].key, "train.dropout");
}

}  // namespace
}  // namespace peftbench::console_test
