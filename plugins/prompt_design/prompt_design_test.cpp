#include "plugin/schema.h"
#include "run/planning.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"

#include <peftbench/abi.h>
#include <peftbench/error.h>
#include <peftbench/method.h>

#include <gmock/gmock.h>

#include <map>
#include <set>
#include <sstream>

extern "C" const peftbench::PluginHeader peftbench_plugin;

namespace peftbench::prompt_design_test {

using namespace layers;

namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const MethodRegistrar& registrar() {
  static const MethodRegistrar made = [] {
    MethodRegistrar fresh;
    peftbench_plugin.register_method(fresh);
    return fresh;
  }();
  return made;
}

CompiledPlan plan(const GivenValues& given, const TaskShape& task = {}) {
  const auto method = registrar().factory()(parse_values("prompt_design", registrar().schema(), given));
  PlanBuilder builder(support::tiny_spec(), task);
  method->plan(builder.backbone(), builder);
  return CompiledPlan(builder.finish());
}

std::string refusal(const GivenValues& given, const TaskShape& task = {}) {
  try {
    plan(given, task);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

// A token is a word.
int64_t words(const std::string& text) {
  std::istringstream stream(text);
  int64_t count = 0;
  for (std::string word; stream >> word;) ++count;
  return count;
}

TextExample example(const std::string& text, const std::string& target, int label) {
  return {{Piece::of_text("review: "), Piece::of_text(text, "text")}, target, label, {}, {}};
}

// Thirty of one label and ten of the other; number i is "t i".
std::vector<TextExample> training_set() {
  std::vector<TextExample> all;
  for (int i = 0; i < 40; ++i) all.push_back(example("t " + std::to_string(i), i % 4 ? "good" : "bad", i % 4 ? 1 : 0));
  return all;
}

struct Request {
  GivenValues given;
  std::string query = "q";
  int64_t max_tokens = 1000;
  uint64_t seed = 7;
};

std::vector<Piece> arranged(const Request& request, const std::vector<TextExample>& examples = training_set()) {
  const CompiledPlan made = plan(request.given);
  return made.only()->layout->arrange(
      {example(request.query, "good", 1), examples, words, request.max_tokens, 0, request.seed});
}

std::string text(const Request& request) {
  std::string all;
  for (const Piece& piece : arranged(request)) all += piece.text;
  return all;
}

// Numbers of the examples that are shown, in their order.
std::vector<int> shown(const Request& request) {
  std::vector<int> numbers;
  const std::string all = text(request), mark = "review: t ";
  for (auto at = all.find(mark); at != std::string::npos; at = all.find(mark, at + 1))
    numbers.push_back(std::stoi(all.substr(at + mark.size())));
  return numbers;
}

TEST(PromptDesign, AHardPromptIsTheTemplateAndNothingElse) {
  EXPECT_EQ(text({{{"shots", "0"}}}), "review: q answer:");
  EXPECT_EQ(text({{{"shots", "0"}, {"template", "Is '{text}' good?"}, {"instruction", "Judge."}}}),
            "Judge. Is 'q' good?");
  const CompiledPlan made = plan({});
  EXPECT_THAT(made.claimed_sites(), ::testing::ElementsAre("layout"));
  EXPECT_THAT(made.slots(), IsEmpty());
}

TEST(PromptDesign, ShotsStandBetweenInstructionAndInput) {
  const Request request{{{"shots", "2"}, {"instruction", "Judge."}, {"separator", " | "}}};
  const std::vector<int> numbers = shown(request);
  ASSERT_EQ(numbers.size(), 2u);
  std::string expected = "Judge. | ";
  for (const int i : numbers)
    expected += "review: t " + std::to_string(i) + " answer: " + (i % 4 ? "good" : "bad") + " | ";
  EXPECT_EQ(text(request), expected + "review: q answer:");
}

TEST(PromptDesign, TheSeedChoosesTheShots) {
  const GivenValues eight{{"shots", "8"}};
  const std::vector<int> first = shown({eight});
  EXPECT_EQ(first, shown({eight, "another"}));
  EXPECT_NE(first, shown({eight, "q", 1000, 8}));
  EXPECT_EQ(std::set<int>(first.begin(), first.end()).size(), 8u);
  EXPECT_EQ(shown({{{"shots", "4"}}}), std::vector<int>(first.begin(), first.begin() + 4));
  // Fixed, so that other machines and compilers draw the same.
  EXPECT_THAT(shown({{{"shots", "4"}}, "q", 1000, 1}), ::testing::ElementsAre(8, 9, 24, 38));
}

TEST(PromptDesign, LabelsAreBalancedWhileThereAreAny) {
  const auto bad = [](const std::vector<int>& numbers) {
    return std::count_if(numbers.begin(), numbers.end(), [](int i) { return i % 4 == 0; });
  };
  EXPECT_EQ(bad(shown({{{"shots", "8"}}})), 4);
  EXPECT_EQ(bad(shown({{{"shots", "20"}}})), 10);
  EXPECT_EQ(bad(shown({{{"shots", "30"}}})), 10);  // all of them
  EXPECT_EQ(shown({{{"shots", "64"}}}).size(), 40u);
}

TEST(PromptDesign, NoShotIsCut) {
  // Query: review: q answer: and EOS, 4 ids; a shot: review: t 12 answer: good, 5.
  for (const auto& [room, fitting] : std::map<int64_t, std::size_t>{{8, 0}, {9, 1}, {13, 1}, {14, 2}, {44, 8}, {90, 8}})
    EXPECT_EQ(shown({{{"shots", "8"}}, "q", room}).size(), fitting) << room;
  EXPECT_EQ(shown({{{"shots", "8"}}, "a longer one", 14}).size(), 1u);
  EXPECT_EQ(text({{{"shots", "8"}, {"instruction", "Judge."}}, "q", 9}), "Judge. review: q answer:");
}

TEST(PromptDesign, AShorterShotThatFitsIsTakenWhereALongerOneDoesNot) {
  std::vector<TextExample> examples = training_set();
  examples.resize(2);  // one of each label
  examples[0] = example("long and long and long", "bad", 0);
  const Request request{{{"shots", "2"}}, "q", 9};
  std::string all;
  for (const Piece& piece : arranged(request, examples)) all += piece.text;
  EXPECT_EQ(all, "review: t 1 answer: good review: q answer:");
}

TEST(PromptDesign, AnExampleIsNotItsOwnShot) {
  const std::vector<int> numbers = shown({{{"shots", "40"}}, "t 12"});
  EXPECT_EQ(std::count(numbers.begin(), numbers.end(), 12), 1);  // the query itself
  EXPECT_EQ(numbers.back(), 12);
  EXPECT_EQ(numbers.size(), 40u);
}

// Only the input has a field's name, so nothing else is shortened.
TEST(PromptDesign, AnInputThatIsTooLongIsCutAndTheInstructionIsNot) {
  int named = 0;
  for (const Piece& piece : arranged({{{"shots", "3"}, {"instruction", "Judge."}}})) {
    if (piece.name.empty()) continue;
    EXPECT_EQ(piece.text, "q");
    ++named;
  }
  EXPECT_EQ(named, 1);
}

TEST(PromptDesign, TheAnswerFollowsTheMarker) {
  const CompiledPlan made = plan({{"answer_marker", "the answer is"}});
  const LayoutHook& hook = *made.only()->layout;
  EXPECT_EQ(hook.answer("It glows. The answer is: positive."), "positive");
  EXPECT_EQ(hook.answer("the answer is no, wait, the answer is negative"), "negative");
  EXPECT_EQ(hook.answer("positive."), "positive.");
  EXPECT_EQ(hook.answer("so the answer is"), "");
  EXPECT_EQ(plan({}).only()->layout->answer("the answer is positive."), "the answer is positive.");
}

TEST(PromptDesign, WhatCannotBeAskedIsRefused) {
  EXPECT_THAT(schema_faults(registrar().schema()), IsEmpty());
  EXPECT_THAT(refusal({{"template", "what is it?"}}), HasSubstr("does not contain the example"));
  EXPECT_THAT(refusal({{"template", "[3] {input}"}}), HasSubstr("p_tuning"));
  EXPECT_THAT(refusal({{"shot_template", "{target} [1] {input}"}}), HasSubstr("p_tuning"));
  for (const char* shot : {"{input} answer:", "{target} alone", ""})
    EXPECT_THAT(refusal({{"shot_template", shot}}), HasSubstr("must contain an example")) << shot;
  EXPECT_EQ(refusal({{"shot_template", "{target}: {text}"}}, {{}, {"text"}}), "accepted");
  EXPECT_THAT(refusal({{"shot_template", "{target}: {word}"}}, {{}, {"text"}}), HasSubstr("{input}, or one of text"));
  EXPECT_THAT(refusal({{"template", "{word}"}}, {{}, {"text"}}), HasSubstr("a field that the task does not have"));
  try {
    arranged({{{"shots", "2"}}}, {});
    FAIL() << "accepted";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("set shots=0"));
  }
}

// As Lester et al. count a designed prompt: ids, and no trained number. Its examples come laid out.
TEST(PromptDesign, TheLedgerCountsIdsAndTheOperationsThatTheyCost) {
  const LoadedPlugin plugin{"", "prompt_design", "", "", "", "", registrar().schema(), registrar().factory()};
  const BackboneSpec spec = support::tiny_spec();
  const std::vector<EncodedExample> encoded(2, {std::vector<int64_t>(26, 5), {}, {7, 1}, 1, {}});
  const PlanSample sample{encoded, {example("q", "good", 1), training_set(), words, 1000, 7}};
  const Values values = parse_values("prompt_design", plugin.schema, {{"shots", "4"}, {"instruction", "Judge."}});
  const Ledger ledger = plan_ledger(plugin, values, spec, {}, {}, &sample);
  EXPECT_EQ(ledger.prompt_tokens, 1 + 4 * 5 + 1);  // Judge. and four shots, and answer:
  EXPECT_EQ(ledger.added_encoder_length, ledger.prompt_tokens);
  EXPECT_EQ(ledger.total.trained + ledger.total.stored, 0);
  ASSERT_TRUE(ledger.flops);
  const FlopCounts expected = count_flops(spec, {}, measure(spec, {}), {{26, 26}, {2, 2}});
  EXPECT_DOUBLE_EQ(ledger.flops->forward, expected.forward);
  EXPECT_EQ(ledger.flops->training_step, 0);
}

}  // namespace
}  // namespace peftbench::prompt_design_test
