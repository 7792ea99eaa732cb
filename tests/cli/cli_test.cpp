// What the program prints and how it ends, as a user sees it.
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <sstream>

namespace peftbench::cli_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing_support::run;

// The user's mistake: status 2, one message with what to do, no trace, nothing on standard output.
void expect_mistake(const std::vector<std::string>& words, const std::string& what, const std::string& hint) {
  const Printed printed = run(words);
  EXPECT_EQ(printed.status, 2) << printed.err;
  EXPECT_EQ(printed.out, "");
  EXPECT_THAT(printed.err, HasSubstr("peft-bench: "));
  EXPECT_THAT(printed.err, HasSubstr(what));
  EXPECT_THAT(printed.err, HasSubstr(hint));
  EXPECT_THAT(printed.err, Not(HasSubstr("Exception raised from")));
  EXPECT_THAT(printed.err, Not(HasSubstr("terminate called")));
}

const std::vector<std::string> method = {"--method", "prompt_tuning"};
std::vector<std::string> with(std::vector<std::string> words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// The commands that `peft-bench --help` lists: each line of that part is a name and what it does.
std::vector<std::string> listed_commands() {
  std::istringstream lines(run({"--help"}).out);
  std::vector<std::string> names;
  std::string line;
  while (std::getline(lines, line) && line != "Commands:") {
  }
  for (std::string name; std::getline(lines, line) && !line.empty(); names.push_back(name))
    std::istringstream(line) >> name;
  return names;
}

TEST(Help, IsForNewcomers) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{}, {"--help"}, {"-h"}, {"help"}}) {
    const Printed printed = run(words);
    EXPECT_EQ(printed.status, 0);
    EXPECT_THAT(printed.out,
                AllOf(HasSubstr("peft-bench --method prompt_tuning"), ContainsRegex("methods +list methods"),
                      ContainsRegex("forward +run one forward pass")));
  }
  const std::vector<std::string> commands = listed_commands();
  EXPECT_THAT(commands, testing::IsSupersetOf({"run", "suite", "vocab", "forgetting", "forward"}));
  for (const std::string& command : commands) {
    const Printed printed = run({command, "--help"});
    EXPECT_EQ(printed.status, 0) << command << ": " << printed.err;
    EXPECT_THAT(printed.out, HasSubstr("Usage: peft-bench " + command));
    if (command == "predict") continue;  // prints JSON lines only
    EXPECT_THAT(printed.out, HasSubstr("--json")) << command;
  }
  EXPECT_THAT(run({"--version"}).out, ContainsRegex("^peft-bench [0-9.]+ \\(LibTorch [0-9.]+"));
}

TEST(Mistakes, AreNamedWithTheNearestName) {
  expect_mistake({"mehtods"}, "there is no command 'mehtods'", "did you mean 'methods'?");
  expect_mistake({"--method", "promt_tuning"}, "there is no method 'promt_tuning'", "did you mean 'prompt_tuning'?");
  expect_mistake(with(method, {"--task", "movie_sentimet"}), "movie_sentimet", "did you mean 'movie_sentiment'?");
  expect_mistake(with(method, {"--backbone", "t5-v1_1-xl1"}), "t5-v1_1-xl1", "did you mean 't5-v1_1-xl");
  expect_mistake(with(method, {"--taks", "x"}), "no flag --taks", "did you mean '--task'?");
  expect_mistake(with(method, {"--set", "lenght=3"}), "--set lenght=3", "did you mean 'length'?");
  expect_mistake(with(method, {"--set", "train.step=3"}), "unknown setting 'train.step'",
                 "did you mean 'train.steps'?");
  expect_mistake(with(method, {"--set", "length=0"}), "--set length=0", "correct the value");
  expect_mistake(with(method, {"--set", "length"}), "--set takes key=value", "'='");
  expect_mistake(with(method, {"--set", "train.batch_size=0", "--dry-run"}), "train.batch_size", "allowed: ≥ 1");
  expect_mistake(with(method, {"--seed"}), "--seed", "--help");
  expect_mistake(with(method, {"--seed", "one"}), "--seed", "integer");
  expect_mistake({"--seed", "1"}, "no method given", "methods");
  expect_mistake({"tasks", "one", "two"}, "unexpected argument 'two'", "--help");
  expect_mistake({"tasks", "nothing_like_it"}, "nothing_like_it", "movie_sentiment");
  expect_mistake({"backbones", "t5-nano"}, "t5-nano", "did you mean 't5-nano-lm'?");
  expect_mistake({"eval", "no-such-run"}, "there is no run 'no-such-run'", "--out");
  expect_mistake({"score", "no-such-file", "--metrics", "squad_em"}, "cannot read no-such-file",
                 "a readable regular file");
  expect_mistake({"score", "any", "--metrics", "squad_f2"}, "unknown metric", "did you mean 'squad_f1'");
  expect_mistake({"score", "any", "--metrics", "accuracy"}, "needs label words", "'labels'");
  expect_mistake({"score", "any"}, "no metrics given", "--task");
  expect_mistake({"score", "any", "--metrics", "accuracy", "--labels", "a,b,a"}, "duplicate label word", "'a'");
  expect_mistake({"score", ".", "--metrics", "squad_em"}, "cannot read .", "predictions.jsonl");
  expect_mistake({"pretrain", "t5-nano-span", "--show", "0"}, "--show", "1");
  expect_mistake({"tasks", "spam", "--examples", "-3"}, "--examples", "--help");
  expect_mistake({"forward", "--backbone", "t5-nano-lm"}, "--input-ids", "forward --help");
  expect_mistake(with(method, {"--config", "/no/such/file.yaml"}), "/no/such/file.yaml", "");
}

