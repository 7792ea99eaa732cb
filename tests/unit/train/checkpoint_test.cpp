#include "train/checkpoint.h"

#include "train/event_log.h"

#include <peftbench/error.h>

#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <fstream>

namespace peftbench {
namespace {

TrainState state_at(std::int64_t step) {
  TrainState state;
  state.step = step;
  state.progress = {{"loss", 0.1 * static_cast<double>(step)}};
  state.parameters = {{"encoder.input.prompt", at::full({2, 3}, static_cast<double>(step))}};
  state.optimizer = {{"encoder.input.prompt/v", at::ones({2, 3})}};
  state.best = {{"encoder.input.prompt", at::full({2, 3}, 0.5)}};
  state.seen = {{"0", at::ones({2, 3}, at::kByte)}};
  return state;
}

class Checkpoints : public ::testing::Test {
 protected:
  void SetUp() override { fs::remove_all(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  static void damage(const fs::path& file) { fs::resize_file(file, fs::file_size(file) / 2); }

  fs::path folder_ = fs::temp_directory_path() / ("peftbench_checkpoint_" + std::to_string(::getpid()));
  CheckpointStore store_{folder_, "run-1"};
};

TEST_F(Checkpoints, ComeBackAsTheyWere) {
  EXPECT_FALSE(store_.load());
  store_.save(state_at(3));
  const auto state = store_.load();
  ASSERT_TRUE(state);
  EXPECT_EQ(state->step, 3);
  EXPECT_EQ(state->progress, state_at(3).progress);
  EXPECT_TRUE(state->parameters.at("encoder.input.prompt").equal(at::full({2, 3}, 3.0)));
  EXPECT_TRUE(state->optimizer.at("encoder.input.prompt/v").equal(at::ones({2, 3})));
  EXPECT_TRUE(state->best.at("encoder.input.prompt").equal(at::full({2, 3}, 0.5)));
  EXPECT_TRUE(state->seen.at("0").equal(at::ones({2, 3}, at::kByte)));
  state->parameters.at("encoder.input.prompt").add_(1);  // not the file's memory, which is read-only
}

TEST_F(Checkpoints, TheLastGoodOneIsTakenWhereTheNewestIsDamaged) {
  store_.save(state_at(3));
  store_.save(state_at(6));
  EXPECT_EQ(store_.load()->step, 6);
  damage(folder_ / "train.safetensors");
  EXPECT_EQ(store_.load()->step, 3);
  fs::remove(folder_ / "train.safetensors");  // as if killed between the two renames
  EXPECT_EQ(store_.load()->step, 3);
  damage(folder_ / "train.previous.safetensors");
  EXPECT_THROW(store_.load(), CheckpointError);
}

TEST_F(Checkpoints, OfAnotherRunAreRefused) {
  store_.save(state_at(3));
  EXPECT_THROW(CheckpointStore(folder_, "run-2").load(), CheckpointError);
  store_.clear();
  EXPECT_FALSE(store_.load());
}

TEST(EventLog, GoesBackToAPosition) {
  const fs::path file = fs::temp_directory_path() / ("peftbench_log_" + std::to_string(::getpid()) + ".jsonl");
  fs::remove(file);
  EventLog log(file);
  log.append({{"event", "step"}, {"loss", 0.1}});
  const auto position = log.position();
  log.append({{"event", "step"}, {"loss", 0.2}});
  EventLog again(file);
  EXPECT_EQ(again.position(), log.position());
  again.truncate(position);
  again.append({{"event", "end"}});
  EXPECT_EQ(read_text(file), "{\"event\":\"step\",\"loss\":0.1}\n{\"event\":\"end\"}\n");
  fs::remove(file);
}

}  // namespace
}  // namespace peftbench
