#include "train/optimizer.h"
#include "support/layers.h"

#include "train/schedule.h"

#include <peftbench/error.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/full.h>
#include <ATen/ops/sin.h>
#include <gtest/gtest.h>

#include <cmath>

namespace peftbench::optimizer_test {

using namespace layers;

namespace {

std::shared_ptr<detail::ParameterSlot> slot_with(const std::string& name, const Tensor& value) {
  auto slot = std::make_shared<detail::ParameterSlot>();
  slot->name = name;
  slot->shape = value.sizes().vec();
  slot->value = value.clone();
  return slot;
}

// sin(a·i + b), laid out in `shape`.
Tensor wave(Shape shape, double a, double b = 0) {
  int64_t n = 1;
  for (const auto size : shape) n *= size;
  return at::sin(at::arange(n, at::kDouble) * a + b).reshape(shape).to(at::kFloat);
}

float largest_difference(const Tensor& a, const std::vector<double>& b) {
  const Tensor flat = a.contiguous();
  double most = 0;
  for (std::size_t i = 0; i < b.size(); ++i)
    most = std::max(most, std::abs(static_cast<double>(flat.const_data_ptr<float>()[i]) - b[i]));
  return static_cast<float>(most);
}

// Fifty steps of torch.optim.AdamW(lr=0.01, weight_decay=0.1) on Σ k(p − t)²/2, k = 1…12, p = sin(0.7 i),
// t = cos(1.3 i), printed by torch 2.13 in Python.
TEST(AdamW, FollowsTorch) {
  const std::vector<double> golden = {0.452422171831131,    0.2675698399543762,  0.4689697027206421,
                                      0.3559633195400238,   0.4585437774658203,  0.12776611745357513,
                                      -0.38460272550582886, -0.9449148774147034, -0.5572721362113953,
                                      0.44066229462623596,  0.9148271679878235,  0.4857940375804901};
  TrainConfig config;
  config.optimizer = OptimizerKind::adamw;
  config.adamw.weight_decay = 0.1;
  auto slot = slot_with("p", wave({3, 4}, 0.7));
  const Tensor target = at::cos(at::arange(12, at::kDouble) * 1.3).reshape({3, 4}).to(at::kFloat);
  const Tensor weight = at::arange(1, 13, at::kFloat).reshape({3, 4});
  const auto optimizer = make_optimizer(config, {slot});
  for (int step = 0; step < 50; ++step) optimizer->step({(slot->value - target) * weight}, 0.01);
  EXPECT_LE(largest_difference(slot->value, golden), 1e-6);
}

// Adafactor a second time, element by element in double precision.
struct PlainAdafactor {
  int64_t rows, columns;
  double t, rate, weight_decay;
  bool scale, factored;
  std::vector<double> p, v = {}, row = {}, column = {};

