// Whole runs on the device: what they record, and how they go on from one device to another.
#include "commands/ensemble.h"
#include "commands/evaluate_run.h"
#include "core/interrupt.h"
#include "device/stand_in.h"
#include "devices/choice.h"
#include "results/result_store.h"
#include "run/runner.h"
#include "support/layers.h"
#include "support/program.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace peftbench::device_run_test {

using namespace support;

namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing_support::Scratch;

struct Steps final : ProgressSink {
  void update(const Progress& progress) override {
    if (progress.phase == "train") done = progress.done;
  }
  void note(const std::string&) override {}
  std::int64_t done = 0;
};

class DeviceRun : public ::testing::Test {
 protected:
  DeviceRun() {
    stand_in_device();
    std::string rows;
    for (int i = 0; i < 40; ++i)
      rows += R"({"text": "film number )" + std::to_string(i) + R"(", "side": ")" + (i % 2 ? "good" : "bad") + "\"}\n";
    scratch_.write("films.jsonl", rows);
    scratch_.write("films.yaml",
                   "name: films\nsource: {file: films.jsonl}\ninput: \"review: {text}\"\ntarget: \"{side}\"\n"
                   "labels: [bad, good]\nprefix: review\nsplit: {seed: 0, validation: 8, test: 8}\n"
                   "limits: {input: 32, target: 6}\n");
  }

  Paths paths() const {
    return {PEFTBENCH_TEST_SOURCE_DIR,
            scratch_.path() / "data",
            {PEFTBENCH_TEST_BUILD_DIR "/lib/peftbench/plugins/prompt_tuning.so"}};
  }
  RunRequest request(const std::string& device, const std::vector<std::string>& more = {}, const std::string& from = {},
                     const std::string& seed = "1") const {
    RunRequest request{paths(), {}, scratch_.path() / "runs", false, {}};
    request.config.method = "prompt_tuning";
    for (const std::string& word :
         {"device.name=" + device, "task.name=" + (scratch_.path() / "films.yaml").string(),
          std::string("backbone.name=t5-nano-lm"), std::string("train.steps=6"), std::string("train.batch_size=4"),
          std::string("train.evaluate_every=3"), std::string("length=5"), std::string("eval.mode=rank")})
      request.config.settings.push_back(parse_set(word));
    request.config.flags = {{option_key::threads, "1", "--threads"}, {option_key::seed, seed, "--seed"}};
    for (const std::string& word : more) request.config.settings.push_back(parse_set(word));
    if (!from.empty()) request.config.flags.push_back({option_key::continue_from, from, "--continue-from"});
    return request;
  }
  RunOutcome run(const RunRequest& request) const { return peftbench::run::run(request, silent_progress()); }
  std::string fault(const RunRequest& request) const {
    try {
      run(request);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  const Scratch scratch_;
};

TEST_F(DeviceRun, IsRecordedAndScoresAsOnTheCpu) {
  const RunRecord cpu = run(request("cpu")).record, there = run(request("stand_in")).record;
  EXPECT_NE(cpu.id, there.id);
  EXPECT_EQ(cpu.machine.device, "cpu");
  EXPECT_EQ(there.machine.device, "stand_in");
  // Runs on the CPU keep the ids that they had before there were devices.
  for (const char* key : {"device", "continue_from"}) EXPECT_FALSE(cpu.config.contains(key)) << key;
  EXPECT_EQ(there.config.at("device").dump(), R"({"deterministic":true,"name":"stand_in","tf32":false})");
  EXPECT_FALSE(cpu.peak_device_memory_bytes());
  ASSERT_TRUE(there.peak_device_memory_bytes());
  EXPECT_GT(*there.peak_device_memory_bytes(), there.backbone.bytes);
  EXPECT_EQ(there.backbone.checksum_after, cpu.backbone.checksum_after);
  EXPECT_NEAR(*there.training.loss_after, *cpu.training.loss_after, 1e-4);
  EXPECT_EQ(there.score()->value, cpu.score()->value);
  EXPECT_TRUE(run(request("stand_in")).was_finished);
}

TEST_F(DeviceRun, IsScoredOnAnotherDevice) {
  const RunOutcome one = run(request("cpu")), two = run(request("cpu", {}, {}, "2"));
  Asked asked;
  asked.device = "stand_in";
  const auto there = commands::evaluate_run({paths(), one.folder, asked, 0, {}}, silent_progress());
  EXPECT_EQ(there.record.score()->value, one.record.score()->value);
  EnsembleRequest votes;
  votes.paths = paths();
  votes.runs = {one.folder, two.folder};
  const double expected = ensemble_runs(votes, silent_progress()).metrics.front().vote.value;
  votes.asked = asked;
  EXPECT_EQ(ensemble_runs(votes, silent_progress()).metrics.front().vote.value, expected);
}

// A backend is of a device: the run's own stays, by whatever name its device is asked for.
TEST_F(DeviceRun, IsScoredByItsBackendOnItsDevice) {
  RunRecord record;
  record.method.name = "prompt_tuning";
  const auto changes = [&](const std::string& device) {
    Asked asked;
    asked.device = device;
    const auto flags = commands::configuration_of(RunFolder{scratch_.path()}, record, asked).flags;
    return std::ranges::any_of(flags, [](const auto& flag) { return flag.key == option_key::backend; });
  };
  EXPECT_FALSE(changes(""));
  EXPECT_FALSE(changes("cpu"));
  EXPECT_EQ(changes("auto"), devices::available_devices().size() > 1) << "the first GPU, where there is one";
  EXPECT_TRUE(changes("stand_in"));
}

TEST_F(DeviceRun, GoesOnWhereARunOnTheCpuWasStopped) {
  const RunRecord whole = run(request("cpu")).record;
  // The same again in another folder, stopped.
  RunRequest stopped = request("cpu");
  stopped.out = scratch_.path() / "stopped";
  Steps steps;
  stopped.stop = [&] { return steps.done >= 3; };
  EXPECT_THROW(peftbench::run::run(stopped, steps), Interrupted);
  const fs::path source = stopped.out / whole.id;
  ASSERT_TRUE(has_checkpoint(RunFolder{source}.checkpoint()));
  const std::string from = source.string();

  EXPECT_THAT(fault(request("stand_in", {"train.steps=7"}, from)),
              AllOf(HasSubstr("has other settings"), HasSubstr("train.steps"), HasSubstr(whole.id)));
  const RunOutcome there = run(request("stand_in", {}, from));
  EXPECT_NE(there.record.id, run(request("stand_in")).record.id);
  const auto& training = there.record.training;
  EXPECT_EQ(training.continued_from, whole.id);
  EXPECT_EQ(training.continued_device, "cpu");
  EXPECT_EQ(training.continued_step, training.resumed_from);
  EXPECT_GT(training.resumed_from, 0);
  EXPECT_EQ(training.examples, whole.training.examples);
  EXPECT_THAT(there.record.warnings, Contains(HasSubstr("not bit-identical")));
  EXPECT_NEAR(*training.loss_after, *whole.training.loss_after, 1e-4);
  EXPECT_EQ(there.record.score()->value, whole.score()->value);
  // One log of all steps.
  const auto lines_of = [](const fs::path& file) {
    const std::string text = testing_support::file_text(file);
    return std::count(text.begin(), text.end(), '\n');
  };
  EXPECT_EQ(lines_of(there.folder.log()), lines_of(scratch_.path() / "runs" / whole.id / "log.jsonl"));
  EXPECT_TRUE(run(request("stand_in", {}, from)).was_finished);
}

TEST_F(DeviceRun, GoesOnFromNoRunThatHasNoCheckpoint) {
  EXPECT_THAT(fault(request("stand_in", {}, scratch_.path() / "nothing")), HasSubstr("record.json"));
}

}  // namespace
}  // namespace peftbench::device_run_test
