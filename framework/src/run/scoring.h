#pragma once

#include "core/progress.h"
#include "eval/evaluator.h"
#include "results/run_record.h"
#include "run/workbench.h"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <string>
#include <vector>

namespace peftbench {

// Examples as ids, within the task's limits.
std::vector<EncodedExample> encode_for(const Workbench& bench, const std::vector<TextExample>& examples,
                                       const Arrangement& arrangement);
// A prediction as a line of predictions.jsonl has it.
nlohmann::ordered_json prediction_json(const Prediction& prediction, const TextList& split);

// Scores a plan on the splits of a workbench's task, and writes down what came out.
class Scoring {
 public:
  // `plan` decides how examples are laid out and whether encoder outputs can be cached. `bench` outlives this.
  Scoring(const Workbench& bench, const CompiledPlan& plan);

  // Of the training split; where nothing is trained, no more than the ledger looks at.
  std::shared_ptr<const ExampleList> training_examples(const CompiledPlan& plan) const;
  const Evaluator& evaluator() const { return evaluator_; }
  EncoderCache* cache() { return cache_ ? &*cache_ : nullptr; }
  // The split that the options ask for, or validation where there is no test split. Throws DataError without either.
  std::string final_split() const;

  Evaluation evaluate(const CompiledPlan& plan, const std::string& split, std::int64_t limit, ProgressSink& progress);

  // Metrics, majority label and rate of illegal answers, into the record.
  void describe(const Evaluation& evaluation, const std::string& split, RunRecord& record) const;
  // One line of JSON for each example. Returns the file's hash.
  std::string write_predictions(const Evaluation& evaluation, const std::string& split, const fs::path& file) const;

  const TextList& split(const std::string& name) const;
  const std::vector<TextExample>& pool() const;  // what a layout may draw from; empty without one

 private:
  // The first examples of a split, in memory: scoring keeps a prediction of each anyway.
  struct Questions {
    std::vector<TextExample> texts;
    std::vector<EncodedExample> encoded;
  };
  const Questions& questions(const std::string& split, std::int64_t limit);
  Arrangement arrangement() const;
  const Workbench& bench_;
  std::shared_ptr<LayoutHook> layout_;
  std::int64_t replicas_;  // of the plan
  bool classes_;           // its head scores them
  std::optional<EncoderCache> cache_;
  Evaluator evaluator_;
  std::map<std::string, Questions> questions_;  // by split
  mutable std::optional<std::vector<TextExample>> pool_;
};

}  // namespace peftbench
