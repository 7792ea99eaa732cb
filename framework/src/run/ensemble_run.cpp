#include "run/ensemble_run.h"

#include "backbone/finite.h"
#include "core/clock.h"
#include "data/groups.h"
#include "eval/ensemble.h"
#include "run/adapter.h"
#include "run/machine.h"
#include "run/scoring.h"
#include "run/unchanged.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <numeric>

namespace peftbench {
namespace {

// One run of the ensemble, ready to be asked.
struct Voter {
  RunFolder run;
  RunRecord record;
  RunConfig config;
  CompiledPlan plan;
};

// What the members must have in common: a vote is over answers to the same questions, scored in one way.
void check_alike(const RunRecord& first, const RunRecord& other, const Asked& asked) {
  const auto refuse = [&](const std::string& what, const std::string& key, const std::string& remedy) {
    throw ConfigError({"the runs have different " + what, other.id + ": " + other.config.value(key, Json()).dump(),
                       first.id + ": " + first.config.value(key, Json()).dump(), remedy});
  };
  if (first.backbone.checksum_before != other.backbone.checksum_before)
    refuse("backbones", "backbone", "take runs of one backbone");
  const auto same = [&](const char* key, const std::vector<std::string>& except) {
    Json a = first.config.value(key, Json::object()), b = other.config.value(key, Json::object());
    for (const std::string& name : except) {
      a.erase(name);
      b.erase(name);
    }
    return a == b;
  };
  // Another task is asked of all of them; its limits are each run's own.
  std::vector<std::string> of_its_own = {"train_examples"};
  if (!asked.task.empty()) of_its_own.insert(of_its_own.end(), {"name", "definition", "data"});
  if (!same("task", of_its_own)) refuse("tasks", "task", "take runs of one task, or name one with --task");
  if (!same("eval", {"split", "examples", "batch_size", "tasks", "label_map"}))
    refuse("settings of evaluation", "eval", "take runs that are evaluated in the same way");
}

std::vector<MetricRecord> metric_records(const Evaluation& evaluation, const std::string& split) {
  std::vector<MetricRecord> records;
  for (const MetricValue& m : evaluation.metrics)
    records.push_back({split, m.name, m.value, m.n, Interval{m.low, m.high}, {}});
  return records;
}

// The examples as each member's own layout, seed and training set have them; those without a layout share theirs.
class Questions {
 public:
  Questions(const Workbench& bench, const Places& places, const std::vector<TextExample>& texts)
      : bench_(bench), places_(places), texts_(texts) {}

  const std::vector<EncodedExample>* of(const Voter& voter) {
    const LayoutHook* layout = voter.plan.only()->layout.get();
    if (layout) {
      const TaskData trained = trained_data(voter.run, voter.record, places_, nullptr);
      std::vector<TextExample> pool;
      for (const TaskData* part : shots_for(trained, bench_.task.config.name)) {
        std::vector<TextExample> some = layout_pool(part->train);
        std::move(some.begin(), some.end(), std::back_inserter(pool));
      }
      return keep({layout, &pool, 1, static_cast<std::uint64_t>(voter.config.seed())});
    }
    if (!plain_) plain_ = keep({});
    return plain_;
  }