std::string printed_by(const std::string& shell) {
  std::string text;
  FILE* pipe = ::popen(("bash -c '" + shell + "' 2>&1").c_str(), "r");
  for (int c; (c = std::fgetc(pipe)) != EOF;) text += static_cast<char>(c);
  ::pclose(pipe);
  return text;
}

// hostile 23: `| head` is no fault of anyone.
TEST(Output, AReaderThatGoesAwayEndsTheProgramQuietly) {
  const std::string program = PEFTBENCH_TEST_BUILD_DIR "/bin/peft-bench";
  for (const char* words : {"methods", "tasks --json", "--help", "params --method lora"})
    EXPECT_EQ(printed_by(program + " " + words + " | exit 0; echo ${PIPESTATUS[0]}"), "141\n") << words;
  EXPECT_THAT(printed_by(program + " methods | head -1; echo ${PIPESTATUS[1]}"), ContainsRegex("^method.*\n0\n$"));
  EXPECT_THAT(printed_by(program + " methods > /dev/full; echo $?"),
              AllOf(HasSubstr("No space left"), HasSubstr("1\n")));
}

// hostile 20
TEST(Output, LabelWordsAndFileNamesCannotObey) {
  const Scratch scratch;
  std::string rows;
  for (int i = 0; i < 40; ++i)
    rows += "{\"text\": \"film " + std::to_string(i) + " \\u001b[2J\", \"answer\": \"" +
            (i % 2 ? "good" : "a\\u001b[31m") + "\"}\n";
  scratch.write("rows.jsonl", rows);
  const fs::path task = scratch.write("evil.yaml",
                                      "name: evil\nsource: rows.jsonl\ninput: \"{text}\"\ntarget: \"{answer}\"\n"
                                      "labels: [\"a\\e[31m\", good]\nmetrics: [accuracy]\n");
  for (const std::vector<std::string>& words : {std::vector<std::string>{"tasks", task.string()},
                                                {"tasks", task.string(), "--examples", "2"},
                                                {"tasks", task.string(), "--json"},
                                                {"tasks", (scratch.path() / "\x1b[2J.yaml").string()},
                                                {"methods", "\x1b]0;title\x07"},
                                                {"report", (scratch.path() / "\x1b[2J").string()},
                                                {"\x1b[31m"}}) {
    const Printed printed = run(words);
    EXPECT_THAT(printed.out + printed.err, AllOf(Not(HasSubstr("\x1b")), Not(HasSubstr("\x07")))) << words.back();
    EXPECT_THAT(printed.out + printed.err, testing::AnyOf(HasSubstr("\\x1b"), HasSubstr("\\u001b"))) << words.back();
  }
}

// hostile 15
TEST(Output, NamesThatAreNotUtf8AreToldAndPrintedAsJson) {
  const Scratch scratch;
  const fs::path task = scratch.path() / "caf\xe9.yaml";
  const Printed missing = run({"tasks", task.string(), "--json"});
  EXPECT_EQ(missing.status, 2);
  for (const std::vector<std::string>& words : {with(method, {"--task", task.string(), "--dry-run", "--json"}),
                                                with(method, {"--init-from", task.string(), "--dry-run", "--json"}),
                                                std::vector<std::string>{"report", task.string(), "--json"}}) {
    const Printed printed = run(words);
    EXPECT_EQ(printed.status, 2) << printed.err;
    EXPECT_THAT(printed.err, AllOf(HasSubstr("caf\\xe9"), Not(HasSubstr("json.exception"))));
  }
}

TEST(Mistakes, InAFileNameItsLine) {
  const Scratch scratch;
  const fs::path file = scratch.write("mine.yaml", "seed: 1\ntrain:\n  stesp: 5\n");
  expect_mistake(with(method, {"--config", file.string()}), "mine.yaml:3: unknown setting 'train.stesp'",
                 "'train.steps'");
}

