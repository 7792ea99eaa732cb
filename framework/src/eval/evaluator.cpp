#include "eval/evaluator.h"

#include "backbone/finite.h"
#include "core/random.h"
#include "data/task/metric_names.h"
#include "eval/evaluator_batch.h"
#include "eval/scorers.h"

#include <peftbench/error.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace peftbench::eval {

namespace {

constexpr int none = -1, several = -2;  // learnt words that become a label

}  // namespace

TextCodec TextCodec::of(std::shared_ptr<const Tokenizer> tokenizer) {
  return {[tokenizer](const std::string& text) { return tokenizer->encode(text); },
          [tokenizer](const std::vector<std::int64_t>& ids) { return tokenizer->decode(ids); }, tokenizer->size()};
}

Evaluator::Evaluator(const Backbone& backbone, TextCodec codec, TaskConfig task, EvaluationConfig config,
                     std::uint64_t seed, EncoderCache* cache, Transfer transfer)
    : backbone_(backbone),
      codec_(std::move(codec)),
      task_(std::move(task)),
      config_(config),
      seed_(seed),
      cache_(cache),
      transfer_(std::move(transfer)),
      classes_(transfer_.labels.empty() ? task_.labels : transfer_.labels),
      ranked_(transfer_.map.empty() ? task_.labels : classes_) {
  if (config_.mode == EvaluationMode::rank && task_.labels.empty()) {
    throw ConfigError({.what = "rank classification needs label words",
                       .found = "task '" + task_.name + "' has free-text targets",
                       .remedy = "set eval.mode=greedy"});
  }
  for (const auto& metric : task_.metrics) {
    if (auto problem = metric_problem(metric, task_.metrics, task_.labels)) {
      problem->what = "task '" + task_.name + "': " + problem->what;
      throw ConfigError(*problem);
    }
  }
  for (const auto& label : task_.labels) label_texts_.push_back(codec_.decode(codec_.encode(label)));
  for (const auto& label : transfer_.labels) learnt_texts_.push_back(codec_.decode(codec_.encode(label)));
  const std::vector<std::int64_t> before = task_.sentinel ? codec_.encode(sentinel_word) : std::vector<std::int64_t>{};
  const auto as_target = [&](const std::string& word) {
    std::vector<std::int64_t> ids = before;
    for (const std::int64_t id : codec_.encode(word)) ids.push_back(id);
    ids.push_back(backbone_.spec().eos_id);
    return ids;
  };
  for (const auto& label : ranked_) ranked_ids_.push_back(as_target(label));
  for (const auto& label : transfer_.labels) learnt_ids_.push_back(as_target(label));
  find_asked();
}

void Evaluator::find_asked() {
  if (transfer_.labels.empty() || task_.labels.empty()) return;
  asked_.assign(task_.labels.size(), none);
  for (std::size_t k = 0; k < transfer_.labels.size(); ++k) {
    const int label = label_of(transfer_.map.apply(transfer_.labels[k]));
    if (label < 0) continue;
    int& word = asked_[static_cast<std::size_t>(label)];
    word = word == none ? static_cast<int>(k) : several;
  }
}

// Whether each example has one answer whose likelihood is its loss.
bool Evaluator::can_lose(const CompiledPlan& plan) const {
  if (scores_classes(plan) ? asked_.empty() : transfer_.map.empty()) return true;
  return !asked_.empty() && std::all_of(asked_.begin(), asked_.end(), [](int word) { return word >= 0; });
}

int Evaluator::label_of(const std::string& text) const {
  // A word itself before what the vocabulary makes of another.
  for (const auto* forms : {&task_.labels, &label_texts_}) {
    const auto found = std::find(forms->begin(), forms->end(), text);
    if (found != forms->end()) return static_cast<int>(found - forms->begin());
  }
  return -1;
}

Prediction Evaluator::judge(const Answer& answer, const std::vector<TextExample>& texts, std::size_t index) const {
  const TextExample& example = texts[index];
  Prediction p{static_cast<std::int64_t>(index),
               answer.text,
               answer.label,
               example.target,
               example.label,
               false,
               example.references,
               example.group};
  judge_answer(p, task_.metrics, static_cast<int>(task_.labels.size()));
  return p;
}

Evaluation Evaluator::summarise(std::vector<Prediction> predictions) const {
  Evaluation result;
  result.examples = static_cast<std::int64_t>(predictions.size());
  const auto illegal = std::count_if(predictions.begin(), predictions.end(), [](const auto& p) { return p.illegal; });
  if (!predictions.empty())
    result.illegal_rate = static_cast<double>(illegal) / static_cast<double>(predictions.size());
  result.metrics = compute_metrics(task_.metrics, predictions, static_cast<int>(task_.labels.size()), seed_);
  result.predictions = std::move(predictions);
  return result;
}

