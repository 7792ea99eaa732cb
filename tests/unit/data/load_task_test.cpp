#include "data_fixture.h"
#include "support/layers.h"

#include <map>
#include <set>

namespace peftbench::load_task_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string templates = "input: 'say: {text}'\ntarget: '{label}'\nlabels: [no, yes]\n";

std::string csv(int first, int last, const std::string& header = "text,label\n") {
  std::string text = header;
  for (int i = first; i < last; ++i) text += "text " + std::to_string(i) + (i % 2 == 0 ? ",no\n" : ",yes\n");
  return text;
}

std::string input(const TextExample& example) {
  std::string text;
  for (const Piece& piece : example.input) text += piece.text;
  return text;
}

class LoadTaskTest : public DataTest {
 protected:
  // One message for data that is a header, nine good rows and this one.
  std::string row_error(const std::string& row, const std::string& yaml = templates) const {
    write("r.csv", csv(0, 9) + row + "\n");
    return load_error("source: r.csv\n" + yaml);
  }
};

TEST_F(LoadTaskTest, SplitsOneFileAndFormatsItsRows) {
  write("r.csv", csv(0, 100));
  const TaskData data = load("source: r.csv\n" + templates);
  EXPECT_EQ(data.train.size(), 80u);
  EXPECT_EQ(data.validation.size(), 10u);
  EXPECT_EQ(data.test.size(), 10u);
  const TextExample& example = data.train.front();
  ASSERT_EQ(example.input.size(), 2u);
  EXPECT_EQ(example.input[0].text, "say: ");
  EXPECT_EQ(example.input[0].name, "");
  EXPECT_EQ(example.input[1].name, "text");
  const int line = std::stoi(data.train.origin(0).substr(data.train.origin(0).rfind(':') + 1));
  EXPECT_EQ(example.input[1].text, "text " + std::to_string(line - 2));
  EXPECT_EQ(example.target, line % 2 == 0 ? "no" : "yes");
  EXPECT_EQ(example.label, line % 2);
  EXPECT_EQ(data.source, folder_ / "r.csv");
}

TEST_F(LoadTaskTest, TheSourceLimitsItsRows) {
  write("r.csv", csv(0, 40) + std::string(100, 'x') + ",yes\n");
  EXPECT_THAT(load_error("source: {file: r.csv, max_row_bytes: 50}\n" + templates),
              AllOf(HasSubstr("r.csv:42:"), HasSubstr("more than 50 bytes"), HasSubstr("'max_row_bytes'")));
  const std::string wide = "source: {file: r.csv, max_row_bytes: 200, max_columns: 2}\n" + templates;
  EXPECT_EQ(load(wide).train.size() + load(wide).validation.size() + load(wide).test.size(), 41u);
  // They decide no result, so they are no part of a run's identity.
  EXPECT_EQ(task(wide).canonical, task("source: {file: r.csv}\n" + templates).canonical);
}

TEST_F(LoadTaskTest, SaysWhatShortAndLongRowsCost) {
  const std::string yaml = "source: {file: r.csv, short_rows: skip}\n" + templates;
  write("r.csv", csv(0, 40) + "short\nshorter\nlong,yes,more\n");
  const TaskData data = load(yaml);
  EXPECT_THAT(data.notes, ElementsAre("2 rows of r.csv with too few columns skipped",
                                      "1 row of r.csv with too many columns: the extra ones are ignored"));
  EXPECT_EQ(data.train.size() + data.validation.size() + data.test.size(), 41u);
  write("r.csv", csv(0, 40));
  EXPECT_THAT(load(yaml).notes, testing::IsEmpty());
  write("r.csv", "text,label\none\ntwo\n");
  EXPECT_THAT(load_error(yaml), AllOf(HasSubstr("r.csv:3: every row has too few columns"), HasSubstr("2 rows"),
                                      HasSubstr("text, label"), HasSubstr("'delimiter'")));
}

TEST_F(LoadTaskTest, TheHashSeesEveryExample) {
  write("r.csv", csv(0, 100));
  const std::string yaml = "source: r.csv\n" + templates;
  const std::string hash = load(yaml).hash;
  EXPECT_EQ(load(yaml + "summary: other\n").hash, hash);
  EXPECT_NE(load(yaml + "split: {seed: 1}\n").hash, hash);
  write("r.csv", csv(0, 99) + "text 99 ,yes\n");
  EXPECT_NE(load(yaml).hash, hash);
}

