#include "run/planning.h"

#include "data/task/task_mixture.h"
#include "plugin/compile_plan.h"
#include "train/optimizer.h"
#include "train/trainer.h"

#include <algorithm>
#include <cmath>

namespace peftbench::run {

namespace {

// They come laid out; what other hooks add is as long for each of them.
BatchLengths lengths_of(const std::vector<EncodedExample>& examples, const Ledger& ledger) {
  BatchLengths lengths;
  for (const EncodedExample& example : examples) {
    lengths.input.push_back(static_cast<std::int64_t>(example.input.size()));
    lengths.target.push_back(static_cast<std::int64_t>(example.target.size()));
    std::vector<std::int64_t>& rows = lengths.encoder_rows.emplace_back();
    for (std::size_t copy = 0; copy < ledger.added_by_copy.size(); ++copy) {
      const bool own = copy > 0 && !example.replicas.empty();
      const std::size_t ids = own ? example.replicas[copy - 1].ids.size() : example.input.size();
      rows.push_back(static_cast<std::int64_t>(ids) + ledger.added_by_copy[copy] - ledger.layout_by_copy[copy]);
    }
    if (rows.empty()) rows.push_back(lengths.input.back());
  }
  return lengths;
}

// Part of the training examples whose encoder outputs the cache keeps. First come, first kept: what is evaluated before
// the first step is in it already.
double cached_part(const BatchLengths& lengths, const BackboneSpec& spec, const TrainConfig& train,
                   const PlanSample& sample) {
  double rows = 0;
  for (const std::int64_t length : lengths.input) rows += static_cast<double>(length);
  const double bytes = rows / static_cast<double>(lengths.input.size()) *
                       static_cast<double>(spec.d_model * static_cast<std::int64_t>(sizeof(float)) +
                                           static_cast<std::int64_t>(sizeof(std::int64_t)));
  const double kept = std::floor(static_cast<double>(train.encoder_cache_bytes) / bytes);
  const double before = train.evaluate_at_start ? static_cast<double>(sample.evaluated) : 0;
  return std::clamp((kept - before) / static_cast<double>(std::max<std::int64_t>(1, sample.examples)), 0.0, 1.0);
}

}  // namespace

Ledger plan_ledger(const LoadedPlugin& plugin, const Values& values, const BackboneSpec& spec, const TaskShape& task,
                   const TrainConfig& train, const PlanSample* sample) {
  // A plan of its own, on meta: neither its values nor the optimizer's state take memory.
  CompiledPlan plan = compile_plan(plugin, values, spec, task);
  plan.initialise_on_meta();
  Ledger ledger = measure(spec, plan, sample ? &sample->text : nullptr);
  ledger.optimizer_state_bytes = make_optimizer(train, plan.trained())->state_bytes();
  if (sample && !sample->encoded.empty()) {
    const std::vector<EncodedExample>& examples = sample->encoded;
    const std::size_t batch = std::min(examples.size(), static_cast<std::size_t>(train.batch_size));
    const BatchLengths lengths =
        lengths_of({examples.begin(), examples.begin() + static_cast<std::ptrdiff_t>(batch)}, ledger);
    const double cached = uses_encoder_cache(train, plan) ? cached_part(lengths, spec, train, *sample) : 0;
    ledger.flops = count_flops(spec, plan, ledger, lengths, cached);
  }
  return ledger;
}

Ledger ledger_of(const Workbench& bench, const Scoring& scoring, const ExampleList& train_examples) {
  const RunConfig& config = bench.setup.config;
  const TaskData& task = scoring.first().task();
  const auto tokens = [&](const std::string& text) {
    return static_cast<std::int64_t>(bench.tokenizer->encode(text).size());
  };
  std::int64_t evaluated = 0;
  for (const TaskData* part : parts_of(bench.task)) {
    const auto all = static_cast<std::int64_t>(part->validation.size());
    evaluated += config.options.train.validation_limit > 0 ? std::min(all, config.options.train.validation_limit) : all;
  }
  const std::vector<EncodedExample> batch =
      first_of(train_examples, static_cast<std::size_t>(config.options.train.batch_size));
  std::optional<PlanSample> sample;
  if (!task.train.empty())
    sample.emplace(PlanSample{batch,
                              {(task.validation.empty() ? task.train : task.validation).front(), scoring.first().pool(),
                               tokens, task.config.max_input_tokens, static_cast<std::uint64_t>(config.seed())},
                              static_cast<std::int64_t>(train_examples.size()),
                              evaluated});
  return plan_ledger(*bench.setup.plugin, config.values, bench.backbone->spec(), shape_of(bench.task.config),
                     config.options.train, sample ? &*sample : nullptr);
}

}  // namespace peftbench::run
