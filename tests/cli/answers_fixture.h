#pragma once

#include "support/layers.h"
#include "support/program.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace peftbench::testing_support {

using namespace layers;

// One answer for each sign: right where it is '+'.
struct Answers {
  std::string method, signs;
  int seed = 1;
  std::string task = "films";
  std::vector<std::string> metrics = {"accuracy"};
  std::map<std::string, std::string> others = {};  // by task that was not trained on
};

// Finished runs whose answers are written here, and `compare` of them.
class WrittenRuns : public ::testing::Test {
 protected:
  // The folder of a finished run with these answers. A record of the corpus stands in for one of a real run.
  fs::path write_run(const Answers& of) const {
    nlohmann::json record =
        nlohmann::json::parse(file_text(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "tests/hostile/corpus/record/lora.json"));
    const std::string id = of.method + "-" + of.task + "-s" + std::to_string(of.seed) + "-0123456789";
    record["id"] = id;
    record["seed"] = of.seed;
    record["method"]["name"] = of.method;
    record["task"]["name"] = of.task;
    record["task"]["hash"] = "hash of " + of.task;
    record["task"]["labels"] = {"good", "bad"};
    record["config"] = {{"method", {{"name", of.method}}}, {"seed", of.seed}};
    const nlohmann::json another_task = record["tasks"].at(0);
    record["tasks"] = nlohmann::json::array();
    record["metrics"] = metrics_of(of.metrics, of.signs);
    for (const auto& [task, signs] : of.others) {
      const std::string file = "predictions-" + task + ".jsonl";
      nlohmann::json other = another_task;
      other["task"] = task;
      other["hash"] = "hash of " + task;
      other["trained"] = false;
      other["metrics"] = metrics_of(of.metrics, signs);
      other["predictions"] = file;
      other["labels"] = nlohmann::json::array({{{"label", "good"}}, {{"label", "bad"}}});
      record["tasks"].push_back(other);
      scratch_.write("runs/" + id + "/" + file, lines_of(signs));
    }
    scratch_.write("runs/" + id + "/record.json", record.dump());
    scratch_.write("runs/" + id + "/predictions.jsonl", lines_of(of.signs));
    return out_ / id;
  }
  static nlohmann::json metrics_of(const std::vector<std::string>& names, const std::string& signs) {
    const auto right = std::count(signs.begin(), signs.end(), '+');
    nlohmann::json metrics = nlohmann::json::array();
    for (const std::string& name : names)
      metrics.push_back({{"split", "test"},
                         {"name", name},
                         {"value", static_cast<double>(right) / static_cast<double>(signs.size())},
                         {"n", signs.size()},
                         {"interval", {0.125, 0.875}},
                         {"majority", 0.5},
                         {"majority_answer", "good"}});
    return metrics;
  }
  static std::string lines_of(const std::string& signs) {
    std::string lines;
    for (std::size_t i = 0; i < signs.size(); ++i) {
      const bool good = i % 2 == 0, correct = signs[i] == '+';
      lines += nlohmann::json{{"index", i},
                              {"origin", "films.csv:" + std::to_string(i + 2)},
                              {"prediction", good == correct ? "good" : "bad"},
                              {"label", good == correct ? 0 : 1},
                              {"target", good ? "good" : "bad"},
                              {"target_label", good ? 0 : 1},
                              {"correct", correct}}
                   .dump() +
               "\n";
    }
    return lines;
  }
  Printed compare(const std::string& a, const std::string& b, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"compare", a, b, "--out", out_.string()};
    words.insert(words.end(), more.begin(), more.end());
    return testing_support::run(words);
  }
  nlohmann::json compared(const std::string& a, const std::string& b) const {
    const Printed printed = compare(a, b, {"--json"});
    EXPECT_EQ(printed.status, 0) << printed.err;
    return nlohmann::json::parse(printed.status == 0 ? printed.out : "null");
  }
  // In a file of a run.
  static void change(const fs::path& file, const std::string& from, const std::string& to) {
    std::string text = file_text(file);
    ASSERT_NE(text.find(from), std::string::npos) << file;
    std::ofstream(file, std::ios::binary) << text.replace(text.find(from), from.size(), to);
  }

  Scratch scratch_;
  const fs::path out_ = scratch_.path() / "runs";
};

}  // namespace peftbench::testing_support
