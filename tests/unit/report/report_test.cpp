#include "report/format.h"
#include "report/render.h"
#include "report/run_report.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace peftbench::report_test {

using namespace layers;

namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

TEST(Format, Numbers) {
  EXPECT_EQ(format_bytes(512), "512 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(int64_t{300} << 20), "300 MiB");
  EXPECT_EQ(format_duration(0.25), "250 ms");
  EXPECT_EQ(format_duration(12.34), "12.3 s");
  EXPECT_EQ(format_duration(59.96), "1 min 00 s");
  EXPECT_EQ(format_duration(245), "4 min 05 s");
  EXPECT_EQ(format_duration(7800), "2 h 10 min");
  EXPECT_EQ(format_percent(409600.0 / 11135741952.0), "0.00368 %");
  EXPECT_EQ(format_percent(1), "100 %");
  EXPECT_EQ(format_percent(0.0123), "1.23 %");
  EXPECT_EQ(format_score(std::nan("")), "undefined");
}

TEST(Format, WidthIsOfTheTerminal) {
  EXPECT_EQ(display_width("→ é"), 3u);
  EXPECT_EQ(display_width("日本"), 4u);
  EXPECT_EQ(display_width("e\xCC\x81"), 1u);  // an accent on the letter before
  EXPECT_EQ(cut_to_width("accuracy", 5), "accu…");
  EXPECT_EQ(cut_to_width("日本語", 4), "日…");
  EXPECT_EQ(cut_to_width("short", 5), "short");
  EXPECT_EQ(wrap("one two three four", 11, 4), "one two\n    three\n    four");
}

TEST(Table, AlignsAndWraps) {
  Table table({"name", right_column("count"), "what"});
  table.add({"a", "1", "first of all the rows here"});
  table.add({"→bcd", "1,000", "second"});
  EXPECT_EQ(render_text(table), "name  count  what\na         1  first of all the rows here\n→bcd  1,000  second\n");
  EXPECT_EQ(render_text(table, 35),
            "name  count  what\na         1  first of all the rows\n             here\n→bcd  1,000  second\n");
  EXPECT_THAT(
      [&] {
        table.add({"too", "few"});
      },
      ::testing::ThrowsMessage<Error>(::testing::HasSubstr("another number of cells")));
}

TEST(RunReport, ShowsWhatTheReaderLooksFor) {
  RunRecord record;
  record.id = "m-t-s1-0123456789";
  record.status = "finished";
  record.method.name = "prompt_tuning";
  record.task.name = "movies";
  record.task.majority_label = "good";
  record.backbone.parameters = 9180928;
  record.backbone.checksum_before = record.backbone.checksum_after = "abcdef0123456789abcdef";
  record.metrics = {{"test", "accuracy", 0.75, 1600, Interval{0.71, 0.78}, 0.5}};
  record.training.loss_before = 4.0;
  record.training.loss_after = 0.5;
  record.training.loss_split = "validation";
  record.ledger = {{"trained", 5120},   {"receiving_gradient", 5120}, {"stored", 5120},
                   {"inference", 5120}, {"after_merge", 5120},        {"percent", 0.0557}};
  record.phases = {{"train", 61, 120, 1 << 20, true}};
  std::string text = describe_run(record, "runs/x");
  EXPECT_THAT(text, ContainsRegex("score +accuracy 0.750  \\[0.710, 0.780\\]  on 1,600 test examples"));
  EXPECT_THAT(text, HasSubstr("accuracy 0.500 for always answering 'good'"));
  EXPECT_THAT(text, HasSubstr("4.0000 → 0.5000"));
  EXPECT_THAT(text, HasSubstr("5,120 trained (0.0557 % of all), 5,120 receiving gradient"));
  EXPECT_THAT(text, HasSubstr("1 min 01 s"));
  EXPECT_THAT(text, HasSubstr("unchanged"));
  EXPECT_THAT(text, ContainsRegex("folder +runs/x"));
  EXPECT_THAT(text, Not(HasSubstr("token ids")));
  EXPECT_THAT(text, Not(HasSubstr("ranked")));
  record.config = {{"eval", {{"mode", "rank"}, {"rank_score", "mean"}}}};
  record.answers = "ranked";
  record.ledger["prompt_tokens"] = 1234;
  record.backbone.checksum_after = "other";
  record.phases[0].peak_is_of_phase = false;
  text = describe_run(record, "runs/x");
  EXPECT_THAT(text, HasSubstr("CHANGED"));
  EXPECT_THAT(text, HasSubstr("(since the start)"));
  EXPECT_THAT(text, HasSubstr("1,234 prompt token ids"));
  EXPECT_THAT(text, HasSubstr("ranked by the mean of their log-probabilities"));
  EXPECT_THAT(text, Not(HasSubstr("unchanged")));
}

TEST(RunReport, AFailureHasItsMessageAndNoInventedNumbers) {
  RunRecord record;
  record.id = "m";
  record.status = "failed";
  record.message = "the loss is not a number";
  record.method.name = "lora";
  record.method.version = "1.0.0";
  record.task.name = "movies";
  record.backbone.name = "t5";
  record.backbone.parameters = 1234;
  record.backbone.precision = "float32";
  EXPECT_EQ(describe_run(record, "runs/m"),
            "  run       m  (failed)\n"
            "  message   the loss is not a number\n"
            "  method    lora 1.0.0\n"
            "  task      movies\n"
            "  backbone  t5, 1,234 frozen parameters, float32\n"
            "  folder    runs/m\n");
}

TEST(RunReport, LedgerOfAPlan) {
  const std::string text =
      describe_ledger({{"trained", 409600}, {"percent", 0.00367824}, {"stored", 409600}}, 11135332352);
  EXPECT_THAT(text, HasSubstr("11,135,332,352"));
  EXPECT_THAT(text, HasSubstr("409,600 (0.00368 % of all)"));
  EXPECT_THAT(text, ContainsRegex("after merging +unknown"));
  EXPECT_THAT(text, Not(HasSubstr("prompt ids")));
  EXPECT_THAT(describe_ledger({{"prompt_tokens", 1234}}, 1), ContainsRegex("prompt ids +1,234"));
  EXPECT_THAT(describe_ledger({{"prompt_tokens", nullptr}}, 1), ContainsRegex("prompt ids +unknown"));
}

// In F1 always answering "no" is worth nothing: the best constant answer may be another than the most frequent label.
TEST(ConstantText, NamesTheAnswerThatReachesIt) {
  EXPECT_EQ(constant_text({"test", "f1", 0.5, 10, {}, 0.6, "True"}, "False"), "0.600 for always answering 'True'");
  EXPECT_EQ(constant_text({"test", "accuracy", 0.5, 10, {}, 0.6, ""}, "False"), "0.600 for always answering 'False'");
  EXPECT_EQ(constant_text({"test", "mean", 0.5, 10, {}, 0.6, ""}, ""), "0.600 for constant answers");
}

}  // namespace
}  // namespace peftbench::report_test
