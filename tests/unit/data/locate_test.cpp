#include "data/task/locate.h"
#include "support/layers.h"

#include "data/task/task_spec.h"
#include "data_fixture.h"
#include "support/variable.h"

#include <memory>

namespace peftbench::locate_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing_support::Variable;

class LocateTest : public DataTest {
 protected:
  void SetUp() override {
    DataTest::SetUp();
    root_ = folder_ / "data";
    fs::create_directories(root_);
    fs::create_directories(folder_ / "tasks");
    hub_ = std::make_unique<Variable>("HF_HUB_CACHE", (folder_ / "hub").string());
    home_ = std::make_unique<Variable>("HF_HOME", (folder_ / "hf").string());
    cache_ = std::make_unique<Variable>("XDG_CACHE_HOME", (folder_ / "cache").string());
  }
  void touch(const std::string& name, const std::string& text = "x") const {
    fs::create_directories((folder_ / name).parent_path());
    write(name, text);
  }
  // The task of this source, its YAML in a folder of its own.
  TaskConfig with(const std::string& source, const std::string& more = "") const {
    const std::string yaml = "source:\n" + source + "input: \"{a}\"\ntarget: \"{b}\"\n" + more;
    return read_task_config(write("tasks/boolq.yaml", yaml).string(), {});
  }
  // Files of the search's result, relative to the test's folder.
  std::vector<std::string> found(const TaskConfig& config, const fs::path& root) const {
    const FoundSource source = find_source(config, root);
    std::vector<std::string> result;
    for (const auto* files : {&source.train, &source.validation, &source.test}) {
      for (const fs::path& file : *files) result.push_back(fs::relative(file, folder_).string());
    }
    return result;
  }
  std::vector<std::string> found(const TaskConfig& config) const { return found(config, root_); }
  std::string refusal(const TaskConfig& config) const {
    return message<DataError>([&] { find_source(config, root_); });
  }
  std::string source_error(const std::string& source) const {
    return message<ConfigError>([&] { with(source); });
  }

  fs::path root_;
  std::unique_ptr<Variable> hub_, home_, cache_;
};

const char* const superglue =
    "  folders: [SuperGLUE, FewGLUE_32dev]\n"
    "  get: download BoolQ.zip of SuperGLUE and unpack it, so that DIR/BoolQ/train.jsonl is there\n"
    "  any:\n"
    "    - {train: BoolQ/train.jsonl, validation: BoolQ/dev32.jsonl, test: BoolQ/val.jsonl}\n"
    "    - {train: BoolQ/train.jsonl, validation: BoolQ/val.jsonl}\n"
    "    - hub: [aps/super_glue, super_glue]\n"
    "      train: boolq/train-*.parquet\n"
    "      validation: boolq/validation-*.parquet\n"
    "    - {hub: aps/super_glue, train: boolq/train/*.parquet, validation: boolq/validation/*.parquet}\n";

TEST_F(LocateTest, TakesTheFirstLayoutThatIsWhole) {
  const TaskConfig task = with(superglue);
  touch("data/BoolQ/train.jsonl");
  touch("data/BoolQ/dev32.jsonl");  // without val.jsonl it is not FewGLUE's
  EXPECT_THAT(refusal(task), AllOf(HasSubstr("the data of task 'boolq' is missing"), HasSubstr("BoolQ/val.jsonl"),
                                   HasSubstr("BoolQ/train.jsonl, BoolQ/dev32.jsonl, but no BoolQ/val.jsonl"),
                                   HasSubstr("or boolq/train-*.parquet, boolq/validation-*.parquet"),
                                   HasSubstr("download BoolQ.zip of SuperGLUE")));
  touch("data/BoolQ/val.jsonl");
  EXPECT_THAT(found(task), ElementsAre("data/BoolQ/train.jsonl", "data/BoolQ/dev32.jsonl", "data/BoolQ/val.jsonl"));
  fs::remove(folder_ / "data/BoolQ/dev32.jsonl");
  EXPECT_THAT(found(task), ElementsAre("data/BoolQ/train.jsonl", "data/BoolQ/val.jsonl"));
  EXPECT_THAT(found(task, root_ / "BoolQ"), ElementsAre("data/BoolQ/train.jsonl", "data/BoolQ/val.jsonl"));
  EXPECT_THAT(found(task, (root_ / "BoolQ").string() + "/"), testing::SizeIs(2));
  fs::create_directories(root_ / "SuperGLUE");
  fs::rename(root_ / "BoolQ", root_ / "SuperGLUE" / "BoolQ");
  EXPECT_THAT(found(task), ElementsAre("data/SuperGLUE/BoolQ/train.jsonl", "data/SuperGLUE/BoolQ/val.jsonl"));
}

