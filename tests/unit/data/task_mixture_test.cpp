#include "data/task/task_mixture.h"
#include "support/layers.h"

#include "data_fixture.h"

namespace peftbench::task_mixture_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class TaskMixtureTest : public DataTest {
 protected:
  void SetUp() override {
    DataTest::SetUp();
    write_task("moods", 40, "labels: [good, bad]\nlimits: {input: 40, target: 5}\n");
    write_task("topics", 160, "metrics: [exact_match]\nlimits: {input: 20, target: 9}\n");
  }
  void write_task(const std::string& name, int rows, const std::string& more) const {
    std::string csv = "text,answer\n";
    for (int i = 0; i < rows; ++i) csv += name + std::to_string(i) + "," + (i % 2 ? "good" : "bad") + "\n";
    write(name + ".csv", csv);
    write(name + ".yaml",
          "source: " + name + ".csv\ninput: \"" + name + " text: {text}\"\ntarget: \"{answer}\"\n" + more);
  }
  TaskConfig mixture(const std::string& yaml) const {
    return read_task_config(write("both.yaml", "mixture:\n" + yaml).string(), {folder_});
  }
  std::string refusal(const std::string& yaml) const {
    return message<ConfigError>([&] { mixture(yaml); });
  }
};

TEST_F(TaskMixtureTest, HoldsItsTasksWithTheLargestLimits) {
  const TaskConfig config = mixture("  tasks: [moods, topics]\n");
  EXPECT_EQ(config.name, "both");
  EXPECT_EQ(config.max_input_tokens, 40);
  EXPECT_EQ(config.max_target_tokens, 9);
  EXPECT_THAT(config.metrics, ElementsAre("mean"));
  EXPECT_THAT(config.labels, SizeIs(0));
  EXPECT_EQ(config.mixture->tasks.at(0).max_input_tokens, 40);
  EXPECT_EQ(config.mixture->tasks.at(1).max_input_tokens, 20);
  EXPECT_THAT(shape_of(config).fields, ElementsAre("text"));
}

TEST_F(TaskMixtureTest, TasksAreFoundBesideItToo) {
  write("both.yaml", "mixture: {tasks: [moods.yaml, topics.yaml]}\n");
  EXPECT_EQ(read_task_config((folder_ / "both.yaml").string(), {}).mixture->tasks.at(1).name, "topics");
}

TEST_F(TaskMixtureTest, LoadsEachTaskForItself) {
  const TaskData data = load_task(mixture("  tasks: [moods, topics]\n"), folder_ / "data");
  ASSERT_THAT(data.parts, SizeIs(2));
  EXPECT_THAT(data.train, SizeIs(0));
  EXPECT_EQ(data.parts[0].train.size(), 32U);
  EXPECT_EQ(data.parts[1].test.size(), 16U);
  EXPECT_EQ(sizes_of(data).train, 32 + 128);
  EXPECT_EQ(sizes_of(data).validation, 4 + 16);
  EXPECT_THAT(rates_of(data), ElementsAre(DoubleNear(0.2, 1e-12), DoubleNear(0.8, 1e-12)));
  EXPECT_NE(data.hash, load_task(mixture("  tasks: [moods]\n"), folder_ / "data").hash);
  EXPECT_THAT(parts_of(data.parts[0]), ElementsAre(&data.parts[0]));
}

TEST_F(TaskMixtureTest, TheFilesRatesAreTaken) {
  const auto rates = [&](const std::string& more) {
    return rates_of(load_task(mixture("  tasks: [moods, topics]\n" + more), folder_ / "data"));
  };
  EXPECT_THAT(rates("  cap: 32\n"), ElementsAre(0.5, 0.5));
  EXPECT_THAT(rates("  rate: proportional\n  cap: 96\n"), ElementsAre(0.25, 0.75));
  EXPECT_THAT(rates("  rate: equal\n"), ElementsAre(0.5, 0.5));
  EXPECT_THAT(rates("  rate: {temperature: 2}\n"), ElementsAre(DoubleNear(1.0 / 3, 1e-12), DoubleNear(2.0 / 3, 1e-12)));
  EXPECT_THAT(rates("  rate: {topics: 1, moods: 3}\n"), ElementsAre(0.75, 0.25));
}

