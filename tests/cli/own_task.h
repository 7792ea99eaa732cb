#pragma once

#include "support/layers.h"
#include "support/program.h"

#include <gtest/gtest.h>

#include <string>

namespace peftbench::testing_support {

using namespace layers;

inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

// The example of docs/tasks.md, over a file of this name.
inline std::string task_yaml(const std::string& file = "reviews.csv") {
  return "source: " + file +
         "\n"
         "fields:\n"
         "  side: {from: stars, cut: [3], words: [bad, good]}\n"
         "input: \"review: {text}\"\n"
         "target: \"{side}\"\n"
         "labels: [bad, good]\n";
}

inline std::string reviews() {
  std::string rows = "text,stars\n";
  for (int i = 0; i < 60; ++i)
    rows += "\"the film, number " + std::to_string(i) + ", was " + (i % 2 ? "dull" : "fine") + "\"," +
            (i % 2 ? "1" : "5") + "\n";
  return rows;
}

}  // namespace peftbench::testing_support
