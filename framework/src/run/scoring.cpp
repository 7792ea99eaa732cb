#include "run/scoring.h"

#include "core/hash.h"
#include "data/task/metric_names.h"
#include "data/task/task_mixture.h"

#include <peftbench/error.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace peftbench::run {
namespace {

std::optional<EncoderCache> cache_for(const Workbench& bench, const CompiledPlan& plan) {
  if (!plan.leaves_encoder_alone()) return std::nullopt;
  return EncoderCache(*bench.backbone, bench.setup.config.options.train.encoder_cache_bytes);
}

// The mean of independent scores. Its interval is made of theirs by the method of variance estimates recovery (Zou and
// Donner 2008): distances to the limits add as squares.
MetricValue mean_of(const std::vector<const MetricValue*>& scores) {
  MetricValue mean{std::string(mean_metric), 0, 0, 0, 0};
  const auto count = static_cast<double>(scores.size());
  double below = 0, above = 0;
  for (const MetricValue* score : scores) {
    mean.value += score->value / count;
    mean.n += score->n;
    below += (score->value - score->low) * (score->value - score->low);
    above += (score->high - score->value) * (score->high - score->value);
  }
  mean.low = mean.value - std::sqrt(below) / count;
  mean.high = mean.value + std::sqrt(above) / count;
  return mean;
}

}  // namespace

Scoring::Scoring(const Workbench& bench, const CompiledPlan& plan, const std::optional<Elsewhere>& elsewhere)
    : bench_(bench), own_(!elsewhere), trained_(!plan.trained().empty()), cache_(cache_for(bench, plan)) {
  const TaskConfig& task = bench.task.config;
  if (task.mixture && scores_classes(plan)) throw ConfigError(mixture_has_no_classes(bench.setup.plugin->name, task));
  for (const TaskData* part : parts_of(bench.task)) {
    TaskScoring::Subject subject{bench, *part, {part}, cache(), {}};
    if (elsewhere) {
      subject.shots = elsewhere->shots;
      subject.transfer = elsewhere->transfer;
    }
    parts_.push_back(std::make_unique<TaskScoring>(std::move(subject), plan));
  }
  const LabelMap map(bench.setup.config.options.eval.label_map);
  for (const TaskData& other : bench.eval_tasks)
    others_.push_back(std::make_unique<TaskScoring>(
        TaskScoring::Subject{bench, other, parts_of(bench.task), cache(), {map, label_words(task)}}, plan));
}

std::shared_ptr<const ExampleList> Scoring::training_examples(const CompiledPlan& plan) {
  const bool trained = !plan.trained().empty();
  if (!bench_.task.config.mixture) return parts_.front()->training_examples(trained);
  std::vector<std::shared_ptr<const ExampleList>> lists;
  std::vector<std::int64_t> sizes;
  for (const auto& part : parts_) {
    lists.push_back(part->training_examples(trained));
    sizes.push_back(static_cast<std::int64_t>(lists.back()->size()));
  }
  joined_ = std::make_shared<const JoinedExamples>(std::move(lists));
  if (!trained) return joined_;  // nothing is drawn, and a task may have no training rows
  sampler_.emplace(sizes, bench_.task.config.mixture->policy, static_cast<std::uint64_t>(bench_.setup.config.seed()));
  return joined_;
}

std::function<std::size_t(std::int64_t)> Scoring::draw() const {
  if (!sampler_) return {};
  return [this](std::int64_t place) {
    const MixtureSampler::Draw drawn = sampler_->at(place);
    return joined_->index(drawn.task, static_cast<std::size_t>(drawn.example));
  };
}

bool Scoring::can_validate() const {
  return std::all_of(parts_.begin(), parts_.end(), [](const auto& part) { return !part->task().validation.empty(); });
}

RunEvaluation Scoring::evaluate(const CompiledPlan& plan, const std::string& split, std::int64_t limit,
                                ProgressSink& progress) {
  std::vector<Evaluation> evaluations;
  std::vector<std::string> splits;
  for (const auto& part : parts_) {
    splits.push_back(part->split_for(split));
    evaluations.push_back(part->evaluate(plan, splits.back(), limit, progress));
  }
  return whole_of(std::move(evaluations), std::move(splits));
}

Evaluation Scoring::validate(const CompiledPlan& plan, std::int64_t limit, ProgressSink& progress) {
  return evaluate(plan, "validation", limit, progress).whole;
}