TEST_F(LocateTest, SplitsComeFromOneFolder) {
  const TaskConfig task = with("  {train: a/train.csv, validation: a/val.csv, folders: [more]}\n");
  touch("tasks/a/train.csv");
  touch("data/a/val.csv");
  EXPECT_THAT(refusal(task),
              AllOf(HasSubstr("a/train.csv, but no a/val.csv"), HasSubstr("a/val.csv, but no a/train.csv")));
  touch("data/more/a/train.csv");
  touch("data/more/a/val.csv");
  EXPECT_THAT(found(task), ElementsAre("data/more/a/train.csv", "data/more/a/val.csv"));
  touch("tasks/a/val.csv");  // beside the task's file comes first
  EXPECT_THAT(found(task), ElementsAre("tasks/a/train.csv", "tasks/a/val.csv"));
}

TEST_F(LocateTest, PatternsGiveAllShardsInOrder) {
  for (const char* shard : {"00002", "00000", "00010", "00001"}) touch("data/x/train-" + std::string(shard) + ".csv");
  touch("data/x/train-.txt");
  fs::create_directories(root_ / "x" / "train-folder.csv");
  const TaskConfig task = with("  train: [x/train-*.csv, x/train-00001.csv]\n");
  EXPECT_THAT(found(task), ElementsAre("data/x/train-00000.csv", "data/x/train-00001.csv", "data/x/train-00002.csv",
                                       "data/x/train-00010.csv"));
  // Characters of patterns in the folder's own name are plain.
  fs::rename(root_, folder_ / "da[t]a*?");
  EXPECT_THAT(found(task, folder_ / "da[t]a*?"), testing::SizeIs(4));
  EXPECT_THAT(refusal(with("  file: x/none-*.csv\n")), HasSubstr("x/none-*.csv"));
}

// Of the tasks' own files: what is there in full stands before FewGLUE's 32 rows, wherever each lies.
TEST_F(LocateTest, TheFullSuperGlueStandsBeforeFewGlue) {
  const std::pair<const char*, const char*> tasks[] = {{"boolq", "BoolQ"},   {"cb", "CB"},   {"copa", "COPA"},
                                                       {"record", "ReCoRD"}, {"rte", "RTE"}, {"multirc", "MultiRC"},
                                                       {"wic", "WiC"},       {"wsc", "WSC"}};
  for (const auto& [name, files] : tasks) {
    const TaskConfig task =
        read_task_config("superglue/" + std::string(name), {fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "configs/tasks"});
    const std::string few = "data/FewGLUE_32dev/" + std::string(files) + "/", full = std::string(files) + "/";
    for (const char* file : {"train.jsonl", "dev32.jsonl", "val.jsonl"}) touch(few + file);
    const auto fews = ElementsAre(few + "train.jsonl", few + "dev32.jsonl", few + "val.jsonl");
    EXPECT_THAT(found(task), fews);
    // A hub's cache, which FewGLUE's folder has to be named to stand before.
    const std::string hub = "hub/datasets--aps--super_glue/snapshots/abc/" +
                            std::string(name == std::string("wsc") ? "wsc.fixed" : name) + "/";
    for (const char* file : {"train", "validation"}) touch(hub + file + "-00000-of-00001.parquet");
    EXPECT_THAT(found(task).front(), hub + "train-00000-of-00001.parquet");
    EXPECT_THAT(found(task, root_ / "FewGLUE_32dev"), fews);
    for (const char* folder : {"data/", "data/SuperGLUE/"}) {  // the second is looked at first
      for (const char* file : {"train.jsonl", "val.jsonl"}) touch(folder + full + file);
      EXPECT_THAT(found(task), ElementsAre(folder + full + "train.jsonl", folder + full + "val.jsonl"));
    }
    touch("data/" + full + "dev32.jsonl");  // FewGLUE, unpacked where the full set is looked for first
    EXPECT_THAT(found(task).front(), "data/SuperGLUE/" + full + "train.jsonl");
    fs::remove_all(root_ / "SuperGLUE");
    EXPECT_THAT(found(task), testing::SizeIs(3)) << "a part of FewGLUE is not the full set";
    EXPECT_THAT(found(task, root_ / "FewGLUE_32dev"), fews);
  }
  fs::remove(root_ / "FewGLUE_32dev/ReCoRD/val.jsonl");  // as it is in truth
  const TaskConfig record =
      read_task_config("superglue/record", {fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "configs/tasks"});
  EXPECT_THAT(found(record, root_ / "FewGLUE_32dev"),
              ElementsAre("data/FewGLUE_32dev/ReCoRD/train.jsonl", "data/FewGLUE_32dev/ReCoRD/dev32.jsonl"));
}