TEST(Mistakes, AHomeWithoutConfigurationsIsNamed) {
  const Printed printed = run({"tasks"}, {{"PEFTBENCH_HOME", "/"}});
  EXPECT_EQ(printed.status, 2);
  EXPECT_THAT(printed.err, HasSubstr("PEFTBENCH_HOME"));
}

TEST(Lists, AreTablesOrJson) {
  EXPECT_THAT(run({"methods"}).out, ContainsRegex("prompt_tuning +[0-9.]+ "));
  EXPECT_THAT(run({"methods", "prompt_tuning"}).out,
              AllOf(ContainsRegex("length +integer +100"), HasSubstr("train.learning_rate=0.3")));
  EXPECT_THAT(run({"tasks"}).out, ContainsRegex("movie_sentiment +2 labels"));
  EXPECT_THAT(run({"backbones"}).out, ContainsRegex("t5-v1_1-xxl +11,135,332,352"));
  EXPECT_THAT(run({"backbones", "t5-v1_1-small"}).out, AllOf(ContainsRegex("d_kv +64"), ContainsRegex("num_heads +6")));

  bool found = false;
  for (const json& row : json::parse(run({"methods", "--json"}).out)) found |= row.at("name") == "prompt_tuning";
  EXPECT_TRUE(found);
  EXPECT_EQ(json::parse(run({"methods", "prompt_tuning", "--json"}).out).at("parameters").at(0).at("name"), "length");
  EXPECT_GE(json::parse(run({"tasks", "--json"}).out).size(), 2u);
  EXPECT_GE(json::parse(run({"backbones", "--json"}).out).size(), 11u);
  EXPECT_EQ(json::parse(run({"backbones", "t5-v1_1-xl", "--json"}).out).at("parameters"), 2849757184);
}

TEST(Params, NeedSizesAlone) {
  const Printed printed =
      run({"params", "--backbone", "t5-v1_1-xxl", "--method", "prompt_tuning", "--set", "length=100", "--json"});
  ASSERT_EQ(printed.status, 0) << printed.err;
  const json result = json::parse(printed.out);
  EXPECT_EQ(result.at("backbone_parameters"), 11135332352);
  for (const char* count : {"trained", "stored", "inference", "after_merge"})
    EXPECT_EQ(result.at("ledger").at(count), 409600);
  EXPECT_THAT(run({"params", "--backbone", "t5-v1_1-xxl", "--method", "prompt_tuning"}).out,
              AllOf(HasSubstr("11,135,332,352"), HasSubstr("409,600 (0.00368 % of all)")));
}

TEST(DryRun, PrintsWhatWouldHappenAndLeavesNothing) {
  const Scratch scratch;
  const std::string out = (scratch.path() / "runs").string();
  const Printed printed = run(with(method, {"--dry-run", "--out", out, "--steps", "7", "--set", "length=9"}));
  EXPECT_EQ(printed.status, 0) << printed.err;
  EXPECT_THAT(printed.out,
              AllOf(ContainsRegex("length: 9( +#.*)?\n"), ContainsRegex("steps: 7( +#.*)?\n"),
                    HasSubstr("encoder.input"), ContainsRegex("trained +2,304"), HasSubstr("nothing was trained")));
  EXPECT_FALSE(fs::exists(out));
  const json result = json::parse(run(with(method, {"--dry-run", "--json", "--set", "length=9"})).out);
  EXPECT_EQ(result.at("ledger").at("trained"), 9 * 256);
  EXPECT_EQ(result.at("config").at("set").at("length"), 9);
}

