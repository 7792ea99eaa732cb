#include "train/checkpoint.h"
#include "support/layers.h"

#include "train/event_log.h"

#include <peftbench/error.h>

#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <limits>

namespace peftbench::checkpoint_test {

using namespace layers;

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

// hostile 3: in the tensors, in the description, anywhere.
TEST_F(Checkpoints, EveryFlippedByteIsNoticed) {
  store_.save(state_at(3));
  store_.save(state_at(6));
  const fs::path file = folder_ / "train.safetensors";
  const std::string whole = read_text(file);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string flipped = whole;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << i % 8));
    std::ofstream(file, std::ios::binary) << flipped;
    const auto state = CheckpointStore(folder_, "run-1").load();
    ASSERT_TRUE(state);
    ASSERT_EQ(state->step, 3) << "byte " << i;
    ASSERT_NE(state->warning.find("train.safetensors"), std::string::npos) << state->warning;
  }
}

TEST_F(Checkpoints, ACutFileIsNoticedWhereverItEnds) {
  store_.save(state_at(3));
  store_.save(state_at(6));
  const fs::path file = folder_ / "train.safetensors";
  const std::string whole = read_text(file);
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    std::ofstream(file, std::ios::binary) << whole.substr(0, size);
    EXPECT_EQ(CheckpointStore(folder_, "run-1").load()->step, 3) << size << " bytes";
  }
}

// hostile 5
TEST_F(Checkpoints, ADamagedOneNeverPushesOutTheGoodOneBeforeIt) {
  store_.save(state_at(3));
  store_.save(state_at(6));
  damage(folder_ / "train.safetensors");
  for (const bool looks : {true, false}) {
    CheckpointStore next(folder_, "run-1");
    if (looks) {
      EXPECT_EQ(next.load()->step, 3);
    }
    next.save(state_at(9));
    EXPECT_EQ(next.load()->step, 9);
    damage(folder_ / "train.safetensors");
    EXPECT_EQ(next.load()->step, 3) << "the damaged one was kept in its place";
  }
}

// hostile 5
TEST_F(Checkpoints, AWriteThatFailsLeavesBothOldOnes) {
  store_.save(state_at(3));
  store_.save(state_at(6));
  fs::create_directories(folder_ / "train.next.safetensors" / "x");  // so that nothing can be written there
  EXPECT_THAT([&] { store_.save(state_at(9)); },
              ::testing::ThrowsMessage<Error>(::testing::HasSubstr("train.next.safetensors")));
  EXPECT_EQ(store_.load()->step, 6);
  damage(folder_ / "train.safetensors");
  EXPECT_EQ(store_.load()->step, 3);
}

TEST_F(Checkpoints, KilledBetweenTheRenamesTheNewOneIsTaken) {
  store_.save(state_at(3));
  store_.save(state_at(6));
  fs::rename(folder_ / "train.safetensors", folder_ / "train.next.safetensors");
  const auto state = CheckpointStore(folder_, "run-1").load();
  EXPECT_EQ(state->step, 6);
  EXPECT_EQ(state->warning, "");
  EXPECT_TRUE(fs::exists(folder_ / "train.safetensors")) << "also where nothing is saved any more";
}

// hostile 5: a key of the description that is not what it was, with a hash that fits.
TEST_F(Checkpoints, ADescriptionWithoutItsKeysFallsBackToo) {
  store_.save(state_at(3));
  store_.save(state_at(6));
  write_safetensors(folder_ / "train.safetensors", {{"parameters/a", at::ones({1})}},
                    {{"peftbench", R"({"format": "peftbench-train-1", "run": "run-1", "stepp": 6})"}});
  EXPECT_EQ(store_.load()->step, 3);
}

// hostile 4
TEST_F(Checkpoints, NumbersThatJsonLacksComeBack) {
  TrainState state = state_at(3);
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  state.progress = {{"loss", nan}, {"list", {{{"value", inf}}, -inf, 0.1, "nan"}}};
  store_.save(state);
  const auto progress = store_.load()->progress;
  EXPECT_TRUE(std::isnan(progress.at("loss").get<double>()));
  EXPECT_EQ(progress.at("list").at(0).at("value").get<double>(), inf);
  EXPECT_EQ(progress.at("list").at(1).get<double>(), -inf);
  EXPECT_EQ(progress.at("list").at(2).get<double>(), 0.1);
  EXPECT_EQ(progress.at("list").at(3), "nan");
}