TEST_F(LocateTest, NamesTheShardsThatAreMissing) {
  const TaskConfig task = with("  {train: 'x/train-*.csv', validation: 'x/val-*.csv'}\n");
  for (const char* shard : {"train-00000-of-00003", "train-00002-of-00003", "val-00000-of-00001"})
    touch("data/x/" + std::string(shard) + ".csv");
  EXPECT_THAT(refusal(task), AllOf(HasSubstr("x/train-*.csv, x/val-*.csv, but no x/train-00001-of-00003.csv\n"),
                                   HasSubstr("download the missing parts"), HasSubstr("list them in 'source'")));
  touch("data/x/train-00001-of-00003.csv");
  EXPECT_THAT(found(task), testing::SizeIs(4));
  // Of many the first are named; a second set beside a whole one is none the less a part.
  touch("data/x/train-00000-of-01200.csv");
  EXPECT_THAT(refusal(task), AllOf(HasSubstr("but no x/train-00001-of-01200.csv, x/train-00002-of-01200.csv, "
                                             "x/train-00003-of-01200.csv and 1,196 more"),
                                   Not(HasSubstr("00004-of"))));
  fs::remove(root_ / "x/train-00000-of-01200.csv");
  // A narrower pattern asks for what fits it, a list for what it names; parts may be counted from 1.
  touch("data/y/c4-train.00000-of-01024.json");
  touch("data/y/c4-train.00001-of-01024.json");
  EXPECT_THAT(refusal(with("  file: y/c4-train.0000?-of-01024.json\n")), HasSubstr("and 5 more"));
  EXPECT_THAT(found(with("  file: [y/c4-train.00000-of-01024.json, y/c4-train.00001-of-01024.json]\n")),
              testing::SizeIs(2));
  touch("data/z/part-00001-of-00002.csv");
  touch("data/z/part-00002-of-00002.csv");
  EXPECT_THAT(found(with("  file: z/part-*.csv\n")), testing::SizeIs(2));
}

TEST_F(LocateTest, KnowsTheHubsCache) {
  const TaskConfig task = with(superglue);
  const std::string set = "hub/datasets--aps--super_glue/";
  EXPECT_THAT(refusal(task), HasSubstr("datasets--aps--super_glue"));
  // What the hub made of it, in its own layout, then main.
  touch(set + "refs/refs/convert/parquet", "abc123\n");
  touch(set + "snapshots/abc123/boolq/train/0000.parquet");
  touch(set + "snapshots/abc123/boolq/validation/0000.parquet");
  EXPECT_THAT(found(task), ElementsAre(set + "snapshots/abc123/boolq/train/0000.parquet",
                                       set + "snapshots/abc123/boolq/validation/0000.parquet"));
  touch(set + "refs/main", "def456");
  touch(set + "snapshots/def456/boolq/train-00000-of-00001.parquet");
  touch(set + "snapshots/def456/boolq/validation-00000-of-00001.parquet");
  EXPECT_THAT(found(task).front(), EndsWith("def456/boolq/train-00000-of-00001.parquet"));
  // A reference is a name of a snapshot, not a way out of the cache.
  touch(set + "refs/main", "../../../data");
  EXPECT_THAT(found(task).front(), HasSubstr("snapshots/"));
  // --data may name a cache itself.
  const Variable elsewhere("HF_HUB_CACHE", (folder_ / "nothing").string());
  EXPECT_THAT(found(task, folder_ / "hub").front(), HasSubstr("snapshots/"));
  EXPECT_THAT(refusal(task), HasSubstr("nothing/datasets--super_glue"));
}

