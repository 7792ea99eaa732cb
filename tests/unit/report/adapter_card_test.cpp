#include "report/adapter_card.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::adapter_card_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

RunRecord scored_run() {
  RunRecord r;
  r.id = "prompt_tuning-films-s1-0123456789";
  r.status = "running";
  r.program = {"0.1.0", "2.13.0"};
  r.method.name = "prompt_tuning";
  r.method.version = "1.0.0";
  r.method.summary = "Trained vectors";
  r.method.values = {{"length", 20}, {"init_words", Json::array()}};
  r.task.name = "films";
  r.task.source = "/home/someone/films.tsv";
  r.task.hash = "f00d";
  r.backbone.name = "t5-nano-lm";
  r.backbone.precision = "float32";
  r.backbone.checksum_before = "beef";
  r.seed = 3;
  r.config = {{"method", {{"name", "prompt_tuning"}, {"version", "1.0.0"}}},
              {"set", {{"length", 20}}},
              {"task", {{"name", "films"}, {"data", "f00d"}, {"definition", "dada"}}},
              {"eval", {{"tasks", {{{"name", "books"}, {"data", "0"}, {"definition", "1"}}}}}},
              {"train", {{"steps", 50}}},
              {"vocabulary", "abcd"},
              {"seed", 3}};
  r.ledger = {{"trained", 5120}, {"stored", 5120}, {"inference", 5120}, {"after_merge", 5120}, {"percent", 0.05}};
  r.metrics = {{"test", "accuracy", 0.75, 40, Interval{0.6, 0.86}, 0.5}};
  r.warnings = {"1 input is truncated"};
  return r;
}

std::string card(const RunRecord& record) { return adapter_card(card_facts(record, "huggingface", "peft")); }

TEST(AdapterCard, SaysWhatTheAdapterIs) {
  const std::string text = card(scored_run());
  EXPECT_THAT(text, StartsWith("---\nbase_model: \"t5-nano-lm\"\nlibrary_name: \"peft\"\n"));
  EXPECT_THAT(text, AllOf(HasSubstr("metrics: [\"accuracy\"]\n"), HasSubstr("model-index: [{\"name\":"),
                          HasSubstr("# prompt_tuning on films\n"), HasSubstr("| length | 20 |\n"),
                          HasSubstr("| films | test | accuracy | 0.750 | 0.600 to 0.860 | 40 | 0.500 |\n"),
                          HasSubstr("| trained | 5,120 |\n"), HasSubstr("| receiving gradient | unknown |\n")));
  EXPECT_THAT(text, AllOf(HasSubstr("- 1 input is truncated\n"), HasSubstr("PeftModel.from_pretrained"),
                          HasSubstr("peft-bench --config run.yaml"), HasSubstr("\"steps\": 50")));
  // Neither places of this machine nor what a run does not take as a setting.
  EXPECT_THAT(text, AllOf(Not(HasSubstr("/home/someone")), Not(HasSubstr("dada")), Not(HasSubstr("license"))));
  EXPECT_THAT(text, HasSubstr("\"tasks\": [\n   \"books\"\n  ]"));
  EXPECT_TRUE(is_own_card(text));
  EXPECT_FALSE(is_own_card("# my adapter\n"));
  EXPECT_EQ(card(scored_run()), text);
}

TEST(AdapterCard, TextsFromDataAreEscaped) {
  RunRecord record = scored_run();
  record.task.name = "films\n---\n<script>|*x*\xc2\x9b\x7f";
  record.backbone.name = "a: [b\n---\n";
  record.warnings = {"<img src=x>\n# not a title"};
  record.config["set"]["init_text"] = "```\n# not a title";
  const std::string text = card(record);
  EXPECT_THAT(text, StartsWith("---\nbase_model: \"a: [b\\n---\\n\"\n"));
  EXPECT_THAT(text, AllOf(Not(HasSubstr("<script>")), Not(HasSubstr("<img")), Not(HasSubstr("\n# not")),
                          HasSubstr("\\u009b\\u007f")));
  EXPECT_EQ(text.find("\n---\n", 4), text.find("\n---\n<!--"));  // the metadata end once
}

TEST(AdapterCard, OfAnAdapterAloneHasNoScores) {
  CardFacts facts{"peft-bench", "peft-bench", "lora", "1.0.0", {{"rank", 8}}, "t5-nano-lm", "", nullptr};
  const std::string text = adapter_card(facts);
  EXPECT_THAT(text, AllOf(HasSubstr("# lora\n"), HasSubstr("| trained on | unknown |"), HasSubstr("| rank | 8 |"),
                          Not(HasSubstr("## Scores")), Not(HasSubstr("model-index")), Not(HasSubstr("## Repeat"))));
}

TEST(AdapterCard, TheHubGetsResultsOfItsOwnDataAlone) {
  RunRecord record = scored_run();
  EXPECT_EQ(hub_results(record), "");
  record.task.source = "/c/datasets--aps--super_glue/snapshots/3de2/boolq/train/0.parquet";
  record.ended = "2026-12-01T22:35:46Z";
  EXPECT_EQ(
      hub_results(record),
      "- {\"dataset\":{\"id\":\"aps/super_glue\",\"task_id\":\"boolq\",\"revision\":\"3de2\"},\"value\":0.75,"
      "\"date\":\"2026-12-01T22:35:46Z\",\"notes\":\"accuracy on 40 examples of the test split, 95 % interval 0.600 "
      "to 0.860; prompt_tuning on t5-nano-lm, peft-bench 0.1.0\"}\n");
  EXPECT_THAT(card(record), HasSubstr("datasets: [\"aps/super_glue\"]\n"));
}

}  // namespace
}  // namespace peftbench::adapter_card_test