TEST_F(LoadTaskTest, IdenticalRowsNeverCrossSplits) {
  std::string text = "text,label\n";
  for (int copy = 0; copy < 3; ++copy) text += csv(0, 50, "");
  text += "text  7,yes\n";  // white space makes no other row
  write("r.csv", text);
  const TaskData data = load("source: r.csv\n" + templates);
  std::map<std::string, std::set<int>> where;
  int split = 0;
  for (const auto* examples : {&data.train, &data.validation, &data.test}) {
    for (const TextExample& example : *examples)
      where[input(example) == "say: text  7" ? "say: text 7" : input(example)].insert(split);
    ++split;
  }
  EXPECT_EQ(where.size(), 50u);
  for (const auto& [key, splits] : where) EXPECT_EQ(splits.size(), 1u) << key;
}

TEST_F(LoadTaskTest, WhiteSpaceAtTheEndsMakesNoOtherRow) {
  const std::vector<std::string> kinds = {"$", "$ ", " $", "\t$", "$\v", "$\f", "\r\n$\n", "\f\v$ \t"};
  std::string text = "text,label\n";
  for (const std::string& kind : kinds) {
    for (int i = 0; i < 50; ++i) {
      std::string row = kind;
      text += "\"" + row.replace(row.find('$'), 1, "text\v " + std::to_string(i)) + "\",no\n";
    }
  }
  write("r.csv", text);
  const TaskData data = load("source: r.csv\ninput: '{text}'\ntarget: '{label}'\n");
  std::map<std::string, std::set<int>> where;
  int split = 0;
  for (const auto* examples : {&data.train, &data.validation, &data.test}) {
    for (const TextExample& example : *examples) {
      const std::string whole = input(example), digits = "0123456789";
      const std::size_t first = whole.find_first_of(digits), last = whole.find_last_of(digits);
      where[whole.substr(first, last - first + 1)].insert(split);
    }
    ++split;
  }
  EXPECT_EQ(where.size(), 50u);
  for (const auto& [key, splits] : where) EXPECT_EQ(splits.size(), 1u) << key;
}

TEST_F(LoadTaskTest, RowsOfOneSourceStayTogether) {
  std::string text = "id,text,label\n";
  for (int i = 0; i < 200; ++i) text += std::to_string(i % 40) + ",text " + std::to_string(i) + ",no\n";
  write("r.csv", text);
  const TaskData data = load(
      "source: r.csv\nsplit: {by: id, validation: 20, test: 20}\ninput: '{id} {text}'\ntarget: '{label}'\nlabels: [no, "
      "yes]\n");
  EXPECT_EQ(data.test.size(), 20u);
  std::map<std::string, std::set<int>> where;
  int split = 0;
  for (const auto* examples : {&data.train, &data.validation, &data.test}) {
    for (const TextExample& example : *examples) where[example.input[0].text].insert(split);
    ++split;
  }
  EXPECT_EQ(where.size(), 40u);
  for (const auto& [key, splits] : where) EXPECT_EQ(splits.size(), 1u) << key;
}

TEST_F(LoadTaskTest, GivenSplitsLoseTrainingRowsThatAreScored) {
  write("a.csv", csv(0, 60));
  write("b.csv", csv(50, 80));
  write("c.csv", csv(75, 90));
  const TaskData data = load("source: {train: a.csv, validation: b.csv, test: c.csv}\n" + templates);
  EXPECT_EQ(data.train.size(), 50u);
  EXPECT_EQ(data.validation.size(), 25u);
  EXPECT_EQ(data.test.size(), 15u);
  EXPECT_THAT(data.notes, ElementsAre("10 rows removed from train that are in validation too",
                                      "5 rows removed from validation that are in test too"));
}

// Kept on purpose, and told. S18
TEST_F(LoadTaskTest, RowsThatAreKeptInTwoSplitsAreCounted) {
  write("a.csv", "text,label\none,no\ntwo,yes\nthree,no\n");
  write("c.csv", "text,label\ntwo,yes\nthree,no\nfour,no\n");
  const TaskData data = load(
      "source: {train: a.csv, test: c.csv}\ninput: '{text}'\ntarget: '{label}'\nsplit: {validation: 1, overlap: "
      "keep}\n");
  EXPECT_EQ(data.train.size() + data.validation.size(), 3u);
  EXPECT_EQ(data.test.size(), 3u);
  EXPECT_THAT(data.notes, ElementsAre("2 rows of train are in test too, and are kept in both ('overlap: keep')"));
}

