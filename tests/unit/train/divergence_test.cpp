// S1: numbers that are not finite end training, with their cause, and win no selection.
#include "support/layers.h"
#include "unit/train/training_fixture.h"

#include "backbone/finite.h"

#include <ATen/ops/full.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace peftbench::divergence_test {

using namespace layers;

namespace {

using namespace support;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

class DivergenceTest : public ::testing::Test {
 protected:
  static TrainingJob job(const Backbone& backbone, CompiledPlan& plan, const ExampleList& examples) {
    return {backbone, plan, examples, {}, {}, nullptr, nullptr, nullptr, nullptr};
  }
  std::string message(const TrainConfig& config, const Backbone& backbone, CompiledPlan& plan,
                      std::function<Evaluation(const CompiledPlan&)> validate = {}) {
    TrainingJob task = job(backbone, plan, examples_);
    task.validate = std::move(validate);
    try {
      train::train(config, task);
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 1);
      return error.what();
    }
    return "no error";
  }
  ExamplesInMemory examples_{some_examples(10)};
};

TEST_F(DivergenceTest, BeforeTheFirstUpdateTheWeightsAreNamed) {
  const BackboneSpec spec = tiny_spec();
  TensorMap tensors = tiny_tensors(spec, 1);
  tensors.at("encoder.block.1.layer.1.DenseReluDense.wo.weight")[0][0].fill_(std::numeric_limits<float>::infinity());
  const auto backbone = Backbone::from_tensors(spec, tensors);
  auto plan = prompt_plan(*backbone);
  EXPECT_THAT(message(small_config(), *backbone, plan),
              AllOf(HasSubstr("the weights are not finite"), HasSubstr("at step 1"),
                    HasSubstr("encoder.block.1.layer.1.DenseReluDense.wo.weight of the backbone holds 1 inf"),
                    Not(HasSubstr("learning_rate"))));
}

TEST_F(DivergenceTest, BeforeTheFirstUpdateNoLearningRateIsToBlame) {
  const auto backbone = tiny_backbone();
  auto plan = prompt_plan(*backbone);
  plan.load_training({{"encoder.input.prompt", at::full({3, 20}, nan, at::kFloat)}});
  EXPECT_THAT(message(small_config(), *backbone, plan),
              AllOf(HasSubstr("cannot start"), HasSubstr("encoder.input.prompt of "), HasSubstr("60 NaN"),
                    HasSubstr("initial values"), Not(HasSubstr("learning_rate"))));
}

TEST_F(DivergenceTest, TheLastUpdateIsLookedAt) {
  const auto backbone = tiny_backbone();
  auto plan = prompt_plan(*backbone);
  plan.load_training({{"encoder.input.prompt", at::full({3, 20}, 2, at::kFloat)}});
  TrainConfig config = small_config();
  config.steps = 1;
  config.learning_rate = 3.3e37;
  config.adamw.weight_decay = 9;  // the decay alone makes −6e38 of a 2
  EXPECT_THAT(message(config, *backbone, plan),
              AllOf(HasSubstr("training diverged"), HasSubstr("after step 1"), HasSubstr("encoder.input.prompt of "),
                    HasSubstr("lower train.learning_rate")));
}

TEST_F(DivergenceTest, ARateThatFp32DoesNotHoldIsADivergence) {
  const auto backbone = tiny_backbone();
  for (const OptimizerKind optimizer : {OptimizerKind::adamw, OptimizerKind::adafactor}) {
    auto plan = prompt_plan(*backbone);
    TrainConfig config = small_config();
    config.optimizer = optimizer;
    config.learning_rate = 1e40;
    EXPECT_THAT(message(config, *backbone, plan),
                AllOf(HasSubstr("training diverged"), HasSubstr("lower train.learning_rate")));
  }
}

TEST_F(DivergenceTest, AnEvaluationOfHugeParametersIsADivergence) {
  const auto backbone = tiny_backbone();
  auto plan = prompt_plan(*backbone);
  TrainConfig config = small_config();
  config.steps = 1;
  config.learning_rate = 3e37;  // finite, and its square is not: the norm would make zeros of it
  const auto validate = [&](const CompiledPlan& current) {
    logits(*backbone, current, {{5, 1}}, {{0, 8}});
    return Evaluation();
  };
  EXPECT_THAT(message(config, *backbone, plan, validate),
              AllOf(HasSubstr("training diverged"), HasSubstr("after step 1"), HasSubstr("e+37"),
                    HasSubstr("lower train.learning_rate")));
}

Evaluation with(double score, double loss) {
  Evaluation evaluation;
  evaluation.metrics = {{"accuracy", score, 10, 0, 1}};
  evaluation.loss = loss;
  return evaluation;
}

std::function<Evaluation(const CompiledPlan&)> scripted(std::vector<std::pair<double, double>> values) {
  auto next = std::make_shared<std::size_t>(0);
  return [values, next](const CompiledPlan&) {
    const auto [score, loss] = values.at((*next)++);
    return with(score, loss);
  };
}

TEST_F(DivergenceTest, NaNIsNeverTheBest) {
  const auto backbone = tiny_backbone();
  TrainConfig config = small_config();
  config.steps = 4;
  config.evaluate_every = 1;
  for (const auto& script : std::vector<std::vector<std::pair<double, double>>>{
           {{nan, 1}, {0.2, 1}, {nan, 0}, {0.1, 1}}, {{0.9, nan}, {0.2, 1}, {0.9, nan}, {0.2, 2}}}) {
    auto plan = prompt_plan(*backbone);
    TrainingJob task = job(*backbone, plan, examples_);
    task.validate = scripted(script);
    EXPECT_EQ(train::train(config, task).best_step, 2);
  }
  // They count as evaluations without a gain.
  auto plan = prompt_plan(*backbone);
  TrainingJob task = job(*backbone, plan, examples_);
  config.patience = 2;
  task.validate = scripted({{0.2, 1}, {nan, 0}, {0.9, nan}});
  const TrainingResult result = train::train(config, task);
  EXPECT_TRUE(result.stopped_early);
  EXPECT_EQ(result.steps, 3);
  EXPECT_EQ(result.best_step, 1);
}

TEST_F(DivergenceTest, WithoutAnyFiniteEvaluationThereIsNoBestStep) {
  const auto backbone = tiny_backbone();
  auto plan = prompt_plan(*backbone);
  TrainConfig config = small_config();
  config.steps = 2;
  config.evaluate_every = 1;
  EXPECT_THAT(message(config, *backbone, plan, scripted({{nan, 1}, {0.5, nan}})),
              HasSubstr("no checkpoint can be selected"));
}

}  // namespace
}  // namespace peftbench::divergence_test
