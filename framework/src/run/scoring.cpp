#include "run/scoring.h"

#include "core/hash.h"
#include "eval/likelihood.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>

namespace peftbench {
namespace {

std::optional<EncoderCache> cache_for(const Workbench& bench, const CompiledPlan& plan) {
  if (!plan.leaves_encoder_alone()) return std::nullopt;
  return EncoderCache(*bench.backbone, bench.setup.config.train.encoder_cache_bytes);
}

}  // namespace

std::vector<EncodedExample> encode_for(const Workbench& bench, const std::vector<TextExample>& examples,
                                       const Arrangement& arrangement) {
  const BackboneSpec& spec = bench.backbone->spec();
  return encode_all(examples, *bench.tokenizer,
                    {bench.task.config.max_input_tokens, bench.task.config.max_target_tokens}, arrangement, spec.pad_id,
                    spec.eos_id);
}

nlohmann::ordered_json prediction_json(const Prediction& p, const TextList& split) {
  const auto place = static_cast<std::size_t>(p.index);
  return {{"index", p.index},
          // without its folder, so that the bytes are the same on every machine
          {"origin", place < split.size() ? fs::path(split.origin(place)).filename().string() : ""},
          {"prediction", p.prediction},
          {"label", p.label},
          {"target", p.target},
          {"target_label", p.target_label},
          {"correct", p.correct}};
}

Scoring::Scoring(const Workbench& bench, const CompiledPlan& plan)
    : bench_(bench),
      layout_(plan.only() ? plan.only()->layout : nullptr),
      replicas_(replicas_of(plan)),
      classes_(scores_classes(plan)),
      cache_(cache_for(bench, plan)),
      evaluator_(*bench.backbone, TextCodec::of(bench.tokenizer), bench.task.config,
                 bench.setup.config.train.evaluation, static_cast<std::uint64_t>(bench.setup.config.seed()), cache()) {}

const std::vector<TextExample>& Scoring::pool() const {
  if (!pool_) pool_ = layout_ ? layout_pool(bench_.task.train) : std::vector<TextExample>();
  return *pool_;
}

Arrangement Scoring::arrangement() const {
  return {layout_.get(), &pool(), replicas_, static_cast<std::uint64_t>(bench_.setup.config.seed())};
}

std::shared_ptr<const ExampleList> Scoring::training_examples(const CompiledPlan& plan) const {
  const TextList& all = bench_.task.train;
  const auto batch = static_cast<std::size_t>(bench_.setup.config.train.batch_size);
  return std::make_shared<const ExamplesInMemory>(
      encode_for(bench_, all.first(plan.trained().empty() ? batch : all.size()), arrangement()));
}

const TextList& Scoring::split(const std::string& name) const {
  return name == "test" ? bench_.task.test : bench_.task.validation;
}

std::string Scoring::final_split() const {
  const std::string wanted = bench_.setup.config.options.text("eval.split");
  for (const std::string& name : {wanted, std::string("validation"), std::string("test")})
    if (!split(name).empty()) return name;
  throw DataError({"the task has nothing to score on",
                   "neither test nor validation examples",
                   {},
                   "give the task a test split: docs/tasks.md shows how"});
}

Evaluation Scoring::evaluate(const CompiledPlan& plan, const std::string& name, std::int64_t limit,
                             ProgressSink& progress) {
  const Questions& asked = questions(name, limit);
  return evaluator_.evaluate(plan, asked.encoded, asked.texts, limit, &progress, "evaluate on " + name);
}

const Scoring::Questions& Scoring::questions(const std::string& name, std::int64_t limit) {
  const std::size_t all = split(name).size();
  const std::size_t wanted = limit > 0 ? std::min(all, static_cast<std::size_t>(limit)) : all;
  Questions& kept = questions_[name];
  if (kept.texts.size() < wanted) {
    kept.texts = split(name).first(wanted);
    kept.encoded = encode_for(bench_, kept.texts, arrangement());
  }
  return kept;
}

void Scoring::describe(const Evaluation& evaluation, const std::string& name, RunRecord& record) const {
  // The same examples for the majority label, where only the first so many were scored.
  const auto majority = evaluator_.majority(split(name).first(static_cast<std::size_t>(evaluation.examples)));
  record.metrics.clear();
  for (const MetricValue& metric : evaluation.metrics) {
    MetricRecord line{name, metric.name, metric.value, metric.n, Interval{metric.low, metric.high}, {}};
    if (majority) {
      for (const MetricValue& other : majority->metrics)
        if (other.name == metric.name) line.majority = other.value;
    }
    record.metrics.push_back(line);
  }
  record.task.majority_label = majority ? majority->label : "";
  const bool ranked = bench_.setup.config.train.evaluation.mode == EvaluationMode::rank;
  record.answers = classes_ ? "classes" : ranked ? "ranked" : "generated";
  record.illegal_rate.reset();
  if (!bench_.task.config.labels.empty() && record.answers == "generated")
    record.illegal_rate = evaluation.illegal_rate;
}

std::string Scoring::write_predictions(const Evaluation& evaluation, const std::string& name,
                                       const fs::path& file) const {
  std::string text;
  for (const Prediction& p : evaluation.predictions)
    text += prediction_json(p, split(name)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  write_atomically(file, text);
  return sha256(text);
}

}  // namespace peftbench