TEST_F(Checkpoints, WithoutAnyThatIsWholeTheRemedyKeepsTheRest) {
  store_.save(state_at(3));
  store_.save(state_at(6));
  damage(folder_ / "train.safetensors");
  damage(folder_ / "train.previous.safetensors");
  try {
    store_.load();
    FAIL();
  } catch (const CheckpointError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("train.safetensors"), std::string::npos) << text;
    EXPECT_NE(text.find("train.previous.safetensors"), std::string::npos) << text;
    EXPECT_NE(text.find("remove the folder " + folder_.string()), std::string::npos) << text;
  }
}

TEST_F(Checkpoints, OfAnotherRunAreRefused) {
  store_.save(state_at(3));
  EXPECT_THROW(CheckpointStore(folder_, "run-2").load(), CheckpointError);
  fs::remove_all(folder_);
  EXPECT_FALSE(store_.load());
}

class EventLogs : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_ = fs::temp_directory_path() / ("peftbench_log_" + std::to_string(::getpid()));
  fs::path file_ = folder_ / "log.jsonl";
};

TEST_F(EventLogs, GoBackToAPosition) {
  EventLog log(file_);
  log.append({{"event", "step"}, {"loss", 0.1}});
  const LogPosition position = log.flush();
  log.append({{"event", "step"}, {"loss", 0.2}});
  EventLog again(file_);
  EXPECT_EQ(again.go_back_to(position), "");
  again.append({{"event", "end"}});
  EXPECT_EQ(read_text(file_), "{\"event\":\"step\",\"loss\":0.1}\n{\"event\":\"end\"}\n");
  EXPECT_EQ(again.flush().sha256, sha256(read_text(file_)));
}

// hostile 17: after a power loss.
TEST_F(EventLogs, ThatAreShorterOrHoldOtherBytesAreCutToTheirWholeLines) {
  EventLog log(file_);
  log.append({{"step", 1}});
  log.append({{"step", 2}});
  const LogPosition position = log.flush();
  const std::string whole = read_text(file_), first = "{\"step\":1}\n";
  for (const auto& [text, left] : {std::pair{first + "{\"st", first},
                                   {first, first},
                                   {"", ""},
                                   {std::string(first.size(), '\0') + "{\"step\":2}\n", ""},
                                   {first + std::string(first.size(), '\0'), first}}) {
    std::ofstream(file_, std::ios::binary) << text;
    EventLog again(file_);
    EXPECT_NE(again.go_back_to(position).find("are lost"), std::string::npos);
    again.append({{"step", 3}});
    EXPECT_EQ(read_text(file_), left + "{\"step\":3}\n");
  }
  std::ofstream(file_, std::ios::binary) << "{\"step\":1}\n{\"step\":7}\n";  // a flipped bit
  EXPECT_NE(EventLog(file_).go_back_to(position), "");
}

// hostile 16, 22
TEST_F(EventLogs, AreWrittenToOurOwnFileAloneAndSayWhyNot) {
  const auto fault = [&] {
    try {
      EventLog(file_).append({{"step", 1}});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  std::ofstream(folder_ / "target") << "mine";
  fs::create_symlink(folder_ / "target", file_);
  EXPECT_NE(fault().find("symbolic link"), std::string::npos);
  EXPECT_EQ(read_text(folder_ / "target"), "mine");
  fs::remove(file_);
  ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0);
  EXPECT_NE(fault().find("a pipe"), std::string::npos);
  fs::remove(file_);
  fs::create_directory(file_);
  EXPECT_NE(fault().find("Is a directory"), std::string::npos);
  fs::remove(file_);
  std::ofstream(file_) << "";
  struct rlimit limit {
  }, small{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  small = limit;
  small.rlim_cur = 4;
  ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string told = fault();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  EXPECT_NE(told.find("log.jsonl"), std::string::npos);
  EXPECT_NE(told.find("File too large"), std::string::npos) << told;
}

}  // namespace
}  // namespace peftbench::checkpoint_test
