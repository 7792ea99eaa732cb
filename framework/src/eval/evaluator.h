#pragma once

#include "backbone/backbone.h"
#include "core/progress.h"
#include "data/prepared/encode.h"
#include "data/task/task.h"
#include "eval/config.h"
#include "eval/encoder_cache.h"
#include "eval/label_map.h"
#include "eval/layer.h"
#include "eval/likelihood.h"
#include "eval/metrics.h"
#include "eval/voting.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::eval {

// Between texts and ids. A seam, so that the evaluator can be tested without a vocabulary.
struct TextCodec {
  std::function<std::vector<std::int64_t>(const std::string&)> encode;  // without EOS
  std::function<std::string(const std::vector<std::int64_t>&)> decode;  // without EOS and following ids
  std::int64_t vocabulary = 0;                                          // ids ≥ this are never generated; 0: no limit
  static TextCodec of(std::shared_ptr<const Tokenizer> tokenizer);
};

struct Evaluation {
  std::int64_t examples = 0;
  // Teacher-forced, mean over label tokens (over examples with a head that scores classes) of the answers that were
  // asked for; none where several learnt words become one answer of another task, or no word does.
  std::optional<double> loss;
  std::int64_t loss_tokens = 0;      // that it is the mean over
  std::vector<MetricValue> metrics;  // in the task's order
  double illegal_rate = 0;           // answers that are not a label word, or not a number if one is required
  std::vector<Prediction> predictions;
};

// The best constant answer on the evaluated split, a stronger baseline than that of the training split.
struct MajorityBaseline {
  std::string label;                    // the most frequent; empty if there are no label words
  std::vector<ConstantAnswer> metrics;  // in the task's order
};

// An example's answer, and how likely each of Evaluator::scored_words is.
struct Reply {
  Answer answer;
  std::vector<double> scores;  // log-probabilities; a mean over a word's tokens with RankScore::mean
};

class Evaluator {
 public:
  // `cache` (may be null) is used for plans that do not change the encoder. With a transfer, label words of the task
  // that was trained on are ranked (if there is a map) or are the classes of the head, and answers are mapped.
  Evaluator(const Backbone& backbone, TextCodec codec, TaskConfig task, EvaluationConfig config, std::uint64_t seed,
            EncoderCache* cache = nullptr, Transfer transfer = {});

  // The first `limit` examples (0: all). `texts` are the same examples as texts. `groups`: plan of each example in
  // a stacked plan; empty: all 0. Leaves no graph behind; calls plan.refresh itself.
  Evaluation evaluate(const CompiledPlan& plan, const std::vector<EncodedExample>& examples,
                      const std::vector<TextExample>& texts, std::int64_t limit = 0, ProgressSink* progress = nullptr,
                      const std::string& phase = "evaluate", const std::vector<std::int64_t>& groups = {}) const;

  // The parts of `evaluate`, for callers with their own batches. `prepare` once for a plan; it and `answer` leave no
  // graph.
  void prepare(const CompiledPlan& plan) const;
  // Of each sequence of a stacked plan. What group g says is read by readers[g], whose mode and generation are one.
  static std::vector<Answer> answer(const std::vector<const Evaluator*>& readers, const CompiledPlan& plan,
                                    const ExampleBatch& batch);
  // Of the examples of one plan, as `evaluate` answers them. With `scored` the words are scored too where the answers
  // are generated; there must be such words. Throws NotFiniteError with the place of the sequence.
  std::vector<Reply> reply(const CompiledPlan& plan, const ExampleBatch& examples, bool scored) const;
  // The words that are ranked, or are the classes of the plan's head.
  const std::vector<std::string>& scored_words(const CompiledPlan& plan) const;
  bool generates(const CompiledPlan& plan) const;  // answers are texts that the model writes
  Prediction judge(const Answer& answer, const std::vector<TextExample>& texts, std::size_t index) const;
  Evaluation summarise(std::vector<Prediction> predictions) const;  // metrics; no loss
  const TaskConfig& task() const { return task_; }

  // Nothing for free text whose metrics know no constant answer.
  std::optional<MajorityBaseline> majority(const std::vector<TextExample>& split) const;

  // Place of the text among the label words, or −1.
  int label_of(const std::string& text) const;

 private:
  struct Batch;
  EncoderState encode(const CompiledPlan& plan, const ExampleBatch& batch) const;
  static std::vector<Answer> answers(const Batch& batch);
  static std::vector<Answer> generate_answers(const Batch& batch);
  // [examples, words], of the examples' copies together.
  static Tensor scores_of_words(const Batch& batch);
  static Tensor word_scores(const Batch& batch);
  static Tensor class_scores(const Batch& batch);
  static std::vector<Answer> likeliest_words(const Batch& batch, const Tensor& scores);
  Answer translated(std::string text) const;
  void find_asked();
  bool can_lose(const CompiledPlan& plan) const;
  Answer vote(const Batch& batch, const std::vector<Answer>& answers, std::size_t example) const;

  const Backbone& backbone_;
  TextCodec codec_;
  TaskConfig task_;
  EvaluationConfig config_;
  std::uint64_t seed_;
  EncoderCache* cache_;
  Transfer transfer_;
  std::vector<std::string> classes_;                   // label words that a head scores
  std::vector<std::string> ranked_;                    // label words that are ranked
  std::vector<std::vector<std::int64_t>> ranked_ids_;  // with EOS
  // Of each label the learnt word that becomes it: its place, none, or several. Empty if the task is the one that
  // was trained on, or has no label words.
  std::vector<int> asked_;
  std::vector<std::string> label_texts_;               // the task's, as the vocabulary writes them
  std::vector<std::string> learnt_texts_;              // the same for the training labels
  std::vector<std::vector<std::int64_t>> learnt_ids_;  // with EOS
};

}  // namespace peftbench::eval
