#include "eval/evaluator.h"

#include "backbone/finite.h"
#include "backbone/generation.h"
#include "core/random.h"
#include "data/task/metric_names.h"
#include "eval/scorers.h"

#include <peftbench/error.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace peftbench::eval {

namespace {

const std::string sentinel = "<extra_id_0>";
constexpr int none = -1, several = -2;  // learnt words that become a label

// What follows the sentinel that every target began with.
std::string without_sentinel(std::string text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string::npos || text.compare(first, sentinel.size(), sentinel) != 0) return text;
  const std::size_t rest = text.find_first_not_of(' ', first + sentinel.size());
  return rest == std::string::npos ? std::string() : text.substr(rest);
}

}  // namespace

TextCodec TextCodec::of(std::shared_ptr<const Tokenizer> tokenizer) {
  return {[tokenizer](const std::string& text) { return tokenizer->encode(text); },
          [tokenizer](const std::vector<std::int64_t>& ids) { return tokenizer->decode(ids); }, tokenizer->size()};
}

struct Evaluator::Batch {
  const CompiledPlan& plan;
  const ExampleBatch& examples;
  EncoderState encoder;
  const std::vector<const Evaluator*>& readers;  // of each group of a stacked plan, or one for all
  const Evaluator& first() const { return *readers.front(); }
  const Evaluator& reader(std::size_t sequence) const {
    return readers.size() == 1 ? first() : *readers[static_cast<std::size_t>(encoder.layout.groups[sequence])];
  }
  const Evaluator& reader_of_example(std::size_t example) const {
    return reader(example * static_cast<std::size_t>(examples.copies));
  }
};

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
  const std::vector<std::int64_t> before = task_.sentinel ? codec_.encode(sentinel) : std::vector<std::int64_t>{};
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

std::vector<Answer> Evaluator::generate_answers(const Batch& batch) {
  const Evaluator& first = batch.first();
  GenerationOptions options;
  options.max_tokens = first.config_.max_tokens > 0 ? first.config_.max_tokens : first.task_.max_target_tokens;
  if (first.task_.sentinel) options.max_tokens += static_cast<std::int64_t>(first.codec_.encode(sentinel).size());
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

namespace {

// Of the copies' scores those of the examples, which must be finite.
Tensor combined_scores(const Backbone& backbone, const CompiledPlan& plan, const Tensor& log_likelihood) {
  const Tensor scores = combine_replicas(plan, log_likelihood, false);
  require_finite(scores, replicas_of(plan), backbone, plan);
  return scores;
}

// The places that stand highest in each row of scores [S, C].
std::vector<std::size_t> likeliest(const Tensor& scores) {
  const Tensor best = at::argmax(scores, 1).cpu();
  const auto* places = best.const_data_ptr<std::int64_t>();
  return {places, places + best.numel()};
}

}  // namespace

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
std::vector<Answer> Evaluator::rank_labels(const Batch& batch) {
  const Backbone& backbone = batch.first().backbone_;
  const auto sequences = static_cast<std::size_t>(batch.encoder.layout.sequences());
  std::size_t words = 0;
  for (const Evaluator* reader : batch.readers) words = std::max(words, reader->ranked_.size());
  std::vector<Tensor> scores;
  for (std::size_t word = 0; word < words; ++word) {
    std::vector<std::vector<std::int64_t>> targets;
    std::vector<double> lengths, absent;
    for (std::size_t s = 0; s < sequences; ++s) {
      const Evaluator& reader = batch.reader(s);
      targets.push_back(reader.ranked_ids_[std::min(word, reader.ranked_ids_.size() - 1)]);
      if (s % static_cast<std::size_t>(batch.examples.copies) != 0) continue;
      const auto tokens = static_cast<double>(targets.back().size());
      lengths.push_back(reader.config_.rank_score == RankScore::mean ? tokens : 1.0);
      absent.push_back(word < reader.ranked_.size() ? 0.0 : -std::numeric_limits<double>::infinity());
    }
    const Tensor all = score_targets(backbone, batch.encoder, targets, batch.plan, RunContext::inference());
    const Tensor score = combined_scores(backbone, batch.plan, all);
    const auto as_scores = [&](const std::vector<double>& values) {
      return at::tensor(values, at::kDouble).to(score.scalar_type()).to(score.device());
    };
    scores.push_back(score / as_scores(lengths) + as_scores(absent));
  }
  std::vector<Answer> answers;
  for (const std::size_t place : likeliest(at::stack(scores, 1))) {
    const Evaluator& reader = batch.reader_of_example(answers.size());
    answers.push_back(reader.translated(reader.ranked_[place]));
  }
  return answers;
}

std::vector<Answer> Evaluator::choose_classes(const Batch& batch) {
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
  std::vector<Answer> answers;
  for (const std::size_t place : likeliest(at::stack(combined, 1))) {
    const Evaluator& reader = batch.reader_of_example(answers.size());
    answers.push_back(reader.translated(reader.classes_[place]));
  }
  return answers;
}

EncoderState Evaluator::encode(const CompiledPlan& plan, const ExampleBatch& batch) const {
  EncoderCache* cache = plan.leaves_encoder_alone() ? cache_ : nullptr;
  return encode_batch(backbone_, batch, plan, RunContext::inference(), cache);
}

std::vector<Answer> Evaluator::answers(const Batch& batch) {
  if (scores_classes(batch.plan)) return choose_classes(batch);
  return batch.first().config_.mode == EvaluationMode::greedy ? generate_answers(batch) : rank_labels(batch);
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