TEST_F(LoadTaskTest, GivenSplitsLoseTrainingRowsThatBelongToScoredOnes) {
  const auto rows = [](int first, int last, int author, int page) {
    std::string text = "text,author,page,label\n";
    for (int i = first; i < last; ++i) {
      text += "t" + std::to_string(i) + ",a" + std::to_string(author + i % 10) + ",p" + std::to_string(page + i % 5) +
              ",no\n";
    }
    return text;
  };
  write("a.csv", rows(0, 40, 0, 0));      // authors 0…9, pages 0…4
  write("b.csv", rows(100, 110, 8, 10));  // authors 8…17, pages 10…14
  write("c.csv", rows(200, 210, 20, 4));  // authors 20…29, pages 4…8
  const std::string source =
      "source: {train: a.csv, validation: b.csv, test: c.csv}\ninput: '{text}'\ntarget: '{label}'\n";
  TaskData data = load(source + "split: {by: author}\n");
  EXPECT_EQ(data.train.size(), 32u);
  EXPECT_THAT(data.notes, ElementsAre("8 rows removed from train that agree in 'author' with rows of validation"));
  data = load(source + "group: page\nsplit: {by: author}\n");
  EXPECT_EQ(data.train.size(), 28u);  // authors 4 and 9 write page 4, authors 8 and 9 stand in validation
  EXPECT_THAT(data.notes, ElementsAre("8 rows removed from train that belong to a group that is in test too",
                                      "4 rows removed from train that agree in 'author' with rows of validation"));
  EXPECT_EQ(load(source + "group: page\nsplit: {by: author, overlap: keep}\n").train.size(), 40u);
  write("c.csv", rows(200, 240, 0, 0));
  EXPECT_THAT(load_error(source + "split: {by: author}\n"),
              AllOf(HasSubstr("no row is left for train"), HasSubstr("40 rows removed from train"),
                    HasSubstr("overlap: keep")));
}

// MultiRC's numbers begin anew in each file.
TEST_F(LoadTaskTest, GroupsThatAPreprocessorNumbersAreOfTheirFile) {
  const auto rows = [](const std::string& name) {
    std::string text;
    for (int i = 0; i < 20; ++i) {
      text += "{\"paragraph\": \"" + name + "\", \"question\": \"q\", \"answer\": \"" + std::to_string(i) +
              "\", \"paragraph_idx\": 0, \"question_idx\": " + std::to_string(i / 4) + ", \"label\": 0}\n";
    }
    return text;
  };
  write("a.jsonl", rows("a"));
  write("b.jsonl", rows("b"));
  const TaskData data = load(
      "source: {train: a.jsonl, validation: b.jsonl}\npreprocess: multirc\ninput: '{paragraph} {answer}'\n"
      "target: '{label}'\nlabels: {0: no, 1: yes}\nsplit: {test: 0}\n");
  EXPECT_EQ(data.train.size(), 20u);
  EXPECT_TRUE(data.notes.empty());
}

TEST_F(LoadTaskTest, ATestAloneNeedsItsLabels) {
  write("r.csv", "text,label\na,-1\nb,-1\n");
  EXPECT_THAT(load_error("source: {test: r.csv}\n" + templates),
              AllOf(HasSubstr("r.csv:2:"), HasSubstr("has a label"), HasSubstr("no validation split")));
  write("r.csv", "text,label\na,no\na,yes\n");
  EXPECT_EQ(load("source: {test: r.csv}\n" + templates).test.size(), 2u);
}

TEST_F(LoadTaskTest, TakesFromTrainTheSplitThatIsNotGiven) {
  write("a.csv", csv(0, 100));
  write("b.csv", csv(100, 130));
  const TaskData data = load("source: {train: [a.csv], test: b.csv}\nsplit: {validation: 5}\n" + templates);
  EXPECT_EQ(data.train.size(), 95u);
  EXPECT_EQ(data.validation.size(), 5u);
  EXPECT_EQ(data.test.size(), 30u);
}

TEST_F(LoadTaskTest, FieldsFilterAndLabelMaps) {
  std::string text = "text\tstars\tlang\n";
  for (int i = 0; i < 60; ++i)
    text += "t" + std::to_string(i) + "\t" + std::to_string(i % 6) + (i % 5 == 0 ? "\tde\n" : "\ten\n");
  write("r.tsv", text);
  const TaskData data = load(
      "source: r.tsv\nfields: {side: {from: stars, cut: [2, 4], words: [low, mid, top]}, body: text}\n"
      "filter: {lang: en, stars: {outside: [1, 4], max: 5}}\ninput: '{body}'\ntarget: '{side}'\n"
      "labels: {low: bad, top: good}\n");
  std::size_t rows = 0;
  for (const auto* examples : {&data.train, &data.validation, &data.test}) {
    for (const TextExample& example : *examples) {
      const int i = std::stoi(example.input[0].text.substr(1));
      EXPECT_NE(i % 5, 0);
      EXPECT_TRUE(i % 6 <= 1 || i % 6 >= 4) << i;  // the ends of 'outside' belong to it
      EXPECT_EQ(example.target, i % 6 >= 4 ? "good" : "bad");
      EXPECT_EQ(example.label, i % 6 >= 4 ? 1 : 0);
      ++rows;
    }
  }
  EXPECT_EQ(rows, 32u);
}

