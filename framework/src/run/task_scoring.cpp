#include "run/task_scoring.h"

#include "backbone/finite.h"
#include "core/names.h"
#include "data/encode_list.h"
#include "data/groups.h"
#include "eval/likelihood.h"
#include "eval/prediction_file.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace peftbench {

std::vector<EncodedExample> encode_for(const Workbench& bench, const TaskConfig& task,
                                       const std::vector<TextExample>& examples, const Arrangement& arrangement) {
  const BackboneSpec& spec = bench.backbone->spec();
  return encode_all(examples, *bench.tokenizer,
                    {task.max_input_tokens, task.max_target_tokens, bench.target_prefix(task)}, arrangement,
                    spec.pad_id, spec.eos_id, bench.storage.threads);
}

std::vector<EncodedExample> encode_scored(const Workbench& bench, TaskConfig task,
                                          const std::vector<TextExample>& examples, const Arrangement& arrangement) {
  if (const std::int64_t most = bench.setup.config.options.integer("eval.max_input_tokens"))
    task.max_input_tokens = most;
  return encode_for(bench, task, examples, arrangement);
}

nlohmann::ordered_json prediction_json(const Prediction& p, const TextList& split) {
  const auto place = static_cast<std::size_t>(p.index);
  // The origin without its folder, so that the bytes are the same on every machine.
  nlohmann::ordered_json json = {
      {"index", p.index}, {"origin", place < split.size() ? fs::path(split.origin(place)).filename().string() : ""}};
  json.update(to_json(p));
  return json;
}

TaskScoring::TaskScoring(Subject subject, const CompiledPlan& plan)
    : subject_(std::move(subject)),
      layout_(plan.only() ? plan.only()->layout : nullptr),
      replicas_(replicas_of(plan)),
      classes_(scores_classes(plan)),
      evaluator_(*subject_.bench.backbone, TextCodec::of(subject_.bench.tokenizer), subject_.task.config,
                 subject_.bench.setup.config.train.evaluation,
                 static_cast<std::uint64_t>(subject_.bench.setup.config.seed()), subject_.cache, subject_.transfer) {
  if (!classes_) check_labels_fit(task().config, *subject_.bench.tokenizer);
  check_transfer();
}

// Answers that cannot be right are found before anything is computed.
void TaskScoring::check_transfer() {
  const std::vector<std::string>&learnt = subject_.transfer.labels, &labels = subject_.task.config.labels;
  if (learnt.empty() || labels.empty()) return;
  const LabelMap& map = subject_.transfer.map;
  std::vector<int> class_of(labels.size(), -1);
  for (std::size_t k = learnt.size(); k-- > 0;)
    if (const int label = evaluator_.label_of(map.apply(learnt[k])); label >= 0)
      class_of[static_cast<std::size_t>(label)] = static_cast<int>(k);
  const auto unreached = std::count(class_of.begin(), class_of.end(), -1);
  const bool ranked = subject_.bench.setup.config.train.evaluation.mode == EvaluationMode::rank && !map.empty();
  const std::string found = join(learnt) + " was learnt; " + join(labels) + " are the answers of '" +
                            subject_.task.config.name + "'",
                    remedy = "map each learnt word to one of them: --label-map " + learnt.front() + ":" +
                             labels.front() + (learnt.size() > 1 ? " --label-map " + learnt[1] + ":…" : "");
  const bool none = unreached == static_cast<std::ptrdiff_t>(labels.size());
  if ((ranked && none) || (classes_ && unreached > 0))
    throw ConfigError({"the answers of the task that was trained on do not become those of another", found,
                       classes_ ? "a learnt word for each answer" : "learnt words that are mapped to answers", remedy});
  if (none && !ranked && subject_.bench.setup.config.train.evaluation.mode != EvaluationMode::rank)
    warning_ = "no learnt answer is one of '" + subject_.task.config.name + "': " + found + "; " + remedy;
  if (classes_) class_of_ = class_of;
}

const std::vector<TextExample>& TaskScoring::pool() const {
  if (pool_) return *pool_;
  pool_.emplace();
  if (!layout_) return *pool_;
  for (const TaskData* task : subject_.shots) {
    std::vector<TextExample> some = layout_pool(task->train);
    std::move(some.begin(), some.end(), std::back_inserter(*pool_));
  }
  return *pool_;
}

Arrangement TaskScoring::arrangement() const {
  return {layout_.get(), &pool(), replicas_, static_cast<std::uint64_t>(subject_.bench.setup.config.seed())};
}

