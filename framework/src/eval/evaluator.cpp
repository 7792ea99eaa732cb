#include "eval/evaluator.h"

#include "backbone/generation.h"
#include "core/names.h"
#include "core/random.h"
#include "eval/likelihood.h"

#include <peftbench/error.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace peftbench {

TextCodec TextCodec::of(std::shared_ptr<const Tokenizer> tokenizer) {
  return {[tokenizer](const std::string& text) { return tokenizer->encode(text); },
          [tokenizer](const std::vector<std::int64_t>& ids) { return tokenizer->decode(ids); }, tokenizer->size()};
}

// What the copies of an example answered, one copy after another.
struct Evaluator::Answers {
  std::vector<std::string> texts;
  std::vector<int> labels;
};

struct Evaluator::Batch {
  const CompiledPlan& plan;
  ExampleBatch examples;
  std::vector<std::size_t> indices;  // of each example in the split
  EncoderState encoder;
};

Evaluator::Evaluator(const Backbone& backbone, TextCodec codec, TaskConfig task, EvaluationConfig config,
                     std::uint64_t seed, EncoderCache* cache)
    : backbone_(backbone),
      codec_(std::move(codec)),
      task_(std::move(task)),
      config_(config),
      seed_(seed),
      cache_(cache) {
  if (config_.mode == EvaluationMode::rank && task_.labels.empty()) {
    throw ConfigError({"rank classification needs label words",
                       "task '" + task_.name + "' has free-text targets",
                       {},
                       "set train.evaluation.mode to greedy"});
  }
  for (const auto& metric : task_.metrics) {
    const auto& known = metric_names();
    if (std::find(known.begin(), known.end(), metric) == known.end()) {
      throw ConfigError(
          {"task '" + task_.name + "' names an unknown metric", "'" + metric + "'", {}, did_you_mean(metric, known)});
    }
    if (metric_needs_labels(metric) && task_.labels.empty()) {
      throw ConfigError({"metric '" + metric + "' needs label words",
                         "task '" + task_.name + "' has free-text targets",
                         {},
                         "use exact_match, or list the task's labels"});
    }
  }
  for (const auto& label : task_.labels) {
    label_ids_.push_back(codec_.encode(label));
    label_texts_.push_back(codec_.decode(label_ids_.back()));
    label_ids_.back().push_back(backbone_.spec().eos_id);
  }
}

int Evaluator::label_of(const std::string& text) const {
  for (std::size_t k = 0; k < task_.labels.size(); ++k) {
    if (text == task_.labels[k] || text == label_texts_[k]) return static_cast<int>(k);
  }
  return -1;
}

Evaluator::Answers Evaluator::generate_answers(const Batch& batch) const {
  GenerationOptions options;
  options.max_tokens = config_.max_tokens > 0 ? config_.max_tokens : task_.max_target_tokens;
  options.beams = config_.beams;
  options.length_penalty = config_.length_penalty;
  const LayoutHook* layout = batch.plan.only() ? batch.plan.only()->layout.get() : nullptr;
  Answers answers;
  for (const auto& ids : generate(backbone_, batch.encoder, batch.plan, options, codec_.vocabulary)) {
    answers.texts.push_back(codec_.decode(ids));
    if (layout) answers.texts.back() = layout->answer(answers.texts.back());
    answers.labels.push_back(label_of(answers.texts.back()));
  }
  return answers;
}

Evaluator::Answers Evaluator::rank_labels(const Batch& batch) const {
  std::vector<Tensor> scores;
  for (const auto& ids : label_ids_) {
    const std::vector<std::vector<std::int64_t>> targets(batch.encoder.layout.sequences(), ids);
    Tensor score = score_targets(backbone_, batch.encoder, targets, batch.plan, RunContext::inference());
    if (config_.rank_score == RankScore::mean) score = score / static_cast<double>(ids.size());
    scores.push_back(score);
  }
  const Tensor best = at::argmax(at::stack(scores, 1), 1).cpu();
  Answers answers;
  for (std::int64_t s = 0; s < best.numel(); ++s) {
    answers.labels.push_back(static_cast<int>(best.const_data_ptr<std::int64_t>()[s]));
    answers.texts.push_back(task_.labels[answers.labels.back()]);
  }
  return answers;
}