TEST_F(LoadTaskTest, AbsentFieldsMayHaveADefault) {
  std::string text;
  for (int i = 0; i < 30; ++i)
    text += "{\"q\": \"q" + std::to_string(i) + "\"" + (i % 2 == 0 ? ", \"hint\": \"h\"" : "") + "}\n";
  write("r.jsonl", text);
  const TaskData data =
      load("source: r.jsonl\nfields: {clue: {from: hint, default: none}}\ninput: '{q} {clue}'\ntarget: x\n");
  std::set<std::string> clues;
  for (const TextExample& example : data.train) clues.insert(example.input[2].text);
  EXPECT_THAT(clues, ElementsAre("h", "none"));
  EXPECT_EQ(data.train[0].label, -1);
  EXPECT_THAT(load_error("source: r.jsonl\ninput: '{q} {hint}'\ntarget: x\n"),
              HasSubstr("r.jsonl:2: the field 'hint' is missing"));
}

TEST_F(LoadTaskTest, WrongRowsAreNamed) {
  EXPECT_THAT(row_error("x,maybe"), AllOf(HasSubstr("r.csv:11: unknown label"), HasSubstr("'maybe'"),
                                          HasSubstr("one of no, yes"), HasSubstr("fix:")));
  EXPECT_THAT(row_error("x,"), AllOf(HasSubstr("r.csv:11: the row has no label: the cell is empty"),
                                     HasSubstr("found:    nothing"), HasSubstr("not_in: [\"\"]")));
  EXPECT_THAT(row_error("x,n\xc3\xb3"), HasSubstr("'n\xc3\xb3' (U+00F3)"));
  EXPECT_THAT(row_error("x,yes", "input: '{txet}'\ntarget: '{label}'\n"),
              AllOf(HasSubstr("r.csv:2: the field 'txet' is missing"), HasSubstr("task.yaml:2"),
                    HasSubstr("did you mean 'text'")));
  EXPECT_THAT(row_error("x,yes", templates + "filter: {label: {min: 3}}\n"),
              AllOf(HasSubstr("r.csv:2: the field 'label' is not a number"), HasSubstr("task.yaml:5")));
}

// S14: numbers are equal however they are written, and a filter says what it took.
TEST_F(LoadTaskTest, AFilterComparesNumbersAsNumbers) {
  const auto kept = [&](const std::vector<std::string>& years, const std::string& filter) {
    std::string rows;
    for (int i = 0; i < 60; ++i)
      rows += R"({"text": "t)" + std::to_string(i) + R"(", "year": )" +
              years[static_cast<std::size_t>(i) % years.size()] + "}\n";
    write("r.jsonl", rows);
    const TaskData data = load("source: r.jsonl\nfilter: {year: " + filter + "}\ninput: '{text}'\ntarget: x\n");
    return data.train.size() + data.validation.size() + data.test.size();
  };
  EXPECT_EQ(kept({"2020", "2020.0"}, "2020"), 60u);
  EXPECT_EQ(kept({"2020", "2020.0", "2021"}, "2020.0"), 40u);
  EXPECT_EQ(kept({"2020", "2020.0", "2021"}, "{not_in: [2020]}"), 20u);
  EXPECT_EQ(kept({"2020", "\"2020.0\"", "\" 2020\"", "2.02e3", "2021"}, "[2020]"), 48u);
  EXPECT_EQ(kept({"2020", "2020.0"}, "'2020'"), 30u);                                  // quoted, so a text
  EXPECT_EQ(kept({"9007199254740992", "9007199254740993"}, "9007199254740993"), 30u);  // one as doubles
  EXPECT_EQ(kept({"170141183460469231731687303715884105727", "170141183460469231731687303715884105728"},
                 "170141183460469231731687303715884105728"),
            30u);
}

