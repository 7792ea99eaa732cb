// Memory of the device: what is recorded of it, and what happens where it is not enough.
#include "devices/memory.h"
#include "core/files.h"
#include "device/stand_in.h"
#include "devices/out_of_memory.h"
#include "methods/workshop.h"
#include "support/layers.h"
#include "support/program.h"

#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace peftbench::memory_test {

using namespace support;

namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing_support::Scratch;

c10::Device there() { return stand_in_device(); }  // not a global: it would be made before what it is made of

TEST(DeviceMemory, ItsPeakIsOfTensorsSinceTheLastReset) {
  reset_peak_memory_of(there());
  const std::int64_t before = peak_memory_of(there()).value();
  { const Tensor block = at::zeros({1 << 20}, at::TensorOptions(there()).dtype(at::kFloat)); }
  EXPECT_GE(*peak_memory_of(there()) - before, 4 << 20);
  reset_peak_memory_of(there());
  EXPECT_LT(*peak_memory_of(there()) - before, 1 << 20);
  EXPECT_FALSE(peak_memory_of(c10::kCPU));
}

struct Limit {
  explicit Limit(std::int64_t bytes) { limit_memory(bytes); }
  ~Limit() { limit_memory(0); }
};

// Called after each step.
struct AfterStep final : ProgressSink {
  void update(const Progress& progress) override {
    if (call) call(progress.done);
  }
  void note(const std::string&) override {}
  std::function<void(std::int64_t)> call;
};

class OutOfMemory : public ::testing::Test {
 protected:
  OutOfMemory() : workshop_(variant_called("lora"), "gated", {Precision::float32, Quantization::none, there()}) {}

  // The trained tensors.
  TensorMap train(std::int64_t batch, CheckpointStore* checkpoints = nullptr,
                  std::function<void(std::int64_t)> after_step = {}) const {
    CompiledPlan plan = workshop_.plan();
    TrainConfig config;
    config.steps = 6;
    config.batch_size = batch;
    config.optimizer = OptimizerKind::adamw;
    config.learning_rate = 1e-2;
    config.dropout = 0.1;
    config.evaluate_every = 0;
    config.evaluate_at_start = false;
    config.checkpoint_every = 100;
    const ExamplesInMemory examples(workshop_.examples(plan));
    AfterStep progress;
    progress.call = std::move(after_step);
    TrainingJob job{workshop_.backbone(), plan, examples};
    job.checkpoints = checkpoints;
    job.progress = &progress;
    const TrainingResult result = train::train(config, job);
    EXPECT_EQ(result.examples, 6 * batch);
    return plan.training();
  }
  // Of a step, beyond what is there before it.
  std::int64_t peak(std::int64_t batch) const {
    std::int64_t before = 0;
    reset_peak_memory_of(there());
    before = *peak_memory_of(there());
    train(batch);
    return *peak_memory_of(there()) - before;
  }
  static std::string fault(const std::function<void()>& act) {
    try {
      act();
    } catch (const OutOfMemoryError& error) {
      return error.what();
    }
    return "no error";
  }

  const Workshop workshop_;
};

TEST_F(OutOfMemory, NamesTheBatchThatFits) {
  const std::int64_t eight = peak(8), four = peak(4), two = peak(2);
  ASSERT_GT(eight, four + four / 2);
  reset_peak_memory_of(there());
  const std::int64_t taken = *peak_memory_of(there());
  {
    const Limit limit(taken + (eight + four) / 2);
    EXPECT_THAT(fault([&] { train(8); }),
                AllOf(HasSubstr("not enough memory on stand_in for training step 1 with a batch of 8 examples"),
                      HasSubstr("stand_in out of memory"), HasSubstr("a batch of 4 fits"),
                      HasSubstr("train.batch_size=4 and train.gradient_accumulation=2")));
    EXPECT_NO_THROW(train(4));
  }
  const Limit limit(taken + (four + two) / 2);
  EXPECT_THAT(fault([&] { train(8); }), HasSubstr("a batch of 4 does not fit either"));
}

TEST_F(OutOfMemory, LosesNoStep) {
  const TensorMap whole = train(8);
  const std::int64_t eight = peak(8);
  const Scratch scratch;
  CheckpointStore store(scratch.path() / "checkpoint", "run");
  const std::string text = fault([&] {
    train(8, &store, [&](std::int64_t step) {
      if (step != 3) return;
      reset_peak_memory_of(there());
      limit_memory(*peak_memory_of(there()) + eight * 3 / 4);
    });
  });
  limit_memory(0);
  EXPECT_THAT(text, AllOf(HasSubstr("training step 4"), HasSubstr("a batch of 4 fits")));
  const auto kept = store.load();
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->step, 3);
  const TensorMap continued = train(8, &store);
  for (const auto& [name, value] : whole) EXPECT_TRUE(continued.at(name).equal(value)) << name;
}

}  // namespace
}  // namespace peftbench::memory_test
