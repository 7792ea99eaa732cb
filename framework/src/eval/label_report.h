#pragma once

#include "eval/layer.h"
#include "eval/metrics.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::eval {

// What an average over labels hides.
struct LabelScore {
  std::string label;
  std::int64_t targets = 0, answers = 0, hits = 0;
  std::optional<double> precision() const;  // none if it is never answered
  std::optional<double> recall() const;     // none if it is never the target
  std::optional<double> f1() const;         // none if it is neither
};

struct LabelReport {
  std::vector<LabelScore> labels;
  // By target and answer, in the order of the labels; the last column are answers that are none of them. Empty where
  // there are more than `most_confused` labels.
  std::vector<std::vector<std::int64_t>> confusion;
  std::int64_t examples = 0;
};
inline constexpr std::size_t most_confused = 100;

// Empty if there are no label words.
LabelReport label_report(const std::vector<Prediction>& predictions, const std::vector<std::string>& labels);

// Labels that are never answered though they are the target of some examples, and those that no example has: "never
// answers 'praise' (target of 4 of 10 test examples)". `split`: "test ".
std::vector<std::string> label_remarks(const LabelReport& report, const std::string& split);

nlohmann::ordered_json labels_json(const LabelReport& report);

}  // namespace peftbench::eval