TEST_F(LocateTest, AFetchThatBrokeOffIsNoData) {
  const TaskConfig task = with("  file: rows.csv\n", "fetch: some/recipe\n");
  touch("data/some/recipe/rows.csv");
  EXPECT_THAT(refusal(task),
              AllOf(HasSubstr("an incomplete download"), HasSubstr("peft-bench tasks --fetch some/recipe")));
  touch("data/some/recipe/.ready");
  EXPECT_THAT(found(task), ElementsAre("data/some/recipe/rows.csv"));
}

TEST_F(LocateTest, WaysOfASource) {
  const TaskConfig task = with(
      "  rename: {a: x, c: z}\n  quote: none\n  any:\n"
      "    - {train: {any: [1.csv, 1.tsv]}, test: {any: [2.csv, 2.tsv]}, rename: {a: y}}\n"
      "    - {test: 3.jsonl.gz, records: p.q}\n");
  const std::vector<SourceSpec> ways = ways_of(task.spec->source);
  ASSERT_EQ(ways.size(), 3u);
  using Renames = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(ways[1].rename, (Renames{{"c", "z"}, {"a", "y"}}));
  EXPECT_EQ(ways[2].rename, (Renames{{"a", "x"}, {"c", "z"}}));
  EXPECT_THAT(ways[1].train, ElementsAre("1.tsv"));
  EXPECT_THAT(ways[1].test, ElementsAre("2.tsv"));
  EXPECT_TRUE(ways[2].train.empty());
  EXPECT_THAT(ways[2].records, ElementsAre("p", "q"));
  ASSERT_TRUE(ways[2].quote.has_value());
  EXPECT_FALSE(ways[2].quote->has_value());  // none
  touch("data/3.jsonl.gz");
  EXPECT_THAT(found(task), ElementsAre("data/3.jsonl.gz"));
  touch("data/1.tsv");
  touch("data/2.tsv");
  EXPECT_THAT(found(task), ElementsAre("data/1.tsv", "data/2.tsv"));
  // Equal sources have equal texts, others others.
  EXPECT_EQ(source_json(with("  {train: a.csv}\n").spec->source), source_json(with("  {file: a.csv}\n").spec->source));
  EXPECT_NE(source_json(with("  {train: a.csv}\n").spec->source),
            source_json(with("  {train: a.csv, records: x}\n").spec->source));
}

TEST_F(LocateTest, FaultsOfASource) {
  EXPECT_THAT(source_error("  {file: a.csv, recrods: x}\n"),
              AllOf(HasSubstr("boolq.yaml:2"), HasSubstr("did you mean 'records'")));
  EXPECT_THAT(source_error("  any: []\n"), HasSubstr("'any' is empty"));
  EXPECT_THAT(source_error("  any: x.csv\n"), HasSubstr("'any' must be a list"));
  EXPECT_THAT(source_error("  any: [{file: a.csv}]\n  train: b.csv\n"),
              AllOf(HasSubstr("boolq.yaml:3"), HasSubstr("cannot be combined with 'any'")));
  EXPECT_THAT(source_error("  any:\n    - {file: a.csv}\n    - {files: a.csv}\n"), HasSubstr("boolq.yaml:4"));
  EXPECT_THAT(source_error("  {train: {any: [a.csv, b.csv]}, test: {any: [c.csv, d.csv, e.csv]}}\n"),
              HasSubstr("different numbers of alternatives"));
  EXPECT_THAT(source_error("  {train: {any: [a.csv]}}\n"), HasSubstr("at least two alternatives"));
  EXPECT_THAT(source_error("  {file: a.csv, records: a..b}\n"), HasSubstr("invalid path to a list"));
  EXPECT_THAT(source_error("  {file: a.csv, hub: ../x}\n"), HasSubstr("invalid name of a data set"));
  EXPECT_THAT(source_error("  {file: a.csv, folders: [../x]}\n"), HasSubstr("invalid folder in the data folder"));
  EXPECT_THAT(source_error("  {file: a.csv, format: xml}\n"), HasSubstr("csv, tsv, jsonl, json, parquet"));
  EXPECT_THAT(source_error("  {file: a.csv, short_rows: drop}\n"), HasSubstr("skip or refuse"));
  EXPECT_THAT(source_error("  {validation: a.csv}\n"), HasSubstr("either 'file' or 'train'"));
  EXPECT_THAT(source_error("  {train: {any: [a.csv, b.csv]}, test: {any: [c.csv, b.csv]}}\n"),
              HasSubstr("used for two splits"));
}

}  // namespace
}  // namespace peftbench::locate_test
