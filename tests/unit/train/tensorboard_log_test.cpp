#include "train/tensorboard_log.h"
#include "support/layers.h"
#include "train/event_log.h"

#include "core/files.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <fstream>

namespace peftbench::tensorboard_log_test {

using namespace layers;

namespace {

using nlohmann::json;

json step_line(std::int64_t step) {
  return {{"event", "step"}, {"step", step}, {"loss", 1.0 / static_cast<double>(step)}, {"learning_rate", 0.5}};
}
json evaluation_line(std::int64_t step) {
  return {{"event", "evaluation"},
          {"step", step},
          {"loss", 0.75},
          {"illegal_rate", 0.0},
          {"metrics", {{{"name", "accuracy"}, {"value", 0.5}}, {{"name", "macro_f1"}, {"value", nullptr}}}}};
}

// Whether the file is the beginning that these lines of a log give, and nothing else.
bool holds(const fs::path& file, const std::vector<json>& lines) {
  std::vector<TfEvent> events;
  for (const json& line : lines) events.push_back(tensorboard_event(line));
  const std::string bytes = read_text(file);
  const TfBeginning found = tf_beginning(bytes, events);
  return found.bytes == bytes.size() && found.events == events.size();
}

class TensorBoardLogs : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_ = fs::temp_directory_path() / ("peftbench_tensorboard_" + std::to_string(::getpid()));
  fs::path log_ = folder_ / "log.jsonl", file_ = folder_ / "events.out.tfevents.peft-bench";
};

TEST(TensorBoardEvents, AreTheNumbersOfALine) {
  const TfEvent event = tensorboard_event(evaluation_line(20));
  ASSERT_EQ(event.scalars.size(), 3u);  // not the metric without a value
  EXPECT_EQ(event.step, 20);
  EXPECT_EQ(event.scalars[0].tag, "validation/loss");
  EXPECT_EQ(event.scalars[2].tag, "validation/accuracy");
  EXPECT_EQ(event.scalars[2].value, 0.5F);
  EXPECT_EQ(tensorboard_event(step_line(2)).scalars.front().tag, "train/loss");
  EXPECT_TRUE(tensorboard_event({{"event", "end"}, {"step", 20}}).scalars.empty());
  EXPECT_TRUE(tensorboard_event({{"event", "step"}, {"loss", 1}}).scalars.empty());
  EXPECT_TRUE(tensorboard_event("text").scalars.empty());
}

TEST_F(TensorBoardLogs, AResumedRunHasEachStepOnce) {
  LogPosition checkpoint;
  {
    EventLog log(log_, file_);
    log.go_back_to({});
    log.append(evaluation_line(0));
    log.append(step_line(1));
    checkpoint = log.flush();
    log.append(step_line(2));
    log.append(step_line(3));
  }
  ASSERT_TRUE(holds(file_, {evaluation_line(0), step_line(1), step_line(2), step_line(3)}));
  const std::string before = read_text(file_);
  EventLog again(log_, file_);
  EXPECT_EQ(again.go_back_to(checkpoint), "");
  EXPECT_TRUE(holds(file_, {evaluation_line(0), step_line(1)}));
  EXPECT_TRUE(before.starts_with(read_text(file_)));  // with the times at which it was written
  again.append(step_line(2));
  again.append({{"event", "end"}, {"step", 2}});
  EXPECT_TRUE(holds(file_, {evaluation_line(0), step_line(1), step_line(2)}));
}

TEST_F(TensorBoardLogs, ComeInLineWithALogFromAnyFile) {
  EventLog(log_).append(step_line(1));
  {
    EventLog log(log_);
    log.append(step_line(2));
  }
  TensorBoardLog(file_).follow(log_);
  EXPECT_TRUE(holds(file_, {step_line(1), step_line(2)}));
  const std::string whole = read_text(file_);
  TensorBoardLog(file_).follow(log_);
  EXPECT_EQ(read_text(file_), whole);
  for (const std::string& other :
       {whole.substr(0, whole.size() - 3), std::string("another program's"), whole + whole}) {
    std::ofstream(file_, std::ios::trunc | std::ios::binary) << other;
    TensorBoardLog(file_).follow(log_);
    EXPECT_TRUE(holds(file_, {step_line(1), step_line(2)}));
  }
}

TEST_F(TensorBoardLogs, WithoutAFileKeepNothing) {
  EventLog log(log_);
  log.append(step_line(1));
  EXPECT_FALSE(fs::exists(file_));
  EXPECT_THROW(TensorBoardLog(file_).follow(folder_ / "no-log.jsonl"), DataError);
}

}  // namespace
}  // namespace peftbench::tensorboard_log_test
