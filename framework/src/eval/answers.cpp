#include "backbone/finite.h"
#include "backbone/generation.h"
#include "eval/evaluator_batch.h"

#include <peftbench/error.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace peftbench::eval {
namespace {

// What follows the sentinel that every target began with.
std::string without_sentinel(std::string text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string::npos || text.compare(first, sentinel_word.size(), sentinel_word) != 0) return text;
  const std::size_t rest = text.find_first_not_of(' ', first + sentinel_word.size());
  return rest == std::string::npos ? std::string() : text.substr(rest);
}

}  // namespace

// Of the copies' scores those of the examples, which must be finite.
Tensor combined_scores(const Backbone& backbone, const CompiledPlan& plan, const Tensor& log_likelihood) {
  const Tensor scores = combine_replicas(plan, log_likelihood, false);
  require_finite(scores, replicas_of(plan), backbone, plan);
  return scores;
}

std::vector<Answer> Evaluator::generate_answers(const Batch& batch) {
  const Evaluator& first = batch.first();
  GenerationOptions options;
  options.max_tokens = first.config_.max_tokens > 0 ? first.config_.max_tokens : first.task_.max_target_tokens;
  if (first.task_.sentinel) options.max_tokens += static_cast<std::int64_t>(first.codec_.encode(sentinel_word).size());
  options.beams = first.config_.beams;
  options.length_penalty = first.config_.length_penalty;
  const std::vector<std::int64_t>& groups = batch.encoder.layout.groups;
  std::vector<Answer> answers;
  for (const auto& ids : generate(first.backbone_, batch.encoder, batch.plan, options, first.codec_.vocabulary)) {
    std::string text = first.codec_.decode(ids);
    if (first.task_.sentinel) text = without_sentinel(std::move(text));
    const auto group = static_cast<std::size_t>(groups[answers.size()]);
    if (!batch.plan.groups().empty())
      if (const auto& layout = batch.plan.groups()[group]->layout) text = layout->answer(text);
    answers.push_back(batch.reader(answers.size()).translated(std::move(text)));
  }
  return answers;
}

// An answer as the task that is scored has it.
Answer Evaluator::translated(std::string text) const {
  if (!transfer_.map.empty()) {
    const bool word = std::find(transfer_.labels.begin(), transfer_.labels.end(), text) != transfer_.labels.end();
    const auto written = std::find(learnt_texts_.begin(), learnt_texts_.end(), text);
    if (!word && written != learnt_texts_.end())  // a learnt word as the vocabulary writes it
      text = transfer_.labels[static_cast<std::size_t>(written - learnt_texts_.begin())];
    text = transfer_.map.apply(text);
  }
  const int label = label_of(text);
  return {std::move(text), label};
}

// Members of an ensemble may have learnt other words, or as many in another order: each sequence is asked its own.
Tensor Evaluator::word_scores(const Batch& batch) {
  const TokenLayout& layout = batch.encoder.layout;
  std::size_t words = 0;
  for (const Evaluator* reader : batch.readers) words = std::max(words, reader->ranked_.size());
  // Sequences that are asked the same words are decoded together.
  std::vector<Tensor> parts;
  for (std::int64_t first = 0; first < layout.sequences();) {
    const auto& ids = batch.reader(static_cast<std::size_t>(first)).ranked_ids_;
    std::int64_t last = first + 1;
    while (last < layout.sequences() && batch.reader(static_cast<std::size_t>(last)).ranked_ids_ == ids) ++last;
    Tensor part;
    try {
      part = score_words(batch.first().backbone_, slice(batch.encoder, first, last - first), ids, batch.plan,
                         RunContext::inference());
    } catch (const NotFiniteError& error) {
      throw error.at(first + error.place());
    }
    // Absent words repeat the last, until they are told apart below.
    const auto absent = static_cast<std::int64_t>(words) - part.size(1);
    if (absent > 0) part = at::cat({part, part.narrow(1, part.size(1) - 1, 1).expand({part.size(0), absent})}, 1);
    parts.push_back(part);
    first = last;
  }
  const Tensor all = at::cat(parts);
  std::vector<Tensor> scores;
  for (std::size_t word = 0; word < words; ++word) {
    std::vector<double> lengths, absent;
    for (std::size_t e = 0; e < batch.examples.examples.size(); ++e) {
      const Evaluator& reader = batch.reader_of_example(e);
      const bool present = word < reader.ranked_.size();
      const bool mean = present && reader.config_.rank_score == RankScore::mean;
      lengths.push_back(mean ? static_cast<double>(reader.ranked_ids_[word].size()) : 1.0);
      absent.push_back(present ? 0.0 : -std::numeric_limits<double>::infinity());
    }
    const Tensor score =
        combined_scores(batch.first().backbone_, batch.plan, all.select(1, static_cast<std::int64_t>(word)));
    const auto as_scores = [&](const std::vector<double>& values) {
      return at::tensor(values, at::kDouble).to(score.scalar_type()).to(score.device());
    };
    scores.push_back(score / as_scores(lengths) + as_scores(absent));
  }
  return at::stack(scores, 1);
}

