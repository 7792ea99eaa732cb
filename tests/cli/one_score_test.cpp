// A run has one score on a task, whoever asks: the run itself, `eval` and `ensemble`. // S23
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace peftbench::one_score_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::HasSubstr;
using testing_support::run;

class OneScore : public testing::Test {
 protected:
  OneScore() : parity_(write_task(scratch_)) {
    turned_ = task("turned", "{parity}", "[odd, even]");
    std::string rows = file_text(scratch_.path() / "parity.jsonl");
    const std::vector<std::pair<std::string, std::string>> words = {{"\"odd\"", "\"strange\""},
                                                                    {"\"even\"", "\"plain\""}};
    for (const auto& [word, kind] : words)
      for (std::size_t at = rows.find(word); at != std::string::npos; at = rows.find(word, at))
        rows.replace(at, word.size(), kind);
    scratch_.write("kinds.jsonl", rows);
    kinds_ = task("kinds", "{parity}", "[strange, plain]", "kinds.jsonl");
  }
  fs::path task(const std::string& name, const std::string& target, const std::string& labels,
                const std::string& data = "parity.jsonl") const {
    return scratch_.write(name + ".yaml", "source: " + data + "\ninput: \"number: {text}\"\ntarget: \"" + target +
                                              "\"\nlabels: " + labels +
                                              "\nmetrics: [accuracy, macro_f1]\nsplit: {seed: 0, validation: 16, test: "
                                              "24}\nlimits: {input: 32, target: 6}\n");
  }
  fs::path trained(const std::string& out, const fs::path& task, const std::vector<std::string>& more) const {
    const Printed printed = run(short_run(task, scratch_.path() / out, more));
    EXPECT_EQ(printed.status, 0) << printed.err;
    return only_run(scratch_.path() / out);
  }
  fs::path head(const std::string& out, const fs::path& task) const {
    const Printed printed = run({"--method", "head_tuning", "--task", task.string(), "--backbone", "t5-nano-lm",
                                 "--out", (scratch_.path() / out).string(), "--steps", "30", "--threads", "1", "--set",
                                 "train=head", "--set", "train.learning_rate=0.05", "--set", "train.batch_size=8"});
    EXPECT_EQ(printed.status, 0) << printed.err;
    return only_run(scratch_.path() / out);
  }
  // The metrics that eval gives, and that an ensemble of all runs gives each of them, are equal to the digit.
  std::vector<json> agreed(const std::vector<fs::path>& runs, const std::vector<std::string>& more) const {
    std::vector<std::string> together = {"ensemble"};
    std::vector<json> alone;
    for (const fs::path& folder : runs) {
      together.push_back(folder.string());
      std::vector<std::string> words = {"eval", folder.string(), "--json"};
      words.insert(words.end(), more.begin(), more.end());
      const Printed printed = run(words);
      EXPECT_EQ(printed.status, 0) << printed.err;
      if (printed.status == 0) alone.push_back(json::parse(printed.out));
    }
    together.insert(together.end(), more.begin(), more.end());
    together.push_back("--json");
    const Printed printed = run(together);
    EXPECT_EQ(printed.status, 0) << printed.err;
    if (printed.status != 0 || alone.size() != runs.size()) return {};
    const json members = json::parse(printed.out).at("members");
    for (std::size_t m = 0; m < alone.size(); ++m) {
      for (const json& metric : alone[m].at("metrics"))
        EXPECT_EQ(members.at(m).at("metrics").at(metric.at("name").get<std::string>()), metric.at("value"));
      EXPECT_EQ(members.at(m).at("illegal_rate"), alone[m].at("illegal_rate"));
    }
    return alone;
  }
  static double accuracy(const json& from) { return from.at("metrics").at(0).at("value"); }
  static json record(const fs::path& run) { return json::parse(file_text(run / "record.json")); }

  Scratch scratch_;
  fs::path parity_, turned_, kinds_;
};

TEST_F(OneScore, HeadsThatLearntTheLabelsInAnotherOrder) {
  const fs::path a = head("a", parity_), b = head("b", turned_);
  ASSERT_NE(accuracy(record(a)), 0.5) << "an even score would not tell the orders apart";
  const std::vector<json> alone = agreed({a, b}, {"--task", turned_.string()});
  ASSERT_EQ(alone.size(), 2u);
  EXPECT_EQ(accuracy(alone[0]), accuracy(record(a)));
  EXPECT_EQ(accuracy(alone[1]), accuracy(record(b)));
}

TEST_F(OneScore, AnotherTaskWithALabelMapRankedAndGenerated) {
  const std::vector<std::string> map = {"--label-map", "even:plain,odd:strange"};
  for (const std::string mode : {"rank", "greedy"}) {
    std::vector<std::string> more = {"--eval-task", kinds_.string(), "--set", "eval.mode=" + mode};
    more.insert(more.end(), map.begin(), map.end());
    const fs::path a = trained("a-" + mode, parity_, more);
    const fs::path b = trained("b-" + mode, turned_, {"--set", "eval.mode=" + mode});
    const json own = record(a).at("tasks").at(0);
    std::vector<std::string> asked = {"--task", kinds_.string()};
    asked.insert(asked.end(), map.begin(), map.end());
    const std::vector<json> alone = agreed({a, b}, asked);
    ASSERT_EQ(alone.size(), 2u);
    EXPECT_EQ(alone[0].at("metrics"), own.at("metrics"));
    EXPECT_EQ(alone[0].at("illegal_rate"), own.at("illegal_rate"));
    EXPECT_EQ(accuracy(alone[0]), accuracy(record(a))) << "the words stand for the same labels";
    // The map that stands in a run's own configuration holds without the flag, in both.
    EXPECT_EQ(accuracy(agreed({a}, {"--task", kinds_.string()}).at(0)), accuracy(alone[0]));
  }
}

TEST_F(OneScore, SettingsWithoutEffectRefuseNothing) {
  const fs::path a = trained("a", parity_, {"--set", "eval.mode=greedy", "--set", "eval.rank_score=sum"});
  const fs::path b = trained("b", parity_,
                             {"--set", "eval.mode=greedy", "--set", "eval.rank_score=mean", "--set",
                              "eval.length_penalty=2", "--set", "task.max_input_tokens=31"});
  EXPECT_EQ(agreed({a, b}, {}).size(), 2u);
  const fs::path c = trained("c", parity_, {"--set", "eval.mode=rank", "--set", "eval.rank_score=mean"});
  const fs::path d = trained("d", parity_, {"--set", "eval.mode=rank", "--set", "eval.beams=3"});
  const Printed refused = run({"ensemble", c.string(), d.string()});
  EXPECT_EQ(refused.status, 2) << "another rank_score has an effect here";
  EXPECT_THAT(refused.err, HasSubstr("rank_score"));
  EXPECT_EQ(run({"ensemble", a.string(), "--label-map", "even:odd"}).status, 2) << "a map without another task";
}

}  // namespace
}  // namespace peftbench::one_score_test