namespace {

// Mean over label tokens is made of these sums.
struct LossSum {
  double loss = 0;
  std::int64_t tokens = 0;
};

// What a batch is asked for: ids for each example, or a class where the head scores them.
struct Asked {
  std::vector<std::vector<std::int64_t>> targets;
  std::vector<std::int64_t> classes;
};

LossSum loss_of(const Backbone& backbone, const CompiledPlan& plan, const ExampleBatch& batch,
                const EncoderState& encoder, const Asked& asked) {
  LossSum sum;
  Tensor log_likelihood;
  if (scores_classes(plan)) {
    std::vector<std::int64_t> labels;
    for (const std::int64_t label : asked.classes)
      labels.insert(labels.end(), static_cast<std::size_t>(batch.copies), label);
    const Tensor scores = class_log_probabilities(backbone, encoder, plan, RunContext::inference());
    for (const auto label : labels) {
      if (label < 0 || label >= scores.size(1)) {
        throw ConfigError("a classification head got an example whose label is not one of its classes");
      }
    }
    log_likelihood = scores.gather(1, at::tensor(labels, at::kLong).to(scores.device()).unsqueeze(1));
    sum.tokens = static_cast<std::int64_t>(batch.examples.size());
  } else {
    std::vector<std::vector<std::int64_t>> targets;
    for (const auto& target : asked.targets) {
      targets.insert(targets.end(), static_cast<std::size_t>(batch.copies), target);
      sum.tokens += static_cast<std::int64_t>(target.size());
    }
    log_likelihood = score_targets(backbone, encoder, targets, plan, RunContext::inference());
  }
  sum.loss = -combined_scores(backbone, plan, log_likelihood).sum(at::kDouble).item<double>();
  return sum;
}

}  // namespace

Evaluation Evaluator::evaluate(const CompiledPlan& plan, const std::vector<EncodedExample>& examples,
                               const std::vector<TextExample>& texts, std::int64_t limit, ProgressSink* progress,
                               const std::string& phase, const std::vector<std::int64_t>& groups) const {
  const at::NoGradGuard no_grad;
  backbone_.refresh(plan);
  const std::size_t n = limit > 0 ? std::min<std::size_t>(limit, examples.size()) : examples.size();
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  if (!groups.empty()) {
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return groups[a] < groups[b]; });
  }
  std::vector<Prediction> predictions(n);
  LossSum loss;
  const bool loses = can_lose(plan);
  const std::vector<const Evaluator*> readers = {this};
  for (std::size_t start = 0; start < n; start += config_.batch_size) {
    const std::size_t end = std::min<std::size_t>(n, start + config_.batch_size);
    ExampleBatch some;
    some.copies = replicas_of(plan);
    for (std::size_t i = start; i < end; ++i) {
      some.examples.push_back(&examples[order[i]]);
      if (!groups.empty()) some.groups.push_back(groups[order[i]]);
    }
    try {
      const Batch batch{plan, some, encode(plan, some), readers};
      if (loses) {
        Asked asked;
        for (const EncodedExample* example : some.examples) {
          // Of another task's label the learnt word, if answers are mapped; of a head the class.
          const int word =
              asked_.empty() || example->label < 0 ? none : asked_[static_cast<std::size_t>(example->label)];
          const bool mapped = !transfer_.map.empty() && word >= 0;
          asked.targets.push_back(mapped ? learnt_ids_[static_cast<std::size_t>(word)] : example->target);
          asked.classes.push_back(word >= 0 ? word : example->label);
        }
        const LossSum part = loss_of(backbone_, plan, some, batch.encoder, asked);
        loss.loss += part.loss;
        loss.tokens += part.tokens;
      }
      const std::vector<Answer> given = answers(batch);
      for (std::size_t i = start; i < end; ++i)
        predictions[order[i]] = judge(vote(batch, given, i - start), texts, order[i]);
    } catch (const NotFiniteError& error) {
      const std::size_t example = order[start + static_cast<std::size_t>(error.place() / some.copies)];
      throw error.at(static_cast<std::int64_t>(example)).of("example " + std::to_string(example));
    }
    if (progress) progress->update({phase, static_cast<std::int64_t>(end), static_cast<std::int64_t>(n), {}});
  }
  Evaluation result = summarise(std::move(predictions));
  if (loses) result.loss = loss.tokens > 0 ? loss.loss / static_cast<double>(loss.tokens) : 0;
  result.loss_tokens = loss.tokens;
  return result;
}

std::optional<MajorityBaseline> Evaluator::majority(const std::vector<TextExample>& split) const {
  std::vector<int> labels;
  std::vector<Prediction> targets;
  for (const auto& example : split) {
    labels.push_back(example.label);
    targets.push_back({0, {}, -1, example.target, example.label, false, example.references, example.group});
  }
  MajorityBaseline baseline{{}, constant_answers(task_.metrics, std::move(targets), task_.labels)};
  if (baseline.metrics.empty()) return std::nullopt;
  if (!task_.labels.empty()) baseline.label = task_.labels.at(static_cast<std::size_t>(majority_label(labels)));
  return baseline;
}

}  // namespace peftbench::eval
