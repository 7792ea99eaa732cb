// The loop of training by itself, with a job of a few numbers.
#include "train/loop.h"
#include "support/layers.h"

#include "unit/train/training_fixture.h"

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

namespace peftbench::loop_test {

using namespace layers;

namespace {

using namespace support;

using Calls = std::vector<std::string>;

struct RecordingHook final : StepHook {
  explicit RecordingHook(Calls* calls) : calls(calls) {}
  void step_end(const StepCall& call) override {
    calls->push_back("hooks " + std::to_string(call.step) + "/" + std::to_string(call.steps));
  }
  Calls* calls;
};

// Three parameters, the last of which no loss depends on.
CompiledPlan toy_plan(const Backbone& backbone, Calls* calls) {
  auto plan = plan_with(backbone, [&](const BackboneSpec& spec, PlanBuilder& builder) {
    builder.parameter(spec.step_end(), "first", {2, 3}, init::uniform(-1, 1));
    builder.parameter(spec.step_end(), "second", {4}, init::uniform(-1, 1));
    builder.parameter(spec.step_end(), "unused", {1}, init::uniform(-1, 1));
    builder.claim<RecordingHook>(spec.step_end(), calls);
  });
  initialise(plan);
  return plan;
}

// The values follow a target that moves with the draws. Two passes a step; what is drawn depends on all draws before
// it, so a checkpoint that forgot their number would show.
class ToyJob final : public LoopJob {
 public:
  ToyJob(CompiledPlan& plan, Calls* calls) : plan_(plan), calls_(calls) {}

  void draw(const LoopState&) override {
    calls_->push_back("draw");
    ++draws_;
  }
  double add_gradients(const LoopState&) override {
    calls_->push_back("gradients");
    const auto parameters = plan_.trained();
    double loss = 0;
    for (int pass = 0; pass < 2; ++pass)
      for (std::size_t i = 0; i < 2; ++i) {
        const Tensor part = (parameters[i]->value - 0.1 * static_cast<double>(draws_)).square().sum() / 2;
        part.backward();
        loss += part.item<double>();
      }
    return loss;
  }
  void watch(const LoopState&, const std::vector<Tensor>&) override { calls_->push_back("watch"); }
  void describe(nlohmann::json& step_event) const override {
    calls_->push_back("describe");
    step_event["draws"] = draws_;
  }
  void after_step(const LoopState&, const LoopStep& step) override {
    calls_->push_back("after_step");
    EXPECT_TRUE(step.gradients.empty());
  }
  std::optional<Validation> validate(const LoopState& at) override {
    calls_->push_back("validate");
    if (scores.empty()) return std::nullopt;
    seen[at.steps] = bytes_of(plan_);
    const auto [score, loss] = scores.at(at.steps);
    const EvaluationPoint point{at.steps, loss, 0, {{"accuracy", score, 10, 0, 1}}};
    return Validation{to_json(point), point};
  }
  void after_validation(const LoopState&) override { calls_->push_back("after_validation"); }
  void after_checkpoint(const LoopState&, const LoopStep&) override { calls_->push_back("after_checkpoint"); }
  void finish(const LoopState&) override { calls_->push_back("finish"); }
  void store(const LoopState&, TrainState& state) const override {
    calls_->push_back("store");
    state.progress["draws"] = draws_;
  }
  void restore(const TrainState& state) override { draws_ = state.progress.at("draws"); }

  std::map<std::int64_t, std::pair<double, double>> scores;  // score and loss by step; none: nothing to validate on
  std::map<std::int64_t, std::string> seen;                  // parameters by step

 private:
  CompiledPlan& plan_;
  Calls* calls_;
  std::int64_t draws_ = 0;
};

class Loop : public ::testing::Test {
 protected:
  struct Outcome {
    LoopState end;
    std::string parameters, log, checkpoint;
    std::map<std::int64_t, std::string> seen;
  };

