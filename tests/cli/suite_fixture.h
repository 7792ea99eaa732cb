#pragma once

#include "support/layers.h"
#include "support/program.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace peftbench::testing_support {

using namespace layers;

// A small suite, and the folder that it runs into.
class SuiteFixture : public ::testing::Test {
 protected:
  fs::path write_suite(const std::string& rows, const std::string& steps = "6") const {
    return scratch_.write("mine.yaml", "tasks: [" + write_task(scratch_).string() +
                                           "]\nbackbones: [t5-nano-lm]\nseeds: [1, 2]\ndefaults:\n  threads: 1\n"
                                           "  train: {steps: " +
                                           steps +
                                           ", batch_size: 4, evaluate_every: 0, checkpoint_every: 2, dropout: 0}\n"
                                           "  eval: {examples: 12}\nrows:\n" +
                                           rows);
  }
  std::vector<std::string> suite(const fs::path& file, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"suite", file.string(), "--out", out_.string()};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  nlohmann::json record(const std::string& id) const {
    return nlohmann::json::parse(file_text(out_ / id / "record.json"));
  }
  nlohmann::json manifest() const { return nlohmann::json::parse(file_text(out_ / "mine.suite" / "suite.json")); }

  Scratch scratch_;
  fs::path out_ = scratch_.path() / "runs";
};

inline constexpr const char* three_rows =
    "  - {method: prompt_tuning, name: short, set: {length: 2}}\n"
    "  - {method: prompt_tuning, name: long, set: {length: 4}}\n"
    "  - {method: prompt_tuning, name: broken, set: {init: file, init_file: /no/such/file}}\n";

}  // namespace peftbench::testing_support
