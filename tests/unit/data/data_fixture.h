#pragma once

#include "core/files.h"
#include "data/task/task.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace peftbench::support {

using namespace layers;

// A folder of the test's own, and the message of what is thrown.
class DataTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "peftbench-data-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, const std::string& text) const {
    fs::remove(folder_ / name);  // a new file is not flushed to the disk at once, a truncated one is
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  TaskConfig task(const std::string& yaml) const { return read_task_config(write("task.yaml", yaml).string(), {}); }
  TaskData load(const std::string& yaml) const { return load_task(task(yaml), folder_ / "data"); }

  template <class E, class F>
  static std::string message(F&& run) {
    try {
      run();
    } catch (const E& error) {
      return error.what();
    }
    return "nothing was thrown";
  }
  std::string config_error(const std::string& yaml) const {
    return message<ConfigError>([&] { task(yaml); });
  }
  template <class E = DataError>
  std::string load_error(const std::string& yaml) const {
    return message<E>([&] { load(yaml); });
  }

  fs::path folder_;
};

}  // namespace peftbench::support