RunEvaluation Scoring::whole_of(std::vector<Evaluation> evaluations, std::vector<std::string> splits) const {
  if (!bench_.task.config.mixture) return {std::move(evaluations.front()), {}, std::move(splits)};
  RunEvaluation result{{}, std::move(evaluations), std::move(splits)};
  std::vector<const MetricValue*> scores;
  double loss = 0, illegal = 0;
  std::int64_t tokens = 0, labelled = 0;
  bool loses = true;
  for (std::size_t t = 0; t < parts_.size(); ++t) {
    const Evaluation& part = result.parts[t];
    scores.push_back(&part.metrics.front());
    result.whole.examples += part.examples;
    loses = loses && part.loss.has_value();
    loss += part.loss.value_or(0) * static_cast<double>(part.loss_tokens);
    tokens += part.loss_tokens;
    if (parts_[t]->task().config.labels.empty()) continue;
    illegal += part.illegal_rate * static_cast<double>(part.examples);
    labelled += part.examples;
  }
  result.whole.metrics = {mean_of(scores)};
  if (loses) result.whole.loss = tokens > 0 ? loss / static_cast<double>(tokens) : 0;
  if (labelled > 0) result.whole.illegal_rate = illegal / static_cast<double>(labelled);
  return result;
}

void Scoring::describe(const RunEvaluation& evaluation, RunRecord& record) const {
  record.tasks.clear();
  if (!bench_.task.config.mixture) {
    TaskScore own = first().describe(evaluation.whole, evaluation.splits.front());
    record.metrics = std::move(own.metrics);
    record.task.majority_label = own.majority_label;
    record.details = std::move(own.details);
    record.answers = own.answers;
    record.illegal_rate = own.illegal_rate;
    return;
  }
  std::optional<std::vector<double>> rates;
  if (own_ && trained_) rates = rates_of(bench_.task);
  std::optional<double> majority = 0;
  bool labels = false;
  for (std::size_t t = 0; t < parts_.size(); ++t) {
    TaskScore part = parts_[t]->describe(evaluation.parts[t], evaluation.splits[t]);
    part.trained = own_;
    if (rates) part.rate = (*rates)[t];
    const std::optional<double> own = part.metrics.front().majority;
    majority = majority && own ? std::optional(*majority + *own / static_cast<double>(parts_.size())) : std::nullopt;
    record.answers = part.answers;
    labels = labels || part.illegal_rate;
    record.tasks.push_back(std::move(part));
  }
  const MetricValue& mean = evaluation.whole.metrics.front();
  const bool one_split = std::all_of(evaluation.splits.begin(), evaluation.splits.end(),
                                     [&](const auto& split) { return split == evaluation.splits.front(); });
  record.metrics = {{one_split ? evaluation.splits.front() : "test or validation", mean.name, mean.value, mean.n,
                     Interval{mean.low, mean.high}, majority}};
  record.task.majority_label.clear();
  record.details = {};
  record.illegal_rate = labels ? std::optional(evaluation.whole.illegal_rate) : std::nullopt;
}

std::string Scoring::write_predictions(const RunEvaluation& evaluation, const fs::path& file) const {
  std::string text;
  if (evaluation.parts.empty()) {
    text = first().prediction_lines(evaluation.whole, evaluation.splits.front(), false);
  } else {
    for (std::size_t t = 0; t < parts_.size(); ++t)
      text += parts_[t]->prediction_lines(evaluation.parts[t], evaluation.splits[t], true);
  }
  write_atomically(file, text);
  return sha256(text);
}

std::vector<std::string> Scoring::warnings() const {
  std::vector<std::string> all;
  for (const auto* scored : {&parts_, &others_})
    for (const auto& task : *scored) all.insert(all.end(), task->warnings().begin(), task->warnings().end());
  return all;
}

std::vector<std::string> Scoring::training_remarks() const {
  std::vector<std::string> all;
  for (const auto& part : parts_)
    for (std::string& remark : part->training_remarks()) all.push_back(std::move(remark));
  return all;
}

std::vector<std::string> Scoring::remarks(const RunEvaluation& evaluation) const {
  if (evaluation.parts.empty()) return first().remarks(evaluation.whole, evaluation.splits.front());
  std::vector<std::string> all;
  for (std::size_t t = 0; t < parts_.size(); ++t)
    for (std::string& remark : parts_[t]->remarks(evaluation.parts[t], evaluation.splits[t]))
      all.push_back(std::move(remark));
  return all;
}

std::vector<std::string> Scoring::score_others(const CompiledPlan& plan, const RunFolder& folder, RunRecord& record,
                                               ProgressSink& progress) {
  std::vector<std::string> all;
  const RunOptions& options = bench_.setup.config.options;
  for (const auto& other : others_) {
    const std::string split = other->split_for(options.eval.split);
    const Evaluation evaluation = other->evaluate(plan, split, options.eval.examples, progress);
    TaskScore score = other->describe(evaluation, split);
    const fs::path file = folder.predictions(score.task);
    const std::string text = other->prediction_lines(evaluation, split, false);
    write_atomically(file, text);
    score.predictions = file.filename().string();
    score.predictions_hash = sha256(text);
    record.tasks.push_back(std::move(score));
    for (std::string& remark : other->remarks(evaluation, split)) all.push_back(std::move(remark));
  }
  return all;
}

}  // namespace peftbench::run