std::shared_ptr<const ExampleList> TaskScoring::training_examples(bool trained) const {
  const Workbench& bench = subject_.bench;
  const TaskConfig& config = task().config;
  if (!trained) {
    const auto batch = static_cast<std::size_t>(bench.setup.config.train.batch_size);
    return std::make_shared<const ExamplesInMemory>(
        encode_for(bench, config, task().train.first(batch), arrangement()));
  }
  const BackboneSpec& spec = bench.backbone->spec();
  const EncodeSettings settings{*bench.tokenizer,
                                {config.max_input_tokens, config.max_target_tokens, bench.target_prefix(config)},
                                spec.pad_id,
                                spec.eos_id};
  return encode_list(task().train, settings, arrangement(), bench.storage, config.name,
                     layout_ ? bench.layout_key() : "");
}

const TextList& TaskScoring::split(const std::string& name) const {
  return name == "test" ? task().test : task().validation;
}

std::string TaskScoring::split_for(const std::string& wanted) const {
  for (const std::string& name : {wanted, std::string("validation"), std::string("test")})
    if (!split(name).empty() && (name != "test" || task().test_labelled)) return name;
  throw DataError({"task '" + task().config.name + "' has nothing to score on",
                   "neither test nor validation examples with labels",
                   {},
                   "give the task a test split: docs/tasks.md shows how"});
}

Evaluation TaskScoring::evaluate(const CompiledPlan& plan, const std::string& name, std::int64_t limit,
                                 ProgressSink& progress) {
  const std::size_t count = whole_groups(split(name), limit);
  const Questions& asked = questions(name, count);
  const bool named = !subject_.transfer.labels.empty() || subject_.bench.task.config.mixture;
  try {
    return evaluator_.evaluate(plan, asked.encoded, asked.texts, static_cast<std::int64_t>(count), &progress,
                               "evaluate on " + (named ? task().config.name + ", " : "") + name);
  } catch (const NotFiniteError& error) {
    throw error.of(example_name(name, error.place()));
  }
}

std::string TaskScoring::example_name(const std::string& name, std::int64_t index) const {
  return name + " example " + std::to_string(index) + " of '" + task().config.name + "' (" +
         split(name).origin(static_cast<std::size_t>(index)) + ")";
}

const TaskScoring::Questions& TaskScoring::questions(const std::string& name, std::size_t count) {
  Questions& kept = questions_[name];
  if (kept.texts.size() < count) {
    kept.texts = split(name).first(count);
    kept.encoded = encode_scored(subject_.bench, task().config, kept.texts, arrangement());
    if (!class_of_.empty())
      for (EncodedExample& example : kept.encoded)
        if (example.label >= 0) example.label = class_of_[static_cast<std::size_t>(example.label)];
  }
  return kept;
}

std::int64_t TaskScoring::label_tokens(const Evaluation& evaluation, const std::string& name) const {
  if (classes_) return evaluation.examples;
  const std::vector<EncodedExample>& encoded = questions_.at(name).encoded;
  std::int64_t tokens = 0;
  for (std::int64_t i = 0; i < evaluation.examples; ++i)
    tokens += static_cast<std::int64_t>(encoded[static_cast<std::size_t>(i)].target.size());
  return tokens;
}

TaskScore TaskScoring::describe(const Evaluation& evaluation, const std::string& name) const {
  TaskScore score;
  score.task = task().config.name;
  score.source = task().source.string();
  score.hash = task().hash;
  score.train = static_cast<std::int64_t>(task().train.size());
  score.scored = evaluation.examples;
  score.loss = evaluation.loss;
  // The same examples for the majority label, where only the first so many were scored.
  const auto majority = evaluator_.majority(split(name).first(static_cast<std::size_t>(evaluation.examples)));
  for (const MetricValue& metric : evaluation.metrics) {
    MetricRecord line{name, metric.name, metric.value, metric.n, Interval{metric.low, metric.high}, {}};
    if (majority) {
      for (const ConstantAnswer& constant : majority->metrics) {
        if (constant.name != metric.name) continue;
        line.majority = constant.value;
        line.majority_answer = constant.answer;
      }
    }
    score.metrics.push_back(line);
  }
  score.majority_label = majority ? majority->label : "";
  const bool ranked = subject_.bench.setup.config.train.evaluation.mode == EvaluationMode::rank;
  score.answers = classes_ ? "classes" : ranked ? "ranked" : "generated";
  // Ranked words may be mapped to what is no answer too.
  const bool may_be_illegal = score.answers == "generated" || !subject_.transfer.labels.empty();
  const TaskConfig& config = task().config;
  if (may_be_illegal && answers_may_be_illegal(config.metrics, static_cast<int>(config.labels.size())))
    score.illegal_rate = evaluation.illegal_rate;
  return score;
}

std::string TaskScoring::prediction_lines(const Evaluation& evaluation, const std::string& name, bool named) const {
  std::string text;
  for (const Prediction& p : evaluation.predictions) {
    nlohmann::ordered_json line;
    if (named) line["task"] = task().config.name;
    line.update(prediction_json(p, split(name)));
    text += line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  }
  return text;
}

}  // namespace peftbench