TEST_F(TaskMixtureTest, EverythingThatDecidesTheDrawsIsInItsText) {
  const std::string plain = mixture("  tasks: [moods, topics]\n").canonical;
  EXPECT_EQ(plain, mixture("  tasks: [moods, topics]\n  rate: proportional\n").canonical);
  for (const char* other : {"  tasks: [topics, moods]\n", "  tasks: [moods, topics]\n  cap: 5\n",
                            "  tasks: [moods, topics]\n  rate: equal\n", "  tasks: [moods]\n",
                            "  tasks: [moods, topics]\n  rate: {temperature: 3}\n",
                            "  tasks: [moods, topics]\n  rate: {moods: 1, topics: 2}\n"})
    EXPECT_NE(plain, mixture(other).canonical) << other;
  write_task("moods", 40, "labels: [good, bad]\nlimits: {input: 41, target: 5}\n");
  EXPECT_NE(plain, mixture("  tasks: [moods, topics]\n").canonical);
}

TEST_F(TaskMixtureTest, DescribesItsRates) {
  EXPECT_EQ(describe_policy({}), "proportional");
  EXPECT_EQ(describe_policy({.cap = 16384, .temperature = 2}),
            "proportional, at most 16,384 of a task, temperature 2.0");
  EXPECT_EQ(describe_policy({.kind = MixturePolicy::Kind::equal}), "equal");
}

TEST_F(TaskMixtureTest, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(refusal("  tasks: []\n"), AllOf(HasSubstr("both.yaml:2: a mixture without tasks")));
  EXPECT_THAT(refusal("  task: [moods]\n"), HasSubstr("both.yaml:2"));
  EXPECT_THAT(refusal("  tasks: [moods, moods]\n"), HasSubstr("duplicate task"));
  EXPECT_THAT(refusal("  tasks: [mods, topics]\n"),
              AllOf(HasSubstr("both.yaml:"), HasSubstr("unknown task 'mods'"), HasSubstr("'moods'")));
  EXPECT_THAT(refusal("  tasks: [moods, both]\n"), HasSubstr("the mixture contains itself"));
  EXPECT_THAT(refusal("  tasks: [moods]\n  rate: evenly\n"),
              AllOf(HasSubstr("both.yaml:3"), HasSubstr("'evenly'"), HasSubstr("temperature")));
  EXPECT_THAT(refusal("  tasks: [moods]\n  rate: {temperature: 0}\n"), HasSubstr("invalid temperature"));
  EXPECT_THAT(refusal("  tasks: [moods, topics]\n  rate: {moods: 2}\n"), HasSubstr("none for 'topics'"));
  EXPECT_THAT(refusal("  tasks: [moods]\n  rate: {mood: 2}\n"), HasSubstr("did you mean 'moods'"));
  EXPECT_THAT(refusal("  tasks: [moods]\n  rate: {moods: -1}\n"), HasSubstr("invalid rate"));
  EXPECT_THAT(refusal("  tasks: [moods]\n  rate: equal\n  cap: 7\n"), HasSubstr("both.yaml:4: 'cap' needs rates"));
  EXPECT_THAT(refusal("  tasks: [moods]\n  cap: 0\n"), HasSubstr("invalid number of examples"));
  EXPECT_THAT(refusal("  tasks: [moods]\nsource: moods.csv\n"), HasSubstr("'source'"));
}

TEST_F(TaskMixtureTest, HoldsNoOtherMixture) {
  write("inner.yaml", "mixture: {tasks: [moods]}\n");
  EXPECT_THAT(refusal("  tasks: [inner, topics]\n"),
              AllOf(HasSubstr("the mixture contains a mixture"), HasSubstr("'inner'")));
}

}  // namespace
}  // namespace peftbench::task_mixture_test