Tensor Evaluator::class_scores(const Batch& batch) {
  const Backbone& backbone = batch.first().backbone_;
  const Tensor scores = class_log_probabilities(backbone, batch.encoder, batch.plan, RunContext::inference());
  for (const Evaluator* reader : batch.readers) {
    if (scores.size(1) == static_cast<std::int64_t>(reader->classes_.size())) continue;
    throw ConfigError({"the method's head does not match the task's classes",
                       std::to_string(scores.size(1)) + " classes",
                       std::to_string(reader->classes_.size()) + ", the label words of '" + reader->task_.name + "'",
                       "set the method's number of classes"});
  }
  std::vector<Tensor> combined;
  for (std::int64_t c = 0; c < scores.size(1); ++c)
    combined.push_back(combined_scores(backbone, batch.plan, scores.select(1, c)));
  return at::stack(combined, 1);
}

// The likeliest of the scored words, of each example.
std::vector<Answer> Evaluator::likeliest_words(const Batch& batch, const Tensor& scores) {
  const Tensor best = at::argmax(scores, 1).cpu();
  const auto* places = best.const_data_ptr<std::int64_t>();
  std::vector<Answer> answers;
  for (std::int64_t i = 0; i < best.numel(); ++i) {
    const Evaluator& reader = batch.reader_of_example(answers.size());
    answers.push_back(reader.translated(reader.scored_words(batch.plan)[static_cast<std::size_t>(places[i])]));
  }
  return answers;
}

const std::vector<std::string>& Evaluator::scored_words(const CompiledPlan& plan) const {
  return scores_classes(plan) ? classes_ : ranked_;
}

EncoderState Evaluator::encode(const CompiledPlan& plan, const ExampleBatch& batch) const {
  EncoderCache* cache = plan.leaves_encoder_alone() ? cache_ : nullptr;
  return encode_batch(backbone_, batch, plan, RunContext::inference(), cache);
}

bool Evaluator::generates(const CompiledPlan& plan) const {
  return !scores_classes(plan) && config_.mode == EvaluationMode::greedy;
}

Tensor Evaluator::scores_of_words(const Batch& batch) {
  return scores_classes(batch.plan) ? class_scores(batch) : word_scores(batch);
}

std::vector<Answer> Evaluator::answers(const Batch& batch) {
  if (batch.first().generates(batch.plan)) return generate_answers(batch);
  return likeliest_words(batch, scores_of_words(batch));
}

void Evaluator::prepare(const CompiledPlan& plan) const {
  const at::NoGradGuard no_grad;
  backbone_.refresh(plan);
}

std::vector<Answer> Evaluator::answer(const std::vector<const Evaluator*>& readers, const CompiledPlan& plan,
                                      const ExampleBatch& batch) {
  const at::NoGradGuard no_grad;
  return answers({plan, batch, readers.front()->encode(plan, batch), readers});
}

// What an example's copies say together. Where label words are scored, the method has combined the scores already.
Answer Evaluator::vote(const Batch& batch, const std::vector<Answer>& answers, std::size_t example) const {
  const auto copies = batch.examples.copies;
  if (answers.size() == batch.examples.examples.size()) return answers[example];
  const auto first = answers.begin() + static_cast<std::int64_t>(example) * copies;
  const std::vector<double> weights = replica_hook(batch.plan)->votes();
  if (static_cast<std::int64_t>(weights.size()) != copies) {
    throw ConfigError({.what = "the number of replicas does not match the number of votes",
                       .found = std::to_string(weights.size()) + " votes",
                       .expected = std::to_string(copies) + ", one per replica"});
  }
  return majority_vote({first, first + copies}, weights, task_.labels, Tie::lowest_label);
}

std::vector<Reply> Evaluator::reply(const CompiledPlan& plan, const ExampleBatch& examples, bool scored) const {
  const at::NoGradGuard no_grad;
  const std::vector<const Evaluator*> readers = {this};
  const Batch batch{plan, examples, encode(plan, examples), readers};
  const bool generated = generates(plan);
  Tensor scores;
  if (scored || !generated) scores = scores_of_words(batch);
  const std::vector<Answer> given = generated ? generate_answers(batch) : likeliest_words(batch, scores);
  std::vector<Reply> replies(examples.examples.size());
  const Tensor values = scored ? scores.to(at::kDouble).cpu().contiguous() : Tensor();
  for (std::size_t i = 0; i < replies.size(); ++i) {
    replies[i].answer = vote(batch, given, i);
    if (!scored) continue;
    const double* row = values.const_data_ptr<double>() + static_cast<std::int64_t>(i) * values.size(1);
    replies[i].scores.assign(row, row + values.size(1));
  }
  return replies;
}

}  // namespace peftbench::eval