 private:
  const std::vector<EncodedExample>* keep(const Arrangement& arrangement) {
    kept_.push_back(
        std::make_unique<std::vector<EncodedExample>>(encode_scored(bench_, bench_.task.config, texts_, arrangement)));
    return kept_.back().get();
  }
  const Workbench& bench_;
  const Places& places_;
  const std::vector<TextExample>& texts_;
  std::vector<std::unique_ptr<std::vector<EncodedExample>>> kept_;
  const std::vector<EncodedExample>* plain_ = nullptr;
};

std::vector<EnsembleMetric> compare(const EnsembleOutcome& outcome, std::vector<MetricRecord> votes) {
  std::vector<EnsembleMetric> metrics;
  for (std::size_t k = 0; k < votes.size(); ++k) {
    EnsembleMetric metric{votes[k].name, 0, 0, {}, std::move(votes[k])};
    for (const EnsembleMember& member : outcome.members) {
      const double value = member.metrics[k].value;
      metric.average += value / static_cast<double>(outcome.members.size());
      if (!metric.best_run.empty() && !(value > metric.best)) continue;
      metric.best = value;
      metric.best_run = member.run;
    }
    metrics.push_back(std::move(metric));
  }
  return metrics;
}

void write_votes(const EnsembleEvaluation& evaluation, const TextList& split, const fs::path& file) {
  std::string text;
  for (std::size_t i = 0; i < evaluation.votes.predictions.size(); ++i) {
    nlohmann::ordered_json line = prediction_json(evaluation.votes.predictions[i], split);
    line["votes"] = nlohmann::ordered_json::array();
    for (const Evaluation& member : evaluation.members) line["votes"].push_back(member.predictions[i].prediction);
    line["entropy"] = evaluation.entropy[i];
    text += line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  }
  write_atomically(file, text);
}

}  // namespace

EnsembleOutcome ensemble_runs(const EnsembleRequest& request, ProgressSink& progress) {
  if (request.runs.empty()) throw ConfigError({"an ensemble needs runs", {}, "one or more", "name their folders"});
  const Stopwatch watch;
  const Places& places = request.places;
  std::vector<Voter> voters;
  std::optional<Setup> setup;
  for (const RunFolder& run : request.runs) {
    RunRecord record = finished_record(run);
    if (!voters.empty()) check_alike(voters.front().record, record, request.asked);
    Setup own = set_up(places, configuration_of(run, record, request.asked), BackboneNeed::weights);
    RunConfig config = own.config;
    if (!setup) setup = std::move(own);
    voters.push_back({run, std::move(record), std::move(config), {}});
  }
  use_threads(setup->config.train.threads);
  progress.update({"load", 0, 0, "backbone and data"});
  const Workbench bench = open_workbench(places, std::move(*setup), &progress);
  if (bench.task.config.mixture)
    throw ConfigError({"an ensemble votes on one task",
                       bench.task.config.name + " is a mixture",
                       {},
                       "name one of its tasks with --task"});
  const PluginFinder finder(places.plugin_files);
  std::vector<CompiledPlan> plans;
  for (std::size_t i = 0; i < voters.size(); ++i) {
    voters[i].plan = load_adapter(request.runs[i].adapter(), finder, *bench.backbone, bench.checksum);
    plans.push_back(voters[i].plan);
  }
  const CompiledPlan plan = CompiledPlan::stack(plans);
  Scoring scoring(bench, plan);
  for (const std::string& warning : scoring.warnings()) progress.note("warning: " + warning);
  EnsembleOutcome outcome;
  outcome.task = bench.task.config.name;
  outcome.backbone = bench.setup.backbone.name;
  outcome.split = scoring.first().split_for(bench.setup.config.options.text("eval.split"));
  const TextList& split = scoring.first().split(outcome.split);
  const std::vector<TextExample> texts = split.first(whole_groups(split, request.examples));
  Questions questions(bench, places, texts);
  std::vector<const std::vector<EncodedExample>*> encoded;
  for (const Voter& voter : voters) encoded.push_back(questions.of(voter));
  outcome.load_seconds = watch.wall_seconds();

  const EnsembleEvaluation evaluation = [&] {
    try {
      return evaluate_ensemble(scoring.first().evaluator(), plan, {encoded, texts},
                               bench.setup.config.train.evaluation.batch_size, &progress);
    } catch (const NotFiniteError& error) {
      throw error.of(scoring.first().example_name(outcome.split, error.place()));
    }
  }();
  outcome.seconds = evaluation.seconds;
  require_unchanged_files(*bench.backbone, bench.checksum);
  outcome.examples = evaluation.votes.examples;
  const TaskConfig& task = bench.task.config;
  const bool labels = answers_may_be_illegal(task.metrics, static_cast<int>(task.labels.size()));
  for (std::size_t i = 0; i < voters.size(); ++i) {
    const RunRecord& record = voters[i].record;
    const Evaluation& own = evaluation.members[i];
    outcome.members.push_back({record.id, record.method.name, record.seed, metric_records(own, outcome.split),
                               labels ? std::optional(own.illegal_rate) : std::nullopt});
  }
  outcome.metrics = compare(outcome, metric_records(evaluation.votes, outcome.split));
  if (const auto majority = scoring.first().evaluator().majority(texts)) {
    for (EnsembleMetric& metric : outcome.metrics) {
      for (const ConstantAnswer& constant : majority->metrics) {
        if (constant.name != metric.name) continue;
        metric.vote.majority = constant.value;
        metric.vote.majority_answer = constant.answer;
      }
    }
  }
  if (labels) outcome.illegal_rate = evaluation.votes.illegal_rate;
  const auto n = static_cast<double>(std::max<std::int64_t>(1, outcome.examples));
  outcome.mean_entropy = std::accumulate(evaluation.entropy.begin(), evaluation.entropy.end(), 0.0) / n;
  outcome.unanimous = static_cast<double>(std::count(evaluation.entropy.begin(), evaluation.entropy.end(), 0.0)) / n;
  if (request.predictions) write_votes(evaluation, split, *request.predictions);
  return outcome;
}

}  // namespace peftbench