Evaluator::Answers Evaluator::choose_classes(const Batch& batch) const {
  const Tensor scores = class_log_probabilities(backbone_, batch.encoder, batch.plan, RunContext::inference());
  if (scores.size(1) != static_cast<std::int64_t>(task_.labels.size())) {
    throw ConfigError({"the method's head does not score the task's classes",
                       std::to_string(scores.size(1)) + " classes",
                       std::to_string(task_.labels.size()) + ", the label words of task '" + task_.name + "'",
                       "set the method's number of classes"});
  }
  const Tensor best = at::argmax(scores, 1).cpu();
  Answers answers;
  for (std::int64_t s = 0; s < best.numel(); ++s) {
    answers.labels.push_back(static_cast<int>(best.const_data_ptr<std::int64_t>()[s]));
    answers.texts.push_back(task_.labels[answers.labels.back()]);
  }
  return answers;
}

// The answer with the most weight. Among label words, illegal answers have no vote unless all are illegal; equal
// weights go to the lowest label, and of free texts to the copy that comes first.
Prediction Evaluator::vote(const Batch& batch, const Answers& answers, std::size_t example) const {
  const auto copies = static_cast<std::size_t>(batch.examples.copies), first = example * copies;
  Prediction prediction;
  prediction.prediction = answers.texts[first];
  prediction.label = answers.labels[first];
  if (copies == 1) return prediction;
  const std::vector<double> weights = replica_hook(batch.plan)->votes();
  if (weights.size() != copies) {
    throw ConfigError({"the method's replicas do not fit its votes",
                       std::to_string(weights.size()) + " votes",
                       std::to_string(copies) + ", one a replica",
                       {}});
  }
  std::map<int, double> by_label;
  std::vector<std::pair<std::string, double>> by_text;
  for (std::size_t copy = 0; copy < copies; ++copy) {
    const auto& text = answers.texts[first + copy];
    if (const int label = answers.labels[first + copy]; label >= 0) by_label[label] += weights[copy];
    const auto known =
        std::find_if(by_text.begin(), by_text.end(), [&](const auto& entry) { return entry.first == text; });
    if (known == by_text.end()) {
      by_text.emplace_back(text, weights[copy]);
    } else {
      known->second += weights[copy];
    }
  }
  const auto lighter = [](const auto& a, const auto& b) { return a.second < b.second; };
  if (!by_label.empty()) {
    prediction.label = std::max_element(by_label.begin(), by_label.end(), lighter)->first;
    prediction.prediction = task_.labels[prediction.label];
  } else {
    prediction.prediction = std::max_element(by_text.begin(), by_text.end(), lighter)->first;
  }
  return prediction;
}

namespace {

// Mean over label tokens is made of these sums.
struct LossSum {
  double loss = 0;
  std::int64_t tokens = 0;
};

LossSum target_loss(const Backbone& backbone, const CompiledPlan& plan, const ExampleBatch& batch,
                    const EncoderState& encoder) {
  LossSum sum;
  Tensor log_likelihood;
  if (scores_classes(plan)) {
    std::vector<std::int64_t> labels;
    for (const auto* example : batch.examples) labels.insert(labels.end(), batch.copies, example->label);
    const Tensor scores = class_log_probabilities(backbone, encoder, plan, RunContext::inference());
    for (const auto label : labels) {
      if (label < 0 || label >= scores.size(1)) {
        throw ConfigError("a head that scores classes was given an example whose label is none of them");
      }
    }
    log_likelihood = scores.gather(1, at::tensor(labels, at::kLong).to(scores.device()).unsqueeze(1));
    sum.tokens = static_cast<std::int64_t>(batch.examples.size());
  } else {
    std::vector<std::vector<std::int64_t>> targets;
    for (const auto* example : batch.examples) {
      targets.insert(targets.end(), batch.copies, example->target);
      sum.tokens += static_cast<std::int64_t>(example->target.size());
    }
    log_likelihood = score_targets(backbone, encoder, targets, plan, RunContext::inference());
  }
  sum.loss = -combine_replicas(plan, log_likelihood, false).sum(at::kDouble).item<double>();
  return sum;
}

}  // namespace

