// What reading and tokenizing much data takes of memory, in a process of its own.
#include "core/random.h"
#include "data/prepared/encode_list.h"
#include "data/task/load_task.h"
#include "data_fixture.h"
#include "support/layers.h"

#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <sstream>

namespace peftbench::streaming_test {

using namespace layers;

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool measurable = false;
#else
constexpr bool measurable = true;
#endif

constexpr std::int64_t mib = 1 << 20;

std::int64_t status_of_memory(const std::string& name) {  // bytes
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(name)) return std::stoll(line.substr(name.size())) * 1024;
  return 0;
}

// Bytes by which the work raises the peak of a process that is like this one.
std::int64_t growth(const std::function<void()>& work) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    std::int64_t grown = -1;
    try {
      std::ofstream("/proc/self/clear_refs") << 5;  // the peak begins anew
      const std::int64_t before = status_of_memory("VmHWM:");
      work();
      grown = status_of_memory("VmHWM:") - before;
    } catch (...) {
    }
    ::_exit(::write(ends[1], &grown, sizeof grown) == sizeof grown ? 0 : 1);
  }
  ::close(ends[1]);
  std::int64_t grown = -1;
  EXPECT_EQ(::read(ends[0], &grown, sizeof grown), static_cast<ssize_t>(sizeof grown));
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return grown;
}

class StreamingTest : public DataTest {
 protected:
  void SetUp() override {
    DataTest::SetUp();
    if (!measurable) GTEST_SKIP() << "the sanitizer's own memory hides it";
  }
  DataStorage storage(std::int64_t bytes) const { return {folder_ / "cache", true, bytes, 1, nullptr}; }
};

TEST_F(StreamingTest, TextsNeedNotFitInMemory) {
  Random random(1);
  std::ofstream out(folder_ / "r.jsonl", std::ios::binary);
  constexpr int rows = 50'000;
  for (int i = 0; i < rows; ++i)
    out << R"({"text": ")" << i << std::string(1000, static_cast<char>('a' + random.below(26)))
        << R"(", "label": "yes"})" << '\n';
  out.close();
  const TaskConfig config = task("source: r.jsonl\ninput: '{text}'\ntarget: '{label}'\nsplit: {test: 50}\n");
  const auto load_with = [&](std::int64_t bytes) {
    return growth([&, bytes] { load_task(config, folder_ / "data", storage(bytes)); });
  };
  EXPECT_GT(load_with(1 << 30), 40 * mib);
  const std::int64_t made = load_with(1 * mib), opened = load_with(1 * mib);
  EXPECT_GT(made, 0);
  EXPECT_LT(made, 10 * mib);
  EXPECT_GE(opened, 0);
  EXPECT_LT(opened, 10 * mib);
}

TEST_F(StreamingTest, IdsNeedNotFitInMemory) {
  const auto tokenizer =
      Tokenizer::load(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets/backbones/t5-nano-lm/spiece.model");
  std::string text = "text\n";
  for (int i = 0; i < 100'000; ++i) text += "row " + std::to_string(i) + " of a great many of the old sea\n";
  write("r.csv", text);
  const TaskData data =
      load_task(task("source: r.csv\ninput: '{text}'\ntarget: none\n"), folder_ / "data", storage(1 * mib));
  const auto encode_with = [&](std::int64_t bytes) {
    return growth([&, bytes] {
      const auto list = encode_list(data.train, {*tokenizer, {}}, {}, storage(bytes), "task");
      for (std::size_t i = 0; i < list->size(); i += 97) list->at(i);
    });
  };
  EXPECT_GT(encode_with(1 << 30), 20 * mib);
  EXPECT_LT(encode_with(1 * mib), 10 * mib);
  EXPECT_LT(encode_with(1 * mib), 10 * mib);  // opened
}

}  // namespace
}  // namespace peftbench::streaming_test