  void step(const std::vector<double>& g) {
    const auto n = p.size();
    const double beta = 1 - std::pow(t + 1, -0.8);
    std::vector<double> y(n);
    if (factored) {
      row.resize(rows), column.resize(columns);
      for (int64_t r = 0; r < rows; ++r) {
        double sum = 0;
        for (int64_t c = 0; c < columns; ++c) sum += g[r * columns + c] * g[r * columns + c] + 1e-30;
        row[r] = beta * row[r] + (1 - beta) * sum / columns;
      }
      double mean = 0;
      for (const double x : row) mean += x / rows;
      for (int64_t c = 0; c < columns; ++c) {
        double sum = 0;
        for (int64_t r = 0; r < rows; ++r) sum += g[r * columns + c] * g[r * columns + c] + 1e-30;
        column[c] = beta * column[c] + (1 - beta) * sum / rows;
      }
      for (std::size_t i = 0; i < n; ++i) y[i] = g[i] / std::sqrt(row[i / columns] / mean * column[i % columns]);
    } else {
      v.resize(n);
      for (std::size_t i = 0; i < n; ++i) {
        v[i] = beta * v[i] + (1 - beta) * (g[i] * g[i] + 1e-30);
        y[i] = g[i] / std::sqrt(v[i]);
      }
    }
    double squares = 0, size = 0;
    for (std::size_t i = 0; i < n; ++i) squares += y[i] * y[i], size += p[i] * p[i];
    const double clip = std::max(1.0, std::sqrt(squares / n));
    const double step_size = rate * (scale ? std::max(1e-3, std::sqrt(size / n)) : 1.0);
    for (std::size_t i = 0; i < n; ++i) p[i] = (1 - weight_decay) * p[i] - step_size * y[i] / clip;
    ++t;
  }
};

struct AdafactorCase {
  int64_t rows, columns, initial_step, offset;
  bool scale;
};
void PrintTo(const AdafactorCase& c, std::ostream* out) {
  *out << c.rows << "x" << c.columns << ", step " << c.initial_step << ", offset " << c.offset
       << (c.scale ? ", scaled" : "");
}
class AdafactorReplay : public ::testing::TestWithParam<AdafactorCase> {};

TEST_P(AdafactorReplay, FiveStepsEqualASecondImplementation) {
  const auto c = GetParam();
  TrainConfig config;
  config.adafactor.initial_step = c.initial_step;
  config.adafactor.step_offset = c.offset;
  config.adafactor.multiply_by_parameter_scale = c.scale;
  auto slot = slot_with("p", wave({c.rows, c.columns}, 0.37, 0.2));
  PlainAdafactor plain{c.rows,
                       c.columns,
                       static_cast<double>(c.initial_step - c.offset),
                       0.3,
                       1e-5,
                       c.scale,
                       std::min(c.rows, c.columns) >= 128,
                       {}};
  const Tensor start = slot->value.to(at::kDouble).contiguous();
  plain.p.assign(start.const_data_ptr<double>(), start.const_data_ptr<double>() + start.numel());
  const auto optimizer = make_optimizer(config, {slot});
  EXPECT_EQ(optimizer->state().size(), plain.factored ? 2u : 1u);
  for (int step = 0; step < 5; ++step) {
    const Tensor gradient = wave({c.rows, c.columns}, 0.91, step) * (0.01 * (step + 1));
    const Tensor wide = gradient.to(at::kDouble).contiguous();
    optimizer->step({gradient}, 0.3);
    plain.step({wide.const_data_ptr<double>(), wide.const_data_ptr<double>() + wide.numel()});
    EXPECT_LE(largest_difference(slot->value, plain.p), 2e-5) << "step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, AdafactorReplay,
    ::testing::Values(AdafactorCase{3, 4, 0, 0, false}, AdafactorCase{3, 4, 1100000, 0, false},
                      AdafactorCase{3, 4, 1100000, 1100000, true}, AdafactorCase{128, 256, 0, 0, false},
                      AdafactorCase{128, 256, 1100000, 0, true}, AdafactorCase{256, 128, 7, 2, false},
                      AdafactorCase{100, 512, 1100000, 0, false}),
    [](const auto& test) {
      const AdafactorCase& c = test.param;
      return std::to_string(c.rows) + "x" + std::to_string(c.columns) + "_case_" + std::to_string(test.index);
    });

// From T5X's step the decay is nearly 1: every element moves by the whole clipped step at first.
TEST(Adafactor, LateStartMovesByTheWholeRate) {
  TrainConfig config;
  config.adafactor.initial_step = 1100000;
  config.adafactor.weight_decay_rate = 0;
  auto slot = slot_with("p", at::zeros({3, 4}));
  make_optimizer(config, {slot})->step({at::full({3, 4}, 1e-4)}, 0.3);
  EXPECT_NEAR(slot->value.abs().max().item<double>(), 0.3, 1e-5);
  EXPECT_NEAR(slot->value.abs().min().item<double>(), 0.3, 1e-5);
}

TEST(Adafactor, ParametersMayScaleRateAndDecay) {
  TrainConfig config;
  auto slow = slot_with("slow", at::ones({2, 2})), plain = slot_with("plain", at::ones({2, 2}));
  slow->learning_rate_scale = 0.1;
  slow->weight_decay_scale = 0;
  make_optimizer(config, {slow, plain})->step({at::ones({2, 2}), at::ones({2, 2})}, 0.5);
  EXPECT_NEAR(slow->value.max().item<double>(), 1 - 0.05, 1e-6);
  EXPECT_NEAR(plain->value.max().item<double>(), 1 - 1e-5 - 0.5, 1e-6);
}

TEST(Optimizer, GoesOnFromItsState) {
  for (const auto kind : {OptimizerKind::adamw, OptimizerKind::adafactor}) {
    TrainConfig config;
    config.optimizer = kind;
    auto whole = slot_with("p", wave({3, 4}, 0.5)), first = slot_with("p", wave({3, 4}, 0.5));
    const auto once = make_optimizer(config, {whole}), before = make_optimizer(config, {first});
    const auto gradient = [](int step) { return wave({3, 4}, 0.3, step); };
    for (int step = 0; step < 6; ++step) once->step({gradient(step)}, 0.1);
    for (int step = 0; step < 3; ++step) before->step({gradient(step)}, 0.1);
    auto second = slot_with("p", first->value);
    const auto after = make_optimizer(config, {second});
    after->load(before->state(), 3);
    for (int step = 3; step < 6; ++step) after->step({gradient(step)}, 0.1);
    EXPECT_TRUE(second->value.equal(whole->value));
  }
}

TEST(Optimizer, RefusesTheStateOfOtherParameters) {
  TrainConfig config;
  const auto optimizer = make_optimizer(config, {slot_with("p", at::zeros({3, 4}))});
  EXPECT_THROW(optimizer->load(make_optimizer(config, {slot_with("q", at::zeros({3, 4}))})->state(), 1),
               CheckpointError);
  EXPECT_THROW(optimizer->load(make_optimizer(config, {slot_with("p", at::zeros({4, 4}))})->state(), 1),
               CheckpointError);
}

TEST(Optimizer, CountsItsBytesOnMeta) {
  const auto on_meta = [](Shape shape) {
    return slot_with("p", at::empty(shape, at::TensorOptions(at::kMeta).dtype(at::kFloat)));
  };
  TrainConfig config;
  EXPECT_EQ(make_optimizer(config, {on_meta({100, 4096})})->state_bytes(), 100 * 4096 * 4);        // not factored
  EXPECT_EQ(make_optimizer(config, {on_meta({32128, 4096})})->state_bytes(), (32128 + 4096) * 4);  // factored
  config.optimizer = OptimizerKind::adamw;
  EXPECT_EQ(make_optimizer(config, {on_meta({100, 4096})})->state_bytes(), 2 * 100 * 4096 * 4);
}

TEST(Optimizer, ClipsTheGlobalNorm) {
  std::vector<Tensor> gradients = {at::full({4}, 3.0), Tensor(), at::full({4}, 4.0)};
  EXPECT_NEAR(clip_gradients(gradients, 0), 10, 1e-5);
  EXPECT_EQ(gradients[0].max().item<float>(), 3.0f);
  EXPECT_NEAR(clip_gradients(gradients, 1), 10, 1e-5);
  EXPECT_NEAR(gradients[0].max().item<double>(), 0.3, 1e-6);
  EXPECT_NEAR(gradients[2].max().item<double>(), 0.4, 1e-6);
}

TEST(Schedule, FollowsTransformers) {
  TrainConfig config;
  config.learning_rate = 2;
  config.steps = 100;
  config.warmup_steps = 10;
  config.schedule = ScheduleKind::linear;
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 0), 0);
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 5), 1);
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 10), 2);
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 55), 1);
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 100), 0);
  config.schedule = ScheduleKind::cosine;
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 55), 1);
  EXPECT_NEAR(learning_rate_at(config, 40), 2 * 0.75, 1e-12);
  config.schedule = ScheduleKind::inverse_sqrt;
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 40), 1);
  config.schedule = ScheduleKind::constant;
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 99), 2);
  config.warmup_steps = 0;
  config.schedule = ScheduleKind::inverse_sqrt;
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 0), 2);
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 40000), 1);
}

}  // namespace
}  // namespace peftbench::optimizer_test
