#include "data_fixture.h"
#include "support/layers.h"

#include "data/task/task_mixture.h"
#include "data/task/task_spec.h"

#include <filesystem>
#include <utility>
#include <vector>

namespace peftbench::t5_formats_test {

using namespace layers;

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string input(const TextExample& example) {
  std::string text;
  for (const Piece& piece : example.input) text += piece.text;
  return text;
}

TaskConfig project_task(const std::string& name) {
  return read_task_config(name, {fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "configs/tasks"});
}

// A task of this project on one row, in files as the official archives have them.
struct Golden {
  const char* task;
  std::vector<std::pair<const char*, std::string>> files;  // beside train, validation with the same rows
  std::string input, target;
  int label = -1;
};

void PrintTo(const Golden& golden, std::ostream* out) { *out << golden.task; }

// The same rows in both files.
std::vector<std::pair<const char*, std::string>> both(const char* train, const char* validation,
                                                      const std::string& text) {
  return {{train, text}, {validation, text}};
}

const std::string multirc_row =
    R"({"idx": 3, "passage": {"text": "<b>Sent 1: </b>Once upon a time, there was a squirrel named Joey.<br>)"
    R"(<b>Sent 2: </b>Joey loved to go outside and play with his cousin Jimmy.", "questions": [{"question": )"
    R"("Why was Joey surprised the morning he woke up for breakfast?", "idx": 7, "answers": [{"text": )"
    R"("There was only pie to eat", "idx": 40, "label": 1}]}]}})"
    "\n";
const std::string record_row =
    R"({"idx": 1, "passage": {"text": "É, B.\n@highlight\nC is here\n@highlight\nÉ, again", "entities": [)"
    R"({"start": 17, "end": 17}, {"start": 0, "end": 0}, {"start": 3, "end": 3}, {"start": 38, "end": 38}]}, "qas": )"
    R"([{"idx": 5, "query": "It was @placeholder.", "answers": [{"start": 17, "end": 17, "text": "C"}]}]})"
    "\n";
const std::string wsc_row =
    R"({"text": "Mitchell asked Tom if he could lend some money.", "target": {"span1_index": 2, "span1_text": "Tom", )"
    R"("span2_index": 4, "span2_text": "he"}, "idx": 0, "label": true})"
    "\n";
const std::string squad_file =
    R"({"version": "1.1", "data": [{"title": "T", "paragraphs": [{"context": "Some context.", "qas": [{"id": "i", )"
    R"("question": "A question?", "answers": [{"text": "The answer.", "answer_start": 0}, )"
    R"({"text": "Another", "answer_start": 1}]}]}]}]})";
const std::string mrqa_file =
    R"({"header": {"dataset": "X", "split": "dev"}})"
    "\n"
    R"({"context": "[TLE] Cells [PAR] They divide.", "qas": [{"qid": "a", "question": "what divides ?", "answers": )"
    R"(["Cells", "cells"]}]})"
    "\n";
const std::string nli_head =
    "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\tsentence2_parse"
    "\tsentence1\tsentence2\tlabel1\tgold_label\n";

std::vector<Golden> goldens() {
  const char* rte = R"({"premise": "It \"rains\".", "hypothesis": "Wet?", "label": "not_entailment", "idx": 0})"
                    "\n";
  return {
      {"superglue/boolq",
       both("BoolQ/train.jsonl", "BoolQ/val.jsonl",
            R"({"question": "is it wet", "passage": "Rain -- It is.", "idx": 1, "label": true})"
            "\n"),
       "boolq passage: Rain -- It is. question: is it wet", "True", 1},
      {"superglue/cb",
       both("CB/train.jsonl", "CB/val.jsonl",
            R"({"premise": "A: I know.  B: So?", "hypothesis": "he knows", "label": "contradiction", "idx": 0})"
            "\n"),
       "cb hypothesis: he knows premise: A: I know.  B: So?", "contradiction", 1},
      {"superglue/copa",
       both("COPA/train.jsonl", "COPA/val.jsonl",
            R"({"premise": "P.", "choice1": "One.", "choice2": "Two.", "question": "effect", "label": 1, "idx": 0})"
            "\n"),
       "copa choice1: One. choice2: Two. premise: P. question: effect", "choice2", 1},
      {"superglue/multirc", both("MultiRC/train.jsonl", "MultiRC/val.jsonl", multirc_row),
       "multirc question: Why was Joey surprised the morning he woke up for breakfast? answer: There was only pie to "
       "eat "
       "paragraph: Sent 1: Once upon a time, there was a squirrel named Joey. Sent 2: Joey loved to go outside and "
       "play "
       "with his cousin Jimmy.",
       "True", 1},
      {"superglue/record", both("ReCoRD/train.jsonl", "ReCoRD/val.jsonl", record_row),
       "record query: It was @placeholder. entities: B, C, É passage: É, B. C is here. É, again", "C"},
      {"superglue/rte", both("RTE/train.jsonl", "RTE/val.jsonl", rte), "rte hypothesis: Wet? premise: It \"rains\".",
       "not_entailment", 1},
      {"superglue/wic",
       both("WiC/train.jsonl", "WiC/val.jsonl",
            R"({"word": "class", "sentence1": "A class.", "sentence2": "Class!", "idx": 0, "label": false})"
            "\n"),
       "wic sentence1: A class. sentence2: Class! word: class", "False", 0},
      {"superglue/wsc", both("WSC/train.jsonl", "WSC/val.jsonl", wsc_row),
       "wsc: Mitchell asked Tom if *he* could lend some money.", "Tom", 1},
      {"superglue/axb",
       {{"AX-b/AX-b.jsonl", R"({"sentence1": "One.", "sentence2": "Two.", "idx": 0, "label": "entailment"})"
                            "\n"}},
       "rte hypothesis: Two. premise: One.",
       "entailment",
       0},
      {"superglue/axg", {{"AX-g/AX-g.jsonl", rte}}, "rte hypothesis: Wet? premise: It \"rains\".", "not_entailment", 1},
      {"glue/cola", both("CoLA/train.tsv", "CoLA/dev.tsv", "gj04\t0\t*\tThe \"more we sleep.\n"),
       "cola sentence: The \"more we sleep.", "unacceptable", 0},
      {"glue/sst2", both("SST-2/train.tsv", "SST-2/dev.tsv", "sentence\tlabel\nso good \t1\n"),
       "sst2 sentence: so good ", "positive", 1},
      {"glue/mrpc",
       both("MRPC/train.tsv", "MRPC/dev.tsv",
            "\xef\xbb\xbfQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\tHe \"said\t\" She said\n"),
       "mrpc sentence1: He \"said sentence2: \" She said", "equivalent", 1},
      {"glue/stsb",
       both("STS-B/train.tsv", "STS-B/dev.tsv",
            "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n"
            "0\tg\tf\t1\t1\tn\tn\tBig news.\tNo idea.\t1.66\n"),
       "stsb sentence1: Big news. sentence2: No idea.", "1.6"},
      {"glue/qqp",
       both("QQP/train.tsv", "QQP/dev.tsv",
            "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\n1\t2\t3\tIs \"it?\tWhy?\t0\n"),
       "qqp question1: Is \"it? question2: Why?", "not_duplicate", 0},
      {"glue/mnli",
       both("MNLI/train.tsv", "MNLI/dev_matched.tsv",
            nli_head + "0\t1\t2\tg\tb\tb\tp\tp\tPre.\tHyp.\tneutral\tneutral\n"),
       "mnli hypothesis: Hyp. premise: Pre.", "neutral", 1},
      {"glue/mnli_mismatched",
       {{"MNLI/dev_mismatched.tsv", nli_head + "0\t1\t2\tg\tb\tb\tp\tp\tPre.\tHyp.\tneutral\tcontradiction\n"}},
       "mnli hypothesis: Hyp. premise: Pre.",
       "contradiction",
       2},
      {"glue/ax",
       {{"MNLI/diagnostic-full.tsv",
         "Lexical Semantics\tPredicate-Argument Structure\tLogic\tKnowledge\tDomain\tPremise\tHypothesis\tLabel\n"
         "\t\tNegation\t\tArtificial\tThe cat sat.\tThe cat did not sit.\tcontradiction\n"}},
       "mnli hypothesis: The cat did not sit. premise: The cat sat.",
       "contradiction",
       2},
      {"glue/qnli",
       both("QNLI/train.tsv", "QNLI/dev.tsv", "index\tquestion\tsentence\tlabel\n0\tWho?\tHe.\tentailment\n"),
       "qnli question: Who? sentence: He.", "entailment", 0},
      {"glue/rte",
       both("RTE/train.tsv", "RTE/dev.tsv", "index\tsentence1\tsentence2\tlabel\n0\tOne.\tTwo.\tnot_entailment\n"),
       "rte sentence1: One. sentence2: Two.", "not_entailment", 1},
      {"glue/wnli",
       both("WNLI/train.tsv", "WNLI/dev.tsv",
            "index\tsentence1\tsentence2\tlabel\n0\tThe fish ate the worm. It was tasty.\tThe worm was tasty.\t1\n"),
       "wsc: The fish ate the worm. *It* was tasty.", "The worm", 1},
      {"squad", both("squad/train-v1.1.json", "squad/dev-v1.1.json", squad_file),
       "question: A question ? context: Some context . ", "The answer . "},
      {"mrqa/bio_asq",
       {{"mrqa/BioASQ.jsonl", mrqa_file}},
       "question: what divides ? context: [ TLE ] Cells [ PAR ] They divide . ",
       "Cells"},
      {"mrqa/drop",
       {{"mrqa/DROP.jsonl", mrqa_file}},
       "question: what divides ? context: [ TLE ] Cells [ PAR ] They divide . ",
       "Cells"},
      {"mrqa/duo_rc",
       {{"mrqa/DuoRC.ParaphraseRC.jsonl", mrqa_file}},
       "question: what divides ? context: [ TLE ] Cells [ PAR ] They divide . ",
       "Cells"},
      {"mrqa/race",
       {{"mrqa/RACE.jsonl", mrqa_file}},
       "question: what divides ? context: [ TLE ] Cells [ PAR ] They divide . ",
       "Cells"},
      {"mrqa/relation_extraction",
       {{"mrqa/RelationExtraction.jsonl", mrqa_file}},
       "question: what divides ? context: [ TLE ] Cells [ PAR ] They divide . ",
       "Cells"},
      {"mrqa/textbook_qa",
       {{"mrqa/TextbookQA.jsonl", mrqa_file}},
       "question: what divides ? context: [ TLE ] Cells [ PAR ] They divide . ",
       "Cells"},
  };
}

