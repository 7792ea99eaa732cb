// What a checkpoint holds lets training go on to the same bytes.
#include "support/layers.h"
#include "unit/train/training_fixture.h"

#include <gtest/gtest.h>

#include <cmath>

namespace peftbench::resume_test {

using namespace layers;

namespace {

using namespace support;

class ResumedTraining : public ::testing::Test {
 protected:
  TrainingJob job(CompiledPlan& plan) {
    return {*backbone_, plan, examples_, {}, {}, nullptr, nullptr, nullptr, nullptr};
  }

  std::shared_ptr<const Backbone> backbone_ = tiny_backbone();
  ExamplesInMemory examples_{some_examples(10)};
};

// Stops the training like a power cut: by an exception out of its progress.
struct PowerCut final : ProgressSink {
  explicit PowerCut(std::int64_t step) : step(step) {}
  void update(const Progress& progress) override {
    if (progress.done == step) throw step;
  }
  void note(const std::string&) override {}
  std::int64_t step;
};

TEST_F(ResumedTraining, GoesOnToTheSameBytesWhereverItWasStopped) {
  auto config = small_config();
  config.steps = 14;
  config.evaluate_every = 4;
  config.evaluate_at_start = true;
  config.checkpoint_every = 3;
  config.optimizer = OptimizerKind::adafactor;
  const std::vector<double> values = {0, 0.3, 0.5, 0.5, 0.4};  // by step / 4, the last rounded up
  const auto run = [&](const fs::path& folder, std::int64_t stop) {
    auto plan = prompt_plan(*backbone_);
    CheckpointStore store(folder, "run");
    EventLog log(folder / "log.jsonl");
    PowerCut cut(stop);
    auto task = job(plan);
    task.checkpoints = &store;
    task.log = &log;
    task.progress = &cut;
    std::int64_t evaluated = -1;
    task.validate = [&](const CompiledPlan&) {
      if (evaluated < 0) evaluated = store.load() ? store.load()->progress.at("evaluations").size() : 0;
      Evaluation evaluation;
      evaluation.metrics = {{"accuracy", values.at(evaluated++), 10, 0, 1}};
      return evaluation;
    };
    const auto result = train::train(config, task);
    return std::tuple(bytes_of(plan), read_text(folder / "log.jsonl"), result.receiving_gradient, result.best_step,
                      result.tokens);
  };
  const auto whole = run(fresh_folder("whole"), -1);
  EXPECT_EQ(std::get<3>(whole), 8);
  for (std::int64_t stop = 1; stop < 14; ++stop) {
    const fs::path folder = fresh_folder("cut");
    EXPECT_THROW(run(folder, stop), std::int64_t);
    EXPECT_EQ(run(folder, -1), whole) << "stopped at step " << stop;
    EXPECT_EQ(run(folder, -1), whole) << "asked again when finished";
  }
}

// hostile 4
TEST_F(ResumedTraining, GoesOnAfterAValidationLossThatWasNoNumber) {
  auto config = small_config();
  config.evaluate_every = 4;
  config.checkpoint_every = 2;
  const auto run = [&](const fs::path& folder, std::int64_t stop) {
    auto plan = prompt_plan(*backbone_);
    CheckpointStore store(folder, "run");
    EventLog log(folder / "log.jsonl");
    PowerCut cut(stop);
    auto task = job(plan);
    task.checkpoints = &store;
    task.log = &log;
    task.progress = &cut;
    task.validate = [&](const CompiledPlan&) {
      const bool first = read_text(folder / "log.jsonl").find("\"evaluation\"") == std::string::npos;
      const double number = first ? std::nan("") : 0.5;
      Evaluation evaluation;
      evaluation.metrics = {{"pearson", number, 10, number, number}};
      evaluation.loss = number;
      return evaluation;
    };
    const auto result = train::train(config, task);
    return std::tuple(bytes_of(plan), read_text(folder / "log.jsonl"), read_text(folder / "train.safetensors"),
                      std::isnan(result.evaluations.front().loss));
  };
  const auto whole = run(fresh_folder("nan"), -1);
  EXPECT_TRUE(std::get<3>(whole));
  const fs::path folder = fresh_folder("nan_cut");
  EXPECT_THROW(run(folder, 7), std::int64_t);
  EXPECT_EQ(run(folder, -1), whole);
}

// hostile 5, 17
TEST_F(ResumedTraining, TellsThatACheckpointOrTheLogWasDamaged) {
  auto config = small_config();
  config.checkpoint_every = 3;
  const fs::path folder = fresh_folder("damaged");
  std::vector<std::string> warnings;
  const auto run = [&](std::int64_t stop) {
    auto plan = prompt_plan(*backbone_);
    CheckpointStore store(folder, "run");
    EventLog log(folder / "log.jsonl");
    PowerCut cut(stop);
    auto task = job(plan);
    task.checkpoints = &store;
    task.log = &log;
    task.progress = &cut;
    task.warn = [&](const std::string& text) { warnings.push_back(text); };
    train::train(config, task);
    return bytes_of(plan);
  };
  EXPECT_THROW(run(8), std::int64_t);  // checkpoints of steps 3 and 6
  EXPECT_TRUE(warnings.empty());
  fs::resize_file(folder / "train.safetensors", fs::file_size(folder / "train.safetensors") - 1);
  fs::resize_file(folder / "log.jsonl", 10);
  const std::string resumed = run(-1);
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_NE(warnings[0].find("step 3"), std::string::npos) << warnings[0];
  EXPECT_NE(warnings[1].find("are lost"), std::string::npos) << warnings[1];
  fs::remove_all(folder);
  fs::create_directories(folder);
  EXPECT_EQ(run(-1), resumed);
}

}  // namespace
}  // namespace peftbench::resume_test
