#pragma once

#include "support/layers.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace peftbench::testing_support {

using namespace layers;

namespace fs = std::filesystem;

// A folder that is gone afterwards.
class Scratch {
 public:
  Scratch() {
    std::string name = (fs::temp_directory_path() / "peftbench-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }
  fs::path write(const std::string& name, const std::string& text) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
    return path_ / name;
  }

 private:
  fs::path path_;
};

inline std::string file_text(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

// The built program in a process of its own.
class Program {
 public:
  // `in`: a file, or a named pipe, as standard input; empty: the test's own.
  Program(const std::vector<std::string>& words, std::vector<std::pair<std::string, std::string>> environment = {},
          const fs::path& in = {})
      : out_(scratch_.path() / "out"), err_(scratch_.path() / "err") {
    pid_ = ::fork();
    if (pid_ != 0) return;
    for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
    const auto redirect = [](const fs::path& file, int descriptor) {
      ::dup2(::open(file.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600), descriptor);
    };
    if (!in.empty()) ::dup2(::open(in.c_str(), O_RDONLY), 0);
    redirect(out_, 1);
    redirect(err_, 2);
    std::vector<std::string> all = {PEFTBENCH_TEST_BUILD_DIR "/bin/peft-bench"};
    all.insert(all.end(), words.begin(), words.end());
    std::vector<char*> arguments;
    for (std::string& word : all) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  ~Program() {
    if (running()) kill(SIGKILL);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void kill(int signal) {
    ::kill(pid_, signal);
    wait();
  }
  // Exit status; 128 + the signal's number where one ended it.
  int wait() {
    int status = 0;
    if (!ended_ && ::waitpid(pid_, &status, 0) == pid_) set(status);
    return status_;
  }
  // False if it ended before `seconds` had passed.
  bool runs_for(double seconds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (std::chrono::steady_clock::now() < end) {
      if (!running()) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return running();
  }
  bool running() {
    int status = 0;
    if (!ended_ && ::waitpid(pid_, &status, WNOHANG) == pid_) set(status);
    return !ended_;
  }
  pid_t pid() const { return pid_; }
  std::string out() const { return file_text(out_); }
  std::string err() const { return file_text(err_); }

 private:
  void set(int status) {
    ended_ = true;
    status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  Scratch scratch_;
  fs::path out_, err_;
  pid_t pid_ = -1;
  bool ended_ = false;
  int status_ = 0;
};

struct Printed {
  int status;
  std::string out, err;
};

// The program to its end.
inline Printed run(const std::vector<std::string>& words,
                   const std::vector<std::pair<std::string, std::string>>& environment = {}, const fs::path& in = {}) {
  Program program(words, environment, in);
  const int status = program.wait();
  return {status, program.out(), program.err()};
}

// A task of 120 examples that is written here: is a number of three words even or odd. Returns its YAML file.
inline fs::path write_task(const Scratch& scratch) {
  const char* digits[] = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"};
  std::string rows;
  for (int i = 0; i < 120; ++i) {
    const int number = (i * 37 + 100) % 1000;
    rows += std::string("{\"text\": \"") + digits[number / 100] + " " + digits[number / 10 % 10] + " " +
            digits[number % 10] + " number " + std::to_string(i) + "\", \"parity\": \"" +
            (number % 2 ? "odd" : "even") + "\"}\n";
  }
  scratch.write("parity.jsonl", rows);
  return scratch.write("parity.yaml",
                       "name: parity\n"
                       "summary: is a number even or odd\n"
                       "source: parity.jsonl\n"
                       "input: \"number: {text}\"\n"
                       "target: \"{parity}\"\n"
                       "labels: [even, odd]\n"
                       "metrics: [accuracy, macro_f1]\n"
                       "split: {seed: 0, validation: 16, test: 24}\n"
                       "limits: {input: 32, target: 6}\n");
}

// A run that takes a second or two.
inline std::vector<std::string> short_run(const fs::path& task, const fs::path& out,
                                          const std::vector<std::string>& more = {}, const std::string& seed = "3",
                                          const std::string& threads = "1") {
  std::vector<std::string> words = {"--method",   "prompt_tuning",
                                    "--task",     task.string(),
                                    "--backbone", "t5-nano-lm",
                                    "--out",      out.string(),
                                    "--seed",     seed,
                                    "--threads",  threads,
                                    "--steps",    "24",
                                    "--set",      "length=4",
                                    "--set",      "train.batch_size=4",
                                    "--set",      "train.evaluate_every=8",
                                    "--set",      "train.checkpoint_every=4",
                                    "--set",      "train.log_every=1"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// The folder of the only run under `out`.
inline fs::path only_run(const fs::path& out) {
  fs::path found;
  for (const auto& entry : fs::directory_iterator(out)) found = entry.path();
  return found;
}

}  // namespace peftbench::testing_support