class T5FormatsTest : public DataTest, public testing::WithParamInterface<Golden> {
 protected:
  fs::path data() const { return folder_ / "data"; }
  void put(const std::string& name, const std::string& text) const {
    fs::create_directories((data() / name).parent_path());
    write("data/" + name, text);
  }
};

TEST_P(T5FormatsTest, ToTheCharacter) {
  const Golden& golden = GetParam();
  for (const auto& [name, text] : golden.files) put(name, text);
  TaskConfig config = project_task(golden.task);
  const TaskData task = load_task(config, data());
  const bool scored_alone = golden.files.size() == 1;
  const TextList& list = scored_alone ? task.test : task.train;
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(task.train.size(), scored_alone ? 0u : 1u);
  EXPECT_EQ(task.validation.size(), scored_alone ? 0u : 1u) << "rows that stand in both stay in both";
  EXPECT_EQ(task.test.size(), scored_alone ? 1u : 0u) << "validation is what is scored";
  const TextExample example = list[0];
  EXPECT_EQ(input(example), golden.input);
  EXPECT_EQ(example.target, golden.target);
  EXPECT_EQ(example.label, golden.label);

  // Without its name, the first word of the input, a task is Lester et al.'s; SQuAD and MRQA have none.
  const std::string canonical = config.canonical;
  drop_prefix(config);
  const bool named = std::string(golden.task).find("glue/") != std::string::npos;
  EXPECT_EQ(config.canonical != canonical, named);
  const TaskData bare = load_task(config, data());
  const std::string rest = named ? golden.input.substr(golden.input.find(' ') + 1) : golden.input;
  EXPECT_EQ(input((scored_alone ? bare.test : bare.train)[0]), rest);
}