TEST(Run, PrintsItsRowAndIsScoredAgainByEval) {
  const Scratch scratch;
  const fs::path task = write_task(scratch), out = scratch.path() / "runs";
  const Printed printed = run(short_run(task, out));
  ASSERT_EQ(printed.status, 0) << printed.err;
  for (const char* line :
       {"method +prompt_tuning", "task +parity", "backbone +t5-nano-lm, 9,180,928 frozen",
        "score +accuracy [01]\\.[0-9]+  \\[[01].*\\]  on 24 test examples", "for always answering '(even|odd)'",
        "loss +[0-9.]+ → [0-9.]+  on the validation split", "parameters +1,024 trained .* 1,024 receiving gradient",
        "1,024 stored, 1,024 at inference, 1,024 after merging", "time +[0-9.]+ m?s", "memory +[0-9]+ MiB",
        "checksum .*the backbone is unchanged", "folder .*runs/prompt_tuning-parity-s3-[0-9a-f]+"})
    EXPECT_THAT(printed.out, ContainsRegex(line));

  const json record = json::parse(file_text(only_run(out) / "record.json"));
  EXPECT_EQ(record.at("schema_version"), 1);
  EXPECT_EQ(record.at("status"), "finished");
  EXPECT_EQ(record.at("backbone").at("checksum_before"), record.at("backbone").at("checksum_after"));
  EXPECT_EQ(record.at("ledger").at("receiving_gradient"), 1024);
  std::istringstream predictions(file_text(only_run(out) / "predictions.jsonl"));
  int correct = 0, lines = 0;
  for (std::string line; std::getline(predictions, line); ++lines)
    correct += json::parse(line).at("correct").get<bool>();
  EXPECT_EQ(lines, 24);
  EXPECT_NEAR(record.at("metrics").at(0).at("value").get<double>(), correct / 24.0, 1e-9);

  // Scored again from its adapter; the folder by its id.
  const Printed again = run({"eval", only_run(out).filename().string(), "--out", out.string(), "--json"});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(json::parse(again.out).at("metrics"), record.at("metrics"));
  const Printed validation = run({"eval", only_run(out).string(), "--split", "validation"});
  EXPECT_THAT(validation.out, AllOf(HasSubstr("validation split, 16 examples"), ContainsRegex("accuracy +[01]\\.")));

  // The resolved configuration is one that runs: it names the same run.
  const Printed repeated = run({"--config", (only_run(out) / "config.yaml").string(), "--out", out.string()});
  EXPECT_EQ(repeated.status, 0) << repeated.err;
  EXPECT_THAT(repeated.err, HasSubstr("had already finished"));
}

class Forward : public testing::Test {
 protected:
  Printed forward(const std::string& ids, const std::string& labels, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"forward",
                                      "--backbone",
                                      "t5-nano-lm",
                                      "--input-ids",
                                      scratch_.write("ids.json", ids).string(),
                                      "--labels",
                                      scratch_.write("labels.json", labels).string(),
                                      "--output",
                                      (scratch_.path() / "out.safetensors").string()};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  }
  Scratch scratch_;
};

TEST_F(Forward, WritesItsTensors) {
  const Printed printed = forward("[[12, 7, 1], [5, 1]]", "[[9, 1], [4, 6, 1]]",
                                  {"--grad", "--generate", (scratch_.path() / "g.json").string()});
  ASSERT_EQ(printed.status, 0) << printed.err;
  EXPECT_THAT(printed.out, ContainsRegex("2 sequences, loss [0-9.]+"));
  const std::string file = file_text(scratch_.path() / "out.safetensors");
  const json header = json::parse(file.substr(8, *reinterpret_cast<const std::uint64_t*>(file.data())));
  EXPECT_EQ(header.at("encoder_last_hidden_state").at("shape"), json({2, 3, 256}));
  EXPECT_EQ(header.at("logits").at("shape"), json({2, 3, 8192}));
  EXPECT_EQ(header.at("input_embeddings_grad").at("shape"), json({2, 3, 256}));
  EXPECT_EQ(header.at("loss").at("shape"), json::array());
  EXPECT_EQ(json::parse(file_text(scratch_.path() / "g.json")).size(), 2u);
}

TEST_F(Forward, PaddingOfLabelsChangesNothing) {
  const auto loss = [&](const std::string& labels) {
    return json::parse(forward("[[12, 7, 1], [5, 1]]", labels, {"--json"}).out).at("loss");
  };
  EXPECT_EQ(loss("[[9, 1], [4, 6, 1]]"), loss("[[9, 1, -100], [4, 6, 1]]"));
  EXPECT_NE(loss("[[9, 1], [4, 6, 1]]"), loss("[[9, 1], [4, 7, 1]]"));
}

TEST_F(Forward, RefusesWhatAreNoIds) {
  for (const auto& [ids, what] : std::vector<std::pair<std::string, std::string>>{
           {"[[1, 2", "not JSON"},
           {"{}", "not a list of lists"},
           {"[3]", "row 0 is not a list"},
           {"[[1], []]", "row 1 is empty"},
           {"[[1], [99999]]", "row 1 contains an id outside the backbone's vocabulary"},
           {"[[1.5]]", "row 0 contains something that is not an id"}}) {
    const Printed printed = forward(ids, "[[1], [1]]");
    EXPECT_EQ(printed.status, 2);
    EXPECT_THAT(printed.err, AllOf(HasSubstr("ids.json"), HasSubstr(what), HasSubstr("[[12, 7, 1], [5, 1]]")));
  }
  const Printed printed = forward("[[1], [1]]", "[[1]]");
  EXPECT_EQ(printed.status, 2);
  EXPECT_THAT(printed.err, HasSubstr("2 inputs, 1 labels"));
}

}  // namespace
}  // namespace peftbench::cli_test
