#pragma once

#include "data/prepared/joined_examples.h"
#include "data/task/mixture.h"
#include "results/result_store.h"
#include "run/layer.h"
#include "run/task_scoring.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::run {

// Of all tasks that a run was trained on. One task is the whole; a mixture's whole has the mean of its tasks' first
// metrics for its score, and no predictions of its own.
struct RunEvaluation {
  Evaluation whole;
  std::vector<Evaluation> parts;    // of a mixture, in its order
  std::vector<std::string> splits;  // on which each part was scored; of one task its own
};

// Where the workbench's task is not the one that the plan was trained on.
struct Elsewhere {
  Transfer transfer;
  std::vector<const TaskData*> shots;  // of the task that was trained on; empty if no layout shows any
};

// Evaluates a plan on the tasks of a workbench, and stores the results.
class Scoring {
 public:
  // `plan` decides how examples are laid out and whether encoder outputs can be cached. `bench` and shots outlive this.
  Scoring(const Workbench& bench, const CompiledPlan& plan, const std::optional<Elsewhere>& elsewhere = {});

  // Of the training splits, one task's after another's; where nothing is trained, no more than the ledger looks at.
  std::shared_ptr<const ExampleList> training_examples(const CompiledPlan& plan);
  // Which of these examples stands where in training; null if the trainer's own order is meant. Not longer than
  // this.
  std::function<std::size_t(std::int64_t)> draw() const;

  const TaskScoring& first() const { return *parts_.front(); }  // the task, or a mixture's first
  TaskScoring& first() { return *parts_.front(); }
  EncoderCache* cache() { return cache_ ? &*cache_ : nullptr; }
  bool can_validate() const;
  // What can be known before anything is computed.
  std::vector<std::string> warnings() const;

  // On `split`, or where a task has none, on another that it has: what the final score is of.
  RunEvaluation evaluate(const CompiledPlan& plan, const std::string& split, std::int64_t limit,
                         ProgressSink& progress);
  // During training, on the validation splits.
  Evaluation validate(const CompiledPlan& plan, std::int64_t limit, ProgressSink& progress);

  // Metrics, majority label and rate of illegal answers, into the record; of a mixture its tasks' too.
  void describe(const RunEvaluation& evaluation, RunRecord& record) const;
  // One line of JSON for each example, which names its task where there are several. Returns the file's hash.
  std::string write_predictions(const RunEvaluation& evaluation, const fs::path& file) const;

  // What a reader of the scores should know of the training examples, once they are there, and of these scores.
  std::vector<std::string> training_remarks() const;
  std::vector<std::string> remarks(const RunEvaluation& evaluation) const;

  // Scores the plan on the workbench's other tasks, into the record and files of the folder. Returns such remarks.
  std::vector<std::string> score_others(const CompiledPlan& plan, const RunFolder& folder, RunRecord& record,
                                        ProgressSink& progress);

 private:
  RunEvaluation whole_of(std::vector<Evaluation> evaluations, std::vector<std::string> splits) const;
  const Workbench& bench_;
  bool own_;      // the plan is of the workbench's task
  bool trained_;  // trained on these tasks: a mixture has rates
  std::optional<EncoderCache> cache_;
  std::vector<std::unique_ptr<TaskScoring>> parts_, others_;
  std::shared_ptr<const JoinedExamples> joined_;  // training examples of a mixture
  std::optional<MixtureSampler> sampler_;
};

}  // namespace peftbench::run