INSTANTIATE_TEST_SUITE_P(All, T5FormatsTest, testing::ValuesIn(goldens()),
                         [](const testing::TestParamInfo<Golden>& golden) {
                           std::string name = golden.param.task;
                           for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
                           return name;
                         });

class LabelOrderTest : public testing::TestWithParam<std::pair<const char*, std::vector<std::string>>> {};

// The numbers of the hub's ClassLabel: of each the word in its place.
TEST_P(LabelOrderTest, IsThatOfTensorFlowDatasets) {
  const TaskConfig config = project_task(GetParam().first);
  EXPECT_EQ(config.labels, GetParam().second);
  for (std::size_t i = 0; i < config.labels.size(); ++i) {
    const std::pair<std::string, std::string> wanted(std::to_string(i), config.labels[i]);
    EXPECT_THAT(config.spec->raw_labels, testing::Contains(wanted));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, LabelOrderTest,
    testing::Values(std::pair{"superglue/boolq", std::vector<std::string>{"False", "True"}},
                    std::pair{"superglue/cb", std::vector<std::string>{"entailment", "contradiction", "neutral"}},
                    std::pair{"superglue/copa", std::vector<std::string>{"choice1", "choice2"}},
                    std::pair{"superglue/multirc", std::vector<std::string>{"False", "True"}},
                    std::pair{"superglue/rte", std::vector<std::string>{"entailment", "not_entailment"}},
                    std::pair{"superglue/wic", std::vector<std::string>{"False", "True"}},
                    std::pair{"superglue/axb", std::vector<std::string>{"entailment", "not_entailment"}},
                    std::pair{"superglue/axg", std::vector<std::string>{"entailment", "not_entailment"}},
                    std::pair{"glue/cola", std::vector<std::string>{"unacceptable", "acceptable"}},
                    std::pair{"glue/sst2", std::vector<std::string>{"negative", "positive"}},
                    std::pair{"glue/mrpc", std::vector<std::string>{"not_equivalent", "equivalent"}},
                    std::pair{"glue/qqp", std::vector<std::string>{"not_duplicate", "duplicate"}},
                    std::pair{"glue/mnli", std::vector<std::string>{"entailment", "neutral", "contradiction"}},
                    std::pair{"glue/qnli", std::vector<std::string>{"entailment", "not_entailment"}},
                    std::pair{"glue/rte", std::vector<std::string>{"entailment", "not_entailment"}}));

TEST(T5Limits, AreThoseOfItsMixtures) {
  for (const auto& [task, target] : {std::pair{"superglue/wsc", 62}, std::pair{"glue/stsb", 84}, std::pair{"squad", 97},
                                     std::pair{"mrqa/drop", 97}}) {
    EXPECT_EQ(project_task(task).max_input_tokens, 512);
    EXPECT_EQ(project_task(task).max_target_tokens, target) << task;
  }
}

TEST(TaskFolders, AreFoundByNameAndListed) {
  const fs::path folder = fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "configs/tasks";
  std::vector<std::string> names;
  for (const TaskConfig& config : list_tasks({folder})) names.push_back(config.name);
  for (const Golden& golden : goldens()) EXPECT_THAT(names, testing::Contains(std::string(golden.task)));
  EXPECT_EQ(read_task_config((folder / "glue/rte.yaml").string(), {folder}).name, "glue/rte");
  try {
    read_task_config("superglue/bolq", {folder});
    ADD_FAILURE() << "nothing was thrown";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("did you mean 'superglue/boolq'?"));
  }
}

TEST_F(DataTest, AFoldersNameIsPartOfItsTasks) {
  fs::create_directory(folder_ / "mine");
  write("mine/a.yaml", "source: a.csv\ninput: '{a}'\ntarget: b\n");
  EXPECT_EQ(read_task_config("mine/a", {folder_}).name, "mine/a");
  write("mine/b.yaml", "name: b\nsource: a.csv\ninput: '{a}'\ntarget: b\n");
  EXPECT_THAT(message<ConfigError>([&] { read_task_config("mine/b", {folder_}); }),
              HasSubstr("the task name differs from the file name"));
}

TEST(TaskPrefix, OfAMixtureGoesWithItsTasks) {
  TaskConfig mixture;
  mixture.name = "m";
  TaskMixture parts;
  parts.tasks = {project_task("superglue/boolq"), project_task("squad")};
  mixture.mixture = std::make_shared<const TaskMixture>(parts);
  drop_prefix(mixture);
  EXPECT_EQ(mixture.mixture->tasks[0].prefix, "");
  EXPECT_THAT(mixture.canonical, HasSubstr("superglue/boolq"));
  EXPECT_EQ(mixture.canonical.find("prefix"), std::string::npos);
}

}  // namespace
}  // namespace peftbench::t5_formats_test