Evaluation Evaluator::evaluate(const CompiledPlan& plan, const std::vector<EncodedExample>& examples,
                               const std::vector<TextExample>& texts, std::int64_t limit, ProgressSink* progress,
                               const std::string& phase, const std::vector<std::int64_t>& groups) const {
  at::NoGradGuard no_grad;
  backbone_.refresh(plan);
  const std::size_t n = limit > 0 ? std::min<std::size_t>(limit, examples.size()) : examples.size();
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  if (!groups.empty()) {
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return groups[a] < groups[b]; });
  }
  EncoderCache* cache = plan.leaves_encoder_alone() ? cache_ : nullptr;
  Evaluation result;
  result.examples = static_cast<std::int64_t>(n);
  result.predictions.resize(n);
  LossSum loss;
  for (std::size_t start = 0; start < n; start += config_.batch_size) {
    Batch batch{plan, {}, {}, {}};
    batch.examples.copies = replicas_of(plan);
    for (std::size_t i = start; i < std::min<std::size_t>(n, start + config_.batch_size); ++i) {
      batch.indices.push_back(order[i]);
      batch.examples.examples.push_back(&examples[order[i]]);
      if (!groups.empty()) batch.examples.groups.push_back(groups[order[i]]);
    }
    batch.encoder = encode_batch(backbone_, batch.examples, plan, RunContext::inference(), cache);
    const LossSum part = target_loss(backbone_, plan, batch.examples, batch.encoder);
    loss.loss += part.loss;
    loss.tokens += part.tokens;
    const Answers answers = scores_classes(plan)                     ? choose_classes(batch)
                            : config_.mode == EvaluationMode::greedy ? generate_answers(batch)
                                                                     : rank_labels(batch);
    for (std::size_t i = 0; i < batch.indices.size(); ++i) {
      const std::size_t index = batch.indices[i];
      Prediction prediction = vote(batch, answers, i);
      prediction.index = static_cast<std::int64_t>(index);
      prediction.target = texts[index].target;
      prediction.target_label = texts[index].label;
      prediction.correct = prediction.target_label >= 0
                               ? prediction.label == prediction.target_label
                               : prediction.prediction == prediction.target ||
                                     prediction.prediction == codec_.decode(codec_.encode(prediction.target));
      result.predictions[index] = std::move(prediction);
    }
    if (progress) {
      progress->update(
          {phase, static_cast<std::int64_t>(start + batch.indices.size()), static_cast<std::int64_t>(n), {}});
    }
  }
  std::vector<Outcome> outcomes;
  std::int64_t illegal = 0;
  for (const auto& prediction : result.predictions) {
    outcomes.push_back({prediction.label, prediction.target_label, prediction.correct});
    if (!task_.labels.empty() && prediction.label < 0) ++illegal;
  }
  result.loss = loss.tokens > 0 ? loss.loss / static_cast<double>(loss.tokens) : 0;
  result.illegal_rate = n > 0 ? static_cast<double>(illegal) / static_cast<double>(n) : 0;
  for (const auto& metric : task_.metrics) {
    result.metrics.push_back(compute_metric(metric, outcomes, static_cast<int>(task_.labels.size()), seed_));
  }
  return result;
}

std::optional<MajorityBaseline> Evaluator::majority(const std::vector<TextExample>& split) const {
  std::vector<int> labels;
  for (const auto& example : split) labels.push_back(example.label);
  const int label = majority_label(labels);
  if (label < 0) return std::nullopt;
  std::vector<Outcome> outcomes;
  for (const auto& example : split) outcomes.push_back({label, example.label, label == example.label});
  MajorityBaseline baseline{task_.labels.at(label), {}};
  for (const auto& metric : task_.metrics) {
    baseline.metrics.push_back(compute_metric(metric, outcomes, static_cast<int>(task_.labels.size()), seed_));
  }
  return baseline;
}

}  // namespace peftbench
