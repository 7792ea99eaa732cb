#include "data/preprocess/preprocess.h"
#include "support/layers.h"

#include "core/random.h"
#include "data/preprocess/formatter.h"
#include "data_fixture.h"

#include <nlohmann/json.hpp>

#include <set>

namespace peftbench::preprocess_test {

using namespace layers;

namespace {

using Json = nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string input(const TextExample& example) {
  std::string text;
  for (const Piece& piece : example.input) text += piece.text;
  return text;
}

class PreprocessTest : public DataTest {
 protected:
  LoadedRow format(const std::string& yaml, const Json& row, Split split = Split::train) const {
    const TaskConfig config = task("source: rows.jsonl\n" + yaml);
    const auto reader = RowReader::open(write("rows.jsonl", row.dump() + "\n"), config.spec->source);
    EXPECT_TRUE(reader->next());
    return Formatter(config).format(*reader, split);
  }
  // The input of a row that is only answered.
  std::string asked(const std::string& yaml, const Json& row) const {
    const TaskConfig config = task("source: rows.jsonl\n" + yaml);
    const auto reader = RowReader::open(write("rows.jsonl", row.dump() + "\n"), config.spec->source);
    EXPECT_TRUE(reader->next());
    return input(Formatter(config).format_input(*reader));
  }
  std::string fault(const std::string& yaml, const Json& row, Split split = Split::train) const {
    return message<DataError>([&] { format(yaml, row, split); });
  }
  // Texts of a training file, each row also in validation, under the split's key.
  TaskData load_rows(const std::string& yaml, const std::string& train, const std::string& test = {}) const {
    write("train.jsonl", train);
    write("validation.jsonl", train);
    write("test.jsonl", test);
    return load("source: {train: train.jsonl, validation: validation.jsonl" +
                std::string(test.empty() ? "" : ", test: test.jsonl") + "}\n" + yaml);
  }
};

const std::string wsc = "preprocess: wsc\nprefix: 'wsc:'\ninput: '{text}'\ntarget: '{referent}'\n";
const std::string record =
    "preprocess: record\nprefix: record\ninput: 'query: {query} entities: {entities} passage: {passage}'\n"
    "target: '{answer}'\n";
const std::string squad = "preprocess: squad\ninput: 'question: {question} context: {context}'\ntarget: '{answer}'\n";
const std::string stsb = "preprocess: stsb\ninput: 'a: {a}'\ntarget: '{score}'\n";
const std::string wnli = "preprocess: wnli\nprefix: 'wsc:'\ninput: '{text}'\ntarget: '{referent}'\n";
const std::string official = "split: {test: 0, overlap: keep}\n";

Json wsc_row(const std::string& text, const std::string& span1, int index1, const std::string& span2, int index2,
             const Json& label = 1) {
  return {{"text", text},        {"span1_text", span1},   {"span1_index", index1},
          {"span2_text", span2}, {"span2_index", index2}, {"label", label}};
}

Json record_row() {
  return {{"query", "It was @placeholder."},
          {"entities", {"C", "A", "B", "A"}},
          {"passage", "This is the passage\n@highlight\nAnother sentence.\n@highlight\nThird sentence."},
          {"answers", {"C", "A"}},
          {"passage_idx", 1},
          {"query_idx", 2}};
}

TEST_F(PreprocessTest, TemplatesAreT5sGlue) {
  const std::string labels = "labels: {0: not_duplicate, 1: duplicate}\ntarget: '{label}'\nprefix: qqp\n";
  const Json row = {{"q1", "How so?"}, {"q2", "Why not?"}, {"q3", "Who?"}, {"label", 0}};
  const std::string all = labels + "input: 'q1: {q1} q2: {q2} q3: {q3}'\n";
  EXPECT_EQ(input(format(all, row).example), "qqp q1: How so? q2: Why not? q3: Who?");
  EXPECT_EQ(format(all, row).example.target, "not_duplicate");
  EXPECT_EQ(input(format(labels + "input: 'q3: {q3} q1: {q1}'\n", row).example), "qqp q3: Who? q1: How so?");
  Json bare = row;
  bare["label"] = -1;
  const LoadedRow unlabelled = format(all, bare, Split::test);
  EXPECT_EQ(unlabelled.example.target, "<unk>");
  EXPECT_EQ(unlabelled.example.label, -1);
  EXPECT_FALSE(unlabelled.labelled);
  EXPECT_THAT(fault(all, bare), HasSubstr("rows.jsonl:1: unknown label"));
  bare.erase("label");
  EXPECT_FALSE(format(all, bare, Split::test).labelled);
  EXPECT_THAT(fault(all, bare, Split::validation), HasSubstr("the field 'label' is missing"));
}

TEST_F(PreprocessTest, RecordHasAnExampleForEachAnswerItIsTrainedOn) {
  const LoadedRow row = format(record, record_row());
  EXPECT_EQ(input(row.example),
            "record query: It was @placeholder. entities: A, B, C passage: This is the passage. Another sentence. "
            "Third sentence.");
  EXPECT_THAT(row.example.references, ElementsAre("A", "C"));
  EXPECT_EQ(row.example.group, "1/2");
  const TaskData data = load_rows(record + official, record_row().dump() + "\n");
  ASSERT_EQ(data.train.size(), 2u);
  EXPECT_EQ(data.train[0].target, "A");
  EXPECT_EQ(data.train[1].target, "C");
  EXPECT_EQ(input(data.train[1]), input(row.example));
  ASSERT_EQ(data.validation.size(), 1u);
  EXPECT_THAT(data.validation[0].references, ElementsAre("A", "C"));
}

TEST_F(PreprocessTest, RecordEndsWhatIsHighlighted) {
  for (const auto& [end, joined] :
       {std::pair{"a", "a. b"}, std::pair{"a.", "a. b"}, std::pair{"a?", "a? b"}, std::pair{"a!", "a! b"},
        std::pair{"a\"", "a\" b"}, std::pair{"a'", "a' b"}, std::pair{"", ". b"}}) {
    Json row = record_row();
    row["passage"] = std::string(end) + "\n@highlight\nb";
    const std::string text = input(format(record, row).example);
    EXPECT_EQ(text.substr(text.find("passage: ") + 9), joined);
  }
}

TEST_F(PreprocessTest, RecordWithoutAnswersIsOfATest) {
  Json row = record_row();
  row.erase("answers");
  EXPECT_EQ(format(record, row, Split::test).example.target, "<unk>");
  EXPECT_THAT(fault(record, row), HasSubstr("the row has no correct answer"));
  row.erase("entities");
  EXPECT_THAT(fault(record, row, Split::test), HasSubstr("the row has no entities"));
}

TEST_F(PreprocessTest, SquadPadsPunctuation) {
  const Json row = {{"question", "A question?"},
                    {"context", "Some context.\n\n(Naïve, 3.5 % – co-op_x)"},
                    {"answers", {{{"text", "The answer."}}, {{"text", "$5"}}}}};
  const LoadedRow loaded = format(squad, row);
  EXPECT_EQ(input(loaded.example), "question: A question ? context: Some context . ( Naïve , 3 . 5 % – co - op _ x ) ");
  EXPECT_EQ(loaded.example.target, "The answer . ");
  EXPECT_THAT(loaded.example.references, ElementsAre("The answer . ", " $ 5"));
  const Json hub = {
      {"question", " Why"}, {"context", ""}, {"answers", {{"text", {"a", "b"}}, {"answer_start", {1, 2}}}}};
  EXPECT_EQ(input(format(squad, hub).example), "question: Why context: ");
  EXPECT_THAT(format(squad, hub).example.references, ElementsAre("a", "b"));
}

TEST_F(PreprocessTest, StsbRoundsHalvesToEven) {
  for (const auto& [score, text] : {std::pair{2.8, "2.8"}, std::pair{1.66, "1.6"}, std::pair{0.5, "0.4"},
                                    std::pair{1.1, "1.2"}, std::pair{1.7, "1.6"}, std::pair{2.5, "2.4"},
                                    std::pair{3.75, "3.8"}, std::pair{0.0, "0.0"}, std::pair{5.0, "5.0"}})
    EXPECT_EQ(format(stsb, {{"a", "x"}, {"score", score}}).example.target, text) << score;
  EXPECT_EQ(format(stsb, {{"a", "x"}, {"score", -1.0}}, Split::test).example.target, "<unk>");
  EXPECT_THAT(fault(stsb, {{"a", "x"}, {"score", -1.0}}), HasSubstr("the row has no correct answer"));
  EXPECT_THAT(fault(stsb, {{"a", "x"}, {"score", 5.5}}), HasSubstr("out of range"));
  EXPECT_THAT(fault(stsb, {{"a", "x"}, {"score", "nan"}}), HasSubstr("is not a number"));
}

TEST_F(PreprocessTest, WscMarksThePronoun) {
  const std::string text = "Mitchell asked Tom if he could lend some money.";
  const LoadedRow row = format(wsc, wsc_row(text, "Tom", 2, "he", 4));
  EXPECT_EQ(input(row.example), "wsc: Mitchell asked Tom if *he* could lend some money.");
  EXPECT_EQ(row.example.target, "Tom");
  EXPECT_EQ(row.example.label, 1);
  EXPECT_EQ(format(wsc, wsc_row(text, "Tom", 2, "he", 4, false)).example.label, 0);
  // At the ends of the text, and with two spaces between words.
  EXPECT_EQ(input(format(wsc, wsc_row("I told him", "I", 0, "him", 2)).example), "wsc: I told *him* ");
  EXPECT_EQ(input(format(wsc, wsc_row("He told me", "me", 2, "He", 0)).example), "wsc: *He* told me");
  EXPECT_EQ(input(format(wsc, wsc_row("Ann  saw her .", "Ann", 0, "her", 3)).example), "wsc: Ann  saw *her* .");
}

TEST_F(PreprocessTest, WscMendsSpansAsItsFixedVersionDoes) {
  const std::string text = "The man saw Ann, but he left her";
  EXPECT_EQ(format(wsc, wsc_row(text, "the man.", 0, "he", 5)).example.target, "The man");
  EXPECT_EQ(format(wsc, wsc_row(text, "Man\nsaw", 1, "he", 5)).example.target, "man saw");
  EXPECT_EQ(format(wsc, wsc_row(text, "Kamenev and Zinoviev", 1, "he", 5)).example.target, "Kamenev and Zinoviev");
  EXPECT_EQ(input(format(wsc, wsc_row(text, "Ann", 3, "He.", 5)).example), "wsc: The man saw Ann, but *he* left her");
}

TEST_F(PreprocessTest, WscWritesTwoTextsOut) {
  const std::string pony =
      "The boy continued to whip the pony , and eventually the pony threw him over. John laughed out quite loud. "
      "\"Good for him,\" he said. ";
  EXPECT_EQ(input(format(wsc, wsc_row(pony, "The boy", 0, "him", 21)).example),
            "wsc: The boy continued to whip the pony , and eventually the pony threw him over. John laughed out quite "
            "loud. \"Good for *him* ,\" he said.");
  const std::string pebble =
      "When they had eventually calmed down a bit , and had gotten home, Mr. Farley put the magic pebble in an iron "
      "safe . Some day they might want to use it , but really for now, what more could they wish for?";
  EXPECT_THAT(input(format(wsc, wsc_row(pebble, "pebble", 19, "it", 29)).example), HasSubstr("to use *it* , but"));
}

TEST_F(PreprocessTest, WscTrainsOnTrueReferentsAlone) {
  const std::string text = "Ann saw Eve when she left";
  const std::string rows =
      wsc_row(text, "Ann", 0, "she", 4, true).dump() + "\n" + wsc_row(text, "Eve", 2, "she", 4, false).dump() + "\n";
  const TaskData data = load_rows(wsc + official, rows);
  ASSERT_EQ(data.train.size(), 1u);
  EXPECT_EQ(data.train[0].target, "Ann");
  EXPECT_EQ(data.validation.size(), 2u);
  EXPECT_THAT(fault(wsc, wsc_row(text, "Ann", 0, "she", 3)), HasSubstr("the pronoun is not where"));
  EXPECT_THAT(fault(wsc, wsc_row(text, "Ann", 0, "she", 99)), HasSubstr("no word 99"));
  EXPECT_THAT(fault(wsc, wsc_row(text, "Ann", 0, "she", -4)), HasSubstr("'span2_index' is not a word index"));
  EXPECT_THAT(fault(wsc, wsc_row(text, "Ann", 0, "she", 4, "maybe")), HasSubstr("neither true nor false"));
}

TEST_F(PreprocessTest, WnliFindsPronounAndReferent) {
  const auto row = [&](const std::string& premise, const std::string& hypothesis) {
    return format(wnli, {{"sentence1", premise}, {"sentence2", hypothesis}, {"label", 1}}).example;
  };
  TextExample example =
      row("Lily spoke to Donna breaking her silence.", "Lily spoke to Donna breaking Donna's silence.");
  EXPECT_EQ(input(example), "wsc: Lily spoke to Donna breaking *her* silence.");
  EXPECT_EQ(example.target, "Donna");
  example = row("The fish ate the worm. It was tasty.", "The worm was tasty.");
  EXPECT_EQ(input(example), "wsc: The fish ate the worm. *It* was tasty.");
  EXPECT_EQ(example.target, "The worm");
  example =
      row("Edward dropped adhesive tape onto his window sill, and when he pulled the tape off, some of the glue was "
          "stuck on "
          "it.",
          "Some of the glue was stuck on the window sill.");
  EXPECT_EQ(input(example),
            "wsc: Edward dropped adhesive tape onto his window sill, and when he pulled the tape off, some of the glue "
            "was stuck on *it* .");
  EXPECT_EQ(example.target, "the window sill");
  example = row("Al stole Bob's wallet and car, and then he was driving it really fast to get away.",
                "He was driving the car really fast to get away.");
  EXPECT_EQ(input(example),
            "wsc: Al stole Bob's wallet and car, and then he was driving *it* really fast to get away.");
  EXPECT_EQ(example.target, "the car");
  EXPECT_THAT(fault(wnli, {{"sentence1", "No such word."}, {"sentence2", "None."}, {"label", 1}}),
              HasSubstr("the first sentence has no pronoun"));
}

TEST_F(PreprocessTest, AnyTaskMayHaveReferencesAndGroups) {
  const std::string yaml =
      "references: answers\ngroup: [page, question]\ninput: '{question}'\ntarget: '{answers.0}'\n"
      "metrics: [squad_f1]\n";
  const LoadedRow row = format(yaml, {{"question", "q"}, {"page", 4}, {"answers", {"a", "b"}}});
  EXPECT_THAT(row.example.references, ElementsAre("a", "b"));
  EXPECT_EQ(row.example.group, "4/q");
  EXPECT_THAT(fault(yaml, {{"question", "q"}, {"page", 4}, {"answers", Json::array()}}),
              HasSubstr("the row has no correct answer"));
  EXPECT_THAT(config_error("source: a.csv\ninput: a\ntarget: b\nlabels: [b, c]\nreferences: x\n"),
              HasSubstr("task.yaml:5: 'labels' and 'references' cannot be combined"));
}

TEST_F(PreprocessTest, TestsHaveAllOfTheirLabelsOrNone) {
  const std::string yaml = "input: '{a}'\ntarget: '{label}'\nlabels: [no, yes]\nsplit: {overlap: keep}\n";
  const std::string train = "{\"a\": \"1\", \"label\": \"no\"}\n{\"a\": \"2\", \"label\": \"yes\"}\n";
  const TaskData data = load_rows(yaml, train, "{\"a\": \"3\"}\n{\"a\": \"4\", \"label\": -1}\n");
  EXPECT_FALSE(data.test_labelled);
  EXPECT_EQ(data.test[1].target, "<unk>");
  EXPECT_THAT(data.notes, ElementsAre(HasSubstr("no labels"), HasSubstr("2 rows of train are in validation too")));
  EXPECT_TRUE(load_rows(yaml, train, train).test_labelled);
  EXPECT_THAT(message<DataError>([&] { load_rows(yaml, train, train + "{\"a\": \"3\"}\n"); }),
              HasSubstr("test.jsonl:3: the row has no label, but other rows"));
}

TEST_F(PreprocessTest, AnInputNeedsNoAnswer) {
  const auto without = [](Json row, const std::vector<std::string>& keys) {
    for (const std::string& key : keys) row.erase(key);
    return row;
  };
  const Json wsc_given = wsc_row("The cat saw it .", "cat", 1, "it", 3);
  const Json squad_row = {{"question", "Who?"}, {"context", "A man, here."}, {"answers", {"A man"}}};
  const Json wnli_row = {{"sentence1", "The man saw the cat and it ran."}, {"sentence2", "The cat ran."}, {"label", 1}};
  const Json multirc_row = {{"paragraph", "<b>One</b>."}, {"question", "What?"}, {"answer", "One"},
                            {"paragraph_idx", 0},         {"question_idx", 1},   {"label", 1}};
  const std::string multirc =
      "preprocess: multirc\ninput: '{paragraph} {question} {answer}'\ntarget: '{label}'\nlabels: {0: no, 1: yes}\n";
  EXPECT_EQ(asked(wsc, without(wsc_given, {"label", "span1_text", "span1_index"})),
            input(format(wsc, wsc_given).example));
  EXPECT_EQ(asked(squad, without(squad_row, {"answers"})), input(format(squad, squad_row).example));
  EXPECT_EQ(asked(wnli, without(wnli_row, {"label"})), input(format(wnli, wnli_row).example));
  EXPECT_EQ(asked(record, without(record_row(), {"answers", "passage_idx", "query_idx"})),
            input(format(record, record_row()).example));
  EXPECT_EQ(asked(multirc, without(multirc_row, {"label", "paragraph_idx", "question_idx"})),
            input(format(multirc, multirc_row).example));
  EXPECT_EQ(asked(stsb, {{"a", "x"}}), "a: x");
  EXPECT_EQ(asked(stsb, {{"a", "x"}, {"score", "none"}}), "a: x") << "the answer is not looked at";
  EXPECT_THAT(message<DataError>([&] { asked(squad, without(squad_row, {"question"})); }),
              HasSubstr("rows.jsonl:1: the field 'question' is missing"));
}

TEST_F(PreprocessTest, AnInputMadeFromTheAnswerIsTold) {
  const auto needs = [&](const std::string& yaml) { return input_needs_answer(task("source: rows.jsonl\n" + yaml)); };
  for (const std::string& yaml : {wsc, record, squad, stsb, wnli}) EXPECT_FALSE(needs(yaml)) << yaml;
  const auto problem = needs("preprocess: stsb\ninput: 'a: {a} {score}'\ntarget: '{score}'\n");
  ASSERT_TRUE(problem);
  EXPECT_THAT(problem->found, HasSubstr("{score}"));
}

TEST_F(PreprocessTest, AnInputsFieldsAreThoseOfARow) {
  const auto fields = [&](const std::string& yaml) { return input_fields(*task("source: rows.jsonl\n" + yaml).spec); };
  EXPECT_THAT(fields("input: 'q: {a} {b} {a}'\ntarget: '{c}'\n"), ElementsAre("a", "b"));
  EXPECT_THAT(fields("fields: {side: {from: stars, cut: [3], words: [bad, good]}}\ninput: '{side}'\ntarget: '{c}'\n"),
              ElementsAre("stars"));
  EXPECT_THAT(fields(squad), ElementsAre("question", "context"));
  EXPECT_THAT(fields(wnli), ElementsAre("sentence1", "sentence2"));
}

TEST_F(PreprocessTest, BadKeysAreRefused) {
  const std::string rest = "source: a.csv\ninput: a\ntarget: b\n";
  EXPECT_THAT(config_error(rest + "preprocess: sqad\n"), HasSubstr("did you mean 'squad'?"));
  EXPECT_THAT(config_error(rest + "prefix: two words\n"), HasSubstr("more than one word"));
  EXPECT_THAT(config_error(rest + "split: {overlap: maybe}\n"), HasSubstr("keep or drop"));
  EXPECT_THAT(config_error(rest + "split: {validation: 0}\n"), HasSubstr("a split size"));
  for (const char* name : {"/a", "a/", "../a", "a//b", "a/./b", "a b", ".a"})
    EXPECT_THAT(config_error(rest + "name: " + name + "\n"), HasSubstr("invalid task name")) << name;
}

TEST(Preprocessors, DescribeThemselves) {
  std::set<std::string> names;
  for (const Preprocessor& preprocessor : preprocessors()) {
    EXPECT_TRUE(names.insert(preprocessor.name).second);
    EXPECT_FALSE(preprocessor.summary.empty());
    EXPECT_THAT(preprocessor.makes, testing::Not(IsEmpty()));
  }
}

// Values of any kind in any field: a row is formatted, or refused with its place.
TEST_F(PreprocessTest, StrangeRowsAreRefusedWithTheirPlace) {
  Random random(7);
  const std::vector<Json> values = {nullptr,
                                    true,
                                    -1,
                                    0,
                                    1,
                                    4,
                                    1e300,
                                    "",
                                    "it",
                                    "He saw it .",
                                    "<b>\n@highlight\n",
                                    " X ",
                                    "\xc3\xa9 \xe2\x80\x94",
                                    Json::array(),
                                    Json::array({"a", nullptr, 3}),
                                    Json::array({{{"text", "b"}, {"start", 0}, {"end", 99}}}),
                                    Json::array({{{"start", "x"}}}),
                                    Json::object({{"text", {"c"}}})};
  const std::vector<std::string> tasks = {
      wsc, record, squad, stsb, wnli, "preprocess: multirc\ninput: '{paragraph}{question}'\ntarget: '{answer}'\n"};
  int formatted = 0;
  for (int round = 0; round < 600; ++round) {
    Json row = {{"a", "x"}};
    for (const Preprocessor& preprocessor : preprocessors()) {
      for (std::string name : preprocessor.reads) {
        if (name.ends_with("[]")) name.resize(name.size() - 2);
        if (random.below(8) > 0) row[name] = values[random.below(values.size())];
      }
    }
    row["spans"] = values[random.below(values.size())];
    const std::string& yaml = tasks[random.below(tasks.size())];
    try {
      const LoadedRow loaded = format(yaml, row, random.below(2) == 0 ? Split::test : Split::train);
      EXPECT_EQ(loaded.labelled, loaded.example.target != "<unk>");
      ++formatted;
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr("rows.jsonl:1: "));
    }
  }
  EXPECT_GT(formatted, 20);
}

}  // namespace
}  // namespace peftbench::preprocess_test
