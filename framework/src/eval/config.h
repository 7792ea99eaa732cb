#pragma once

#include "core/enum_names.h"
#include "core/option_info.h"
#include "eval/layer.h"

#include <cstdint>
#include <string_view>

namespace peftbench::eval {

// greedy: the model generates its answer. rank: each label word is scored, and the most likely one is the answer.
enum class EvaluationMode { greedy, rank };
// How rank classification compares label words of unequal length.
enum class RankScore { sum, mean };
// What a line of predictions.jsonl holds of the input: its text, the SHA-256 of it, or nothing.
enum class KeepInputs { text, hash, none };

}  // namespace peftbench::eval

template <>
struct peftbench::EnumNames<peftbench::eval::EvaluationMode> {
  static constexpr std::string_view names[] = {"greedy", "rank"};
};

template <>
struct peftbench::EnumNames<peftbench::eval::RankScore> {
  static constexpr std::string_view names[] = {"sum", "mean"};
};

template <>
struct peftbench::EnumNames<peftbench::eval::KeepInputs> {
  static constexpr std::string_view names[] = {"text", "hash", "none"};
};

namespace peftbench::eval {

struct EvaluationConfig {
  EvaluationMode mode = EvaluationMode::greedy;
  std::int64_t batch_size = 64;
  std::int64_t beams = 1;
  std::int64_t max_tokens = 0;
  double length_penalty = 1.0;
  RankScore rank_score = RankScore::sum;
};

// Visits each option with its key and help, for reading, writing and documentation: visitor(key, field, OptionInfo).
template <class Config, class Visitor>
void visit_evaluation(Config& c, Visitor&& visitor) {
  visitor("evaluation.mode", c.mode,
          any("greedy: generate the answer; rank: score each label word and choose the most likely"));
  visitor("evaluation.batch_size", c.batch_size, at_least(1, "examples per evaluation batch"));
  visitor("evaluation.beams", c.beams, between(1, 1024, "number of beams; 1: greedy decoding"));
  visitor("evaluation.max_tokens", c.max_tokens,
          at_least(0, "maximum length of a generated answer; 0: the task's max_target_tokens"));
  visitor("evaluation.length_penalty", c.length_penalty,
          between(-100, 100, "beam search divides scores by length^penalty"));
  visitor("evaluation.rank_score", c.rank_score,
          any("score of a label word: sum or mean of its tokens' log-probabilities"));
}

}  // namespace peftbench::eval