  // One process: goes on from what the folder holds. `stop_at`: the step after which it is asked to stop; -1: none.
  Outcome run(const fs::path& folder, std::int64_t stop_at = -1) {
    CompiledPlan plan = toy_plan(*backbone_, &calls_);
    CheckpointStore checkpoints(folder, "toy");
    EventLog log(folder / "log.jsonl");
    ToyJob job(plan, &calls_);
    job.scores = scores_;
    LoopSetup setup{config_, *backbone_, plan, "training", "train anew"};
    setup.chooses_best = !scores_.empty();
    setup.checkpoints = &checkpoints;
    setup.log = &log;
    std::int64_t asked = 0;
    setup.stop = [&] {
      calls_.push_back("stop");
      return ++asked == stop_at;
    };
    setup.reduce = [&](LoopStep& step) {
      calls_.push_back("reduce");
      if (reduce_) reduce_(step, plan);
    };
    LoopState end = TrainLoop(std::move(setup), job).run();
    return {std::move(end), bytes_of(plan), read_text(folder / "log.jsonl"), read_text(folder / "train.safetensors"),
            job.seen};
  }

  std::shared_ptr<const Backbone> backbone_ = tiny_backbone();
  TrainConfig config_ = small_config();
  std::map<std::int64_t, std::pair<double, double>> scores_;
  std::function<void(LoopStep&, const CompiledPlan&)> reduce_;
  Calls calls_;
};

TEST_F(Loop, GoesThroughItsPhasesInOrder) {
  config_.steps = 2;
  config_.evaluate_every = 1;
  config_.checkpoint_every = 1;
  run(fresh_folder("phases"));
  const Calls expected = {"draw", "gradients", "reduce", "watch", "hooks 1/2", "describe", "after_step", "validate",
                          "after_validation", "stop", "store", "after_checkpoint",
                          // The last step is not asked about, and its checkpoint is that of the end.
                          "draw", "gradients", "reduce", "watch", "hooks 2/2", "describe", "after_step", "validate",
                          "after_validation", "after_checkpoint", "finish", "store"};
  EXPECT_EQ(calls_, expected);
}

nlohmann::json first_event(const std::string& log) { return nlohmann::json::parse(log.substr(0, log.find('\n'))); }

TEST_F(Loop, ReduceHasAllGradientsOnceAnUpdateBeforeTheyAreClippedAndUsed) {
  config_.clip_norm = 0.5;
  int times = 0;
  std::string before;
  reduce_ = [&](LoopStep& step, const CompiledPlan& plan) {
    ++times;
    before = bytes_of(plan);
    ASSERT_EQ(step.gradients.size(), 3u);
    EXPECT_FALSE(step.gradients[2].defined());
    double loss = 0;
    for (std::size_t i = 0; i < 2; ++i) {
      // Of both passes, each of which gives its parameter's distance from the target of the first draw.
      const Tensor distance = plan.trained()[i]->value.detach() - 0.1;
      EXPECT_LT(difference(step.gradients[i], 2 * distance), 1e-6);
      loss += distance.square().sum().item<double>();
      step.gradients[i].fill_(3);  // as if other processes had added theirs
    }
    EXPECT_NEAR(step.loss, loss, 1e-5);
    step.loss = 7;
  };
  const fs::path folder = fresh_folder("reduce");
  const Outcome stopped = run(folder, 1);
  EXPECT_EQ(times, 1);
  EXPECT_NE(stopped.parameters, before);
  const auto event = first_event(stopped.log);
  EXPECT_EQ(event.at("loss"), 7.0);
  EXPECT_NEAR(event.at("gradient_norm").get<double>(), 3 * std::sqrt(10.0), 1e-4);
  // AdamW's mean of the first gradient is (1 − beta1) of it: of the reduced one, scaled to the norm 0.5.
  const auto state = CheckpointStore(folder, "toy").load();
  ASSERT_TRUE(state);
  double squares = 0;
  for (const auto& [name, tensor] : state->optimizer)
    if (name.ends_with("/exp_avg")) squares += tensor.square().sum().item<double>();
  EXPECT_NEAR(std::sqrt(squares), (1 - config_.adamw.beta1) * 0.5, 1e-5);
}

TEST_F(Loop, TheReducedLossDecidesWhetherTrainingDiverged) {
  reduce_ = [](LoopStep& step, const CompiledPlan&) { step.loss = std::numeric_limits<double>::quiet_NaN(); };
  try {
    run(fresh_folder("reduced_loss"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("a loss of NaN at step 1"), std::string::npos) << error.what();
  }
}

TEST_F(Loop, StoppedBetweenAnyTwoStepsItEndsWithTheSameBytes) {
  config_.steps = 6;
  config_.evaluate_every = 2;
  config_.clip_norm = 1;
  scores_ = {{2, {0.5, 1}}, {4, {0.7, 1}}, {6, {0.6, 1}}};
  for (const OptimizerKind optimizer : {OptimizerKind::adamw, OptimizerKind::adafactor}) {
    config_.optimizer = optimizer;
    const Outcome whole = run(fresh_folder("whole"));
    EXPECT_FALSE(whole.end.interrupted);
    for (std::int64_t stop = 1; stop < 6; ++stop) {
      config_.checkpoint_every = stop % 2 == 0 ? 1 : 0;  // with and without others before that of the stop
      const fs::path folder = fresh_folder("stopped");
      const Outcome first = run(folder, stop);
      EXPECT_TRUE(first.end.interrupted);
      EXPECT_FALSE(first.end.done);
      EXPECT_EQ(first.end.steps, stop);
      EXPECT_EQ(CheckpointStore(folder, "toy").load()->step, stop);
      const Outcome second = run(folder);
      EXPECT_EQ(second.end.resumed_at, stop);
      EXPECT_EQ(second.end.best.step(), 4);
      EXPECT_EQ(second.parameters, whole.parameters) << "stopped after step " << stop;
      EXPECT_EQ(second.log, whole.log) << "stopped after step " << stop;
      EXPECT_EQ(second.checkpoint, whole.checkpoint) << "stopped after step " << stop;
      calls_.clear();
      EXPECT_EQ(run(folder).parameters, whole.parameters) << "asked again when finished";
      EXPECT_TRUE(calls_.empty());
    }
    config_.checkpoint_every = 0;
    const fs::path folder = fresh_folder("after_each");
    int interruptions = 0;
    while (run(folder, 1).end.interrupted) ++interruptions;
    EXPECT_EQ(interruptions, 5);
    EXPECT_EQ(read_text(folder / "train.safetensors"), whole.checkpoint);
    EXPECT_EQ(read_text(folder / "log.jsonl"), whole.log);
  }
}

TEST_F(Loop, OfEqualScoresTheLowerLossIsBestThenTheEarlierStep) {
  config_.steps = 10;
  config_.evaluate_every = 1;
  config_.patience = 3;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  scores_ = {{1, {0.5, 2}}, {2, {0.7, 3}}, {3, {0.7, 2}}, {4, {0.7, 2}}, {5, {0.6, 0}}, {6, {nan, 0}}};
  const Outcome whole = run(fresh_folder("ties"));
  EXPECT_TRUE(whole.end.best.stopped_early());
  EXPECT_EQ(whole.end.steps, 6);
  EXPECT_EQ(whole.end.best.step(), 3);
  EXPECT_EQ(whole.parameters, whole.seen.at(3));
  EXPECT_NE(whole.parameters, whole.seen.at(4));
  // What was best, and how long ago, survives a stop.
  const fs::path folder = fresh_folder("ties_stopped");
  EXPECT_TRUE(run(folder, 5).end.interrupted);
  EXPECT_EQ(run(folder).checkpoint, whole.checkpoint);
}

TEST_F(Loop, WithoutValidationTheLastStepIsKept) {
  config_.steps = 3;
  const Outcome whole = run(fresh_folder("unvalidated"));
  EXPECT_TRUE(whole.end.done);
  EXPECT_EQ(whole.end.best.step(), 3);
  EXPECT_TRUE(whole.end.best.evaluations().empty());
  EXPECT_EQ(whole.log.find("\"evaluation\""), std::string::npos);
}

}  // namespace
}  // namespace peftbench::loop_test
