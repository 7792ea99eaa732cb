#include "commands/ensemble.h"

#include "backbone/finite.h"
#include "backbone/unchanged.h"
#include "commands/scored_run.h"
#include "config/machine.h"
#include "core/clock.h"
#include "data/prepared/groups.h"
#include "eval/ensemble.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <numeric>

namespace peftbench::commands {
namespace {

// What a vote is over: answers to the same questions, scored in one way.
void check_same_task(const RunRecord& first, const RunRecord& other) {
  const MadeFrom::Task a = made_from(first).task, b = made_from(other).task;
  const auto text = [](const MadeFrom::Task& task) {
    return "'" + task.name + "', definition " + task.definition.substr(0, 16) + ", data " + task.data.substr(0, 16);
  };
  const auto differ = [](const std::string& x, const std::string& y) { return !x.empty() && !y.empty() && x != y; };
  if (!differ(a.name, b.name) && !differ(a.definition, b.definition) && !differ(a.data, b.data)) return;
  throw ConfigError({"the runs have different tasks", other.id + ": " + text(b), first.id + ": " + text(a),
                     "use runs of one task, or choose one with --task"});
}

// The settings of evaluation that decide something: none where a head scores the classes, and of generation none where
// label words are ranked.
Json settings_in_force(const ScoredRun& run) {
  const EvaluationConfig& config = run.bench().setup.config.options.train.evaluation;
  const TaskConfig& task = run.bench().task.config;
  Json json = Json::object();
  if (!task.prefix.empty()) json[option_key::prefix] = true;
  if (scores_classes(run.plan())) return json;
  json["mode"] = enum_name(config.mode);
  if (config.mode == EvaluationMode::rank) {
    json["rank_score"] = enum_name(config.rank_score);
    return json;
  }
  json["sentinel"] = task.sentinel;
  json["max_tokens"] = config.max_tokens > 0 ? config.max_tokens : task.max_target_tokens;
  json["beams"] = config.beams;
  if (config.beams > 1) json["length_penalty"] = config.length_penalty;
  return json;
}

void check_alike(const ScoredRun& first, const ScoredRun& other) {
  const Json a = settings_in_force(first), b = settings_in_force(other);
  if (a == b) return;
  throw ConfigError({"the runs have different evaluation settings", other.record().id + ": " + b.dump(),
                     first.record().id + ": " + a.dump(), "use runs with the same evaluation settings"});
}

using Members = std::vector<std::unique_ptr<ScoredRun>>;

// The examples as each member's own layout, seed and training set have them; members that lay out nothing share theirs.
std::vector<const std::vector<EncodedExample>*> questions_of(const Members& members, const std::string& split,
                                                             std::size_t count) {
  std::vector<const std::vector<EncodedExample>*> encoded;
  for (const auto& member : members) {
    TaskScoring& own = member->scoring().first();
    if (!encoded.empty()) own.share_questions(members.front()->scoring().first());
    encoded.push_back(&own.questions(split, count).encoded);
  }
  return encoded;
}

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

void write_votes(const Workbench& bench, const EnsembleEvaluation& evaluation, const TextList& split,
                 const fs::path& file) {
  std::string text;
  for (std::size_t i = 0; i < evaluation.votes.predictions.size(); ++i) {
    nlohmann::ordered_json line = prediction_json(bench, bench.task.config, evaluation.votes.predictions[i], split);
    line["votes"] = nlohmann::ordered_json::array();
    for (const Evaluation& member : evaluation.members) line["votes"].push_back(member.predictions[i].prediction);
    line["entropy"] = evaluation.entropy[i];
    text += line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  }
  write_atomically(file, text);
}

}  // namespace

EnsembleOutcome ensemble_runs(const EnsembleRequest& request, ProgressSink& progress) {
  if (request.runs.empty())
    throw ConfigError({.what = "no runs given for the ensemble",
                       .expected = "one or more",
                       .remedy = "give the folders of the runs"});
  const Stopwatch watch;
  Resources resources(request.paths);
  std::vector<FinishedRun> finished = open_finished(request.runs, request.asked, resources);
  if (request.asked.task.empty())
    for (const FinishedRun& run : finished) check_same_task(finished.front().record, run.record);
  use_machine(finished.front().setup.config);
  progress.update({"load", 0, 0, "backbone and data"});
  const Workbench bench = open_workbench(resources, finished.front().setup, &progress);
  if (bench.task.config.mixture)
    throw ConfigError({.what = "an ensemble votes on one task",
                       .found = bench.task.config.name + " is a mixture",
                       .remedy = "choose one of its tasks with --task"});
  Members members;
  std::vector<CompiledPlan> plans;
  std::vector<const Evaluator*> evaluators;
  EnsembleOutcome outcome;
  for (FinishedRun& run : finished) {
    members.push_back(std::make_unique<ScoredRun>(std::move(run), bench, resources, request.asked, progress));
    check_alike(*members.front(), *members.back());
    plans.push_back(members.back()->plan());
    evaluators.push_back(&members.back()->scoring().first().evaluator());
    for (const std::vector<std::string>& some : {members.back()->warnings(), members.back()->scoring().warnings()})
      for (const std::string& warning : some)  // what is of the task is said by each
        if (std::count(outcome.warnings.begin(), outcome.warnings.end(), warning) == 0)
          outcome.warnings.push_back(warning);
  }
  for (const std::string& warning : outcome.warnings) progress.note("warning: " + warning);
  const CompiledPlan plan = CompiledPlan::stack(plans);
  TaskScoring& first = members.front()->scoring().first();
  outcome.task = bench.task.config.name;
  outcome.backbone = bench.setup.backbone.name;
  outcome.split = first.split_for(bench.setup.config.options.eval.split);
  const TextList& split = first.split(outcome.split);
  const std::size_t count = whole_groups(split, request.examples);
  const std::vector<TextExample>& texts = first.questions(outcome.split, count).texts;
  const auto encoded = questions_of(members, outcome.split, count);
  outcome.load_seconds = watch.wall_seconds();

  const EnsembleEvaluation evaluation = [&] {
    try {
      return evaluate_ensemble(evaluators, plan, {encoded, texts},
                               bench.setup.config.options.train.evaluation.batch_size, &progress);
    } catch (const NotFiniteError& error) {
      throw error.of(first.example_name(outcome.split, error.place()));
    }
  }();
  outcome.seconds = evaluation.seconds;
  require_unchanged_files(*bench.backbone, bench.checksum);
  outcome.examples = evaluation.votes.examples;
  for (std::size_t m = 0; m < members.size(); ++m) {
    const RunRecord& record = members[m]->record();
    TaskScore own = members[m]->scoring().first().describe(evaluation.members[m], outcome.split);
    outcome.members.push_back({record.id, record.method.name, record.seed, std::move(own.metrics), own.illegal_rate});
  }
  TaskScore votes = first.describe(evaluation.votes, outcome.split);
  for (const std::string& remark : first.remarks(evaluation.votes, outcome.split)) {
    progress.note("warning: " + remark);
    outcome.warnings.push_back(remark);
  }
  outcome.metrics = compare(outcome, std::move(votes.metrics));
  outcome.illegal_rate = votes.illegal_rate;
  const auto n = static_cast<double>(std::max<std::int64_t>(1, outcome.examples));
  outcome.mean_entropy = std::accumulate(evaluation.entropy.begin(), evaluation.entropy.end(), 0.0) / n;
  outcome.unanimous = static_cast<double>(std::count(evaluation.entropy.begin(), evaluation.entropy.end(), 0.0)) / n;
  if (request.predictions) write_votes(bench, evaluation, split, *request.predictions);
  return outcome;
}

}  // namespace peftbench::commands