TEST_F(LoadTaskTest, AFilterSaysHowManyRowsItTook) {
  write("a.csv", csv(0, 100));
  write("b.csv", csv(100, 130));
  EXPECT_THAT(load("source: a.csv\nfilter: {label: [no, yes]}\n" + templates).notes, testing::IsEmpty());
  const TaskData data =
      load("source: {train: a.csv, test: b.csv}\nfilter: {text: {not_in: [text 3, text 4, text 101]}}\n" + templates);
  EXPECT_THAT(data.notes, testing::Contains(HasSubstr("the filter removed 2 of 100 rows of the source")));
  EXPECT_THAT(data.notes, testing::Contains(HasSubstr("the filter removed 1 of 30 rows of test")));
}

// S14: uuid.int of Python has 128 bits.
TEST_F(LoadTaskTest, LargeIntegersKeepTheirDigits) {
  std::string rows;
  for (int i = 0; i < 60; ++i)
    rows += R"({"text": "t)" + std::to_string(i) + R"(", "label": "yes", "id": 1701411834604692317316873037158841057)" +
            std::to_string(10 + i) + "}\n";
  write("r.jsonl", rows);
  const TaskData data = load("source: r.jsonl\ngroup: id\n" + templates);
  std::set<std::string> groups;
  for (const TextExample& example : data.train) groups.insert(example.group);
  EXPECT_EQ(groups.size(), data.train.size());
  EXPECT_EQ(groups.begin()->size(), 39u);
}

TEST_F(LoadTaskTest, QuotesOfPandasInATsvAreNoted) {
  std::string rows = "text\tlabel\n";
  for (int i = 0; i < 40; ++i)
    rows += (i % 4 == 0 ? "\"he said \"\"no\"\" " + std::to_string(i) + "\"" : "\"plain\" " + std::to_string(i)) +
            "\tyes\n";
  write("r.tsv", rows);
  EXPECT_THAT(load("source: r.tsv\n" + templates).notes, ElementsAre(HasSubstr("10 values of r.tsv are in quotes")));
  EXPECT_THAT(load("source: {file: r.tsv, quote: none}\n" + templates).notes, testing::IsEmpty());
}

// S14: 1.10 and 1.1 are versions of something, not one number.
TEST_F(LoadTaskTest, NumbersAreTheTextThatTheFileHas) {
  std::string rows;
  for (int i = 0; i < 30; ++i)
    rows += R"({"n": )" + std::to_string(i) + R"(, "v": )" + std::vector{"1.10", "1.1", "1e3"}[i % 3] + "}\n";
  write("r.jsonl", rows);
  const TaskData data = load("source: r.jsonl\ninput: '{n} {v}'\ntarget: x\n");
  std::set<std::string> versions;
  for (const TextExample& example : data.train) versions.insert(example.input[2].text);
  EXPECT_THAT(versions, ElementsAre("1.1", "1.10", "1e3"));
}

TEST_F(LoadTaskTest, ATemplateWithoutAFieldIsNamed) {
  write("r.csv", csv(0, 20));
  EXPECT_THAT(load_error<ConfigError>("source: r.csv\ninput: 'review: text'\ntarget: '{label}'\n"),
              AllOf(HasSubstr("task.yaml:2: 'input' contains no field"), HasSubstr("in braces")));
}

TEST_F(LoadTaskTest, AbsentAndEmptySourcesSayWhatToDo) {
  EXPECT_THAT(load_error("source: r.csv\n" + templates),
              AllOf(HasSubstr("task.yaml:1: the data of task 'task' is missing"),
                    HasSubstr((folder_ / "r.csv").string()), HasSubstr((folder_ / "data/task/r.csv").string())));
  EXPECT_THAT(load_error("fetch: reviews\nsource: r.csv\n" + templates),
              HasSubstr("run peft-bench tasks --fetch reviews"));
  write("r.csv", "text,label\n\n");
  EXPECT_THAT(load_error("source: r.csv\n" + templates), HasSubstr("the file contains no rows"));
  write("r.csv", csv(0, 20));
  EXPECT_THAT(load_error<ConfigError>("source: r.csv\nfilter: {label: maybe}\n" + templates),
              HasSubstr("removes every row"));
  write("r.csv", csv(0, 2));
  EXPECT_THAT(load_error<ConfigError>("source: r.csv\n" + templates), HasSubstr("leaves no rows for train"));
}

TEST_F(LoadTaskTest, FetchedDataCountsOnlyWhenItIsWhole) {
  fs::create_directories(folder_ / "data/reviews");
  write("data/reviews/r.csv", csv(0, 40));
  const std::string yaml = "fetch: reviews\nsource: r.csv\n" + templates;
  EXPECT_THAT(load_error(yaml), HasSubstr("an incomplete download"));
  write("data/reviews/.ready", "");
  EXPECT_EQ(load(yaml).train.size(), 32u);
}

}  // namespace
}  // namespace peftbench::load_task_test
