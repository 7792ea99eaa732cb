#pragma once

#include "core/progress.h"
#include "eval/evaluator.h"
#include "results/run_record.h"
#include "run/layer.h"
#include "run/workbench.h"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::run {

// Examples as ids, within a task's limits.
std::vector<EncodedExample> encode_for(const Workbench& bench, const TaskConfig& task,
                                       const std::vector<TextExample>& examples, const Arrangement& arrangement,
                                       std::vector<Cut>* cuts = nullptr);
// The same for evaluation: inputs are truncated at eval.max_input_tokens, if set.
std::vector<EncodedExample> encode_scored(const Workbench& bench, TaskConfig task,
                                          const std::vector<TextExample>& examples, const Arrangement& arrangement,
                                          std::vector<Cut>* cuts = nullptr);
// A prediction as a line of predictions.jsonl has it, with its input as eval.keep_inputs says.
nlohmann::ordered_json prediction_json(const Workbench& bench, const TaskConfig& task, const Prediction& prediction,
                                       const TextList& split);

// Scores a plan on one task: its own, one of its mixture's, or one that it was not trained on.
class TaskScoring {
 public:
  struct Subject {
    const Workbench& bench;
    const TaskData& task;
    std::vector<const TaskData*> shots;  // whose training examples a layout may draw from
    EncoderCache* cache = nullptr;
    Transfer transfer = {};  // where the task is not the one that was trained on
  };
  // `plan` decides how examples are laid out. What the subject refers to outlives this. Throws ConfigError if the
  // method's answers can be none of the task's.
  TaskScoring(Subject subject, const CompiledPlan& plan);

  const TaskData& task() const { return subject_.task; }
  const Evaluator& evaluator() const { return evaluator_; }
  // The first examples of a split, in memory: scoring keeps a prediction of each anyway.
  struct Questions {
    std::vector<TextExample> texts;
    std::vector<EncodedExample> encoded;
    std::vector<Cut> cuts;
  };
  const Questions& questions(const std::string& split, std::size_t count);
  // Texts that are in no split, encoded as those that are scored. `cuts`: what each lost.
  std::vector<EncodedExample> encode(const std::vector<TextExample>& texts, std::vector<Cut>* cuts) const;
  // What the limits took from such texts, which are called `of`.
  std::vector<std::string> cut_remarks_on(const TextCounts& counts, const std::string& of) const;
  // Takes the other one's questions, of the same task, if they are encoded as these would be.
  void share_questions(const TaskScoring& other);

  const std::vector<TextExample>& pool() const;  // what a layout may draw from; empty without one
  const TextList& split(const std::string& name) const;
  // `wanted`, or where the task has no such examples with labels another split. Throws DataError if it has none.
  std::string split_for(const std::string& wanted) const;

  // The training split; where nothing is trained, no more than the ledger looks at.
  std::shared_ptr<const ExampleList> training_examples(bool trained);
  Evaluation evaluate(const CompiledPlan& plan, const std::string& split, std::int64_t limit, ProgressSink& progress);
  // "test example 3 of 'reviews' (reviews.tsv:5)", for messages.
  std::string example_name(const std::string& split, std::int64_t index) const;

  // The complete score, except the path of its predictions.
  TaskScore describe(const Evaluation& evaluation, const std::string& split) const;
  // A line of JSON for each example. With `named` they begin with the task's name.
  std::string prediction_lines(const Evaluation& evaluation, const std::string& split, bool named) const;
  // Warnings about the score: before the computation, and about its results.
  const std::vector<std::string>& warnings() const { return warnings_; }
  std::vector<std::string> training_remarks() const;
  std::vector<std::string> remarks(const Evaluation& evaluation, const std::string& split) const;

 private:
  Arrangement arrangement() const;
  TextCounts counts(const Evaluation& evaluation, const std::string& split) const;
  nlohmann::ordered_json texts_json(const TextCounts& counts) const;
  void check_learnt() const;
  void check_transfer();

  Subject subject_;
  std::shared_ptr<LayoutHook> layout_;
  std::int64_t replicas_;  // of the plan
  bool classes_;           // its head scores them
  Evaluator evaluator_;
  std::map<std::string, std::shared_ptr<const Questions>> questions_;  // by split
  std::optional<TextCounts> training_counts_;                          // none if nothing is trained
  mutable std::optional<std::vector<TextExample>> pool_;
  std::vector<std::string> warnings_;
};

}  // namespace peftbench::run
