#include "eval/ensemble.h"

#include "backbone/finite.h"
#include "core/clock.h"

#include <peftbench/error.h>

#include <algorithm>
#include <utility>

namespace peftbench::eval {

EnsembleEvaluation evaluate_ensemble(const std::vector<const Evaluator*>& evaluators, const CompiledPlan& plan,
                                     const EnsembleQuestions& questions, std::int64_t most_sequences,
                                     ProgressSink* progress) {
  if (replicas_of(plan) != 1)
    throw ConfigError({"a method with replicas cannot be a member: its copies already vote", plan.only()->method,
                       "methods without replicas", "leave it out: `peft-bench eval` gives the vote of its copies"});
  const Stopwatch watch;
  const std::size_t members = questions.encoded.size();
  const std::size_t n = questions.texts.size();
  const std::size_t step = std::max<std::size_t>(1, static_cast<std::size_t>(most_sequences) / members);
  std::vector<std::vector<Prediction>> predictions(members, std::vector<Prediction>(n));
  std::vector<Prediction> votes(n);
  EnsembleEvaluation result;
  result.entropy.resize(n);
  const Evaluator& first = *evaluators.front();
  first.prepare(plan);
  for (std::size_t start = 0; start < n; start += step) {
    const std::size_t count = std::min(step, n - start);
    ExampleBatch batch;  // sorted by member, as a stacked plan wants it
    for (std::size_t m = 0; m < members; ++m) {
      for (std::size_t i = start; i < start + count; ++i) {
        batch.examples.push_back(&(*questions.encoded[m])[i]);
        batch.groups.push_back(static_cast<std::int64_t>(m));
      }
    }
    const std::vector<Answer> answers = [&] {
      try {
        return Evaluator::answer(evaluators, plan, batch);
      } catch (const NotFiniteError& error) {
        const auto example = static_cast<std::int64_t>(start) + error.place() % static_cast<std::int64_t>(count);
        throw error.at(example).of("example " + std::to_string(example));
      }
    }();
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<Answer> ballot;
      for (std::size_t m = 0; m < members; ++m) {
        ballot.push_back(answers[m * count + i]);
        predictions[m][start + i] = evaluators[m]->judge(ballot.back(), questions.texts, start + i);
      }
      const std::vector<double> equal(members, 1.0);
      votes[start + i] =
          first.judge(majority_vote(ballot, equal, first.task().labels, Tie::first_voter), questions.texts, start + i);
      result.entropy[start + i] = vote_entropy(ballot);
    }
    if (progress)
      progress->update({"ensemble", static_cast<std::int64_t>(start + count), static_cast<std::int64_t>(n), {}});
  }
  for (std::size_t m = 0; m < members; ++m)
    result.members.push_back(evaluators[m]->summarise(std::move(predictions[m])));
  result.votes = first.summarise(std::move(votes));
  result.seconds = watch.wall_seconds();
  return result;
}

}  // namespace peftbench::eval
