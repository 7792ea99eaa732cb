#include "commands/scored_run.h"

#include "adapters/adapter.h"
#include "adapters/seen_rows.h"
#include "core/names.h"
#include "data/task/task_mixture.h"

#include <peftbench/error.h>

#include <algorithm>
#include <utility>

namespace peftbench::commands {
namespace {

// The shared workbench under a run's own settings: limits, seed and metrics' chance are each run's.
Workbench under_own_settings(const Workbench& shared, Setup setup, Resources& resources) {
  Workbench bench = shared;
  setup.config.options.task.name = shared.setup.config.task();
  setup.backbone.spec = shared.setup.backbone.spec;
  bench.setup = std::move(setup);
  bench.task.config = configured_task(resources, bench.setup.config);
  for (std::size_t t = 0; t < bench.task.parts.size(); ++t)
    bench.task.parts[t].config = bench.task.config.mixture->tasks[t];
  return bench;
}

bool draws_alike(const RunConfig& a, const RunConfig& b) {
  return a.seed() == b.seed() && a.options.task.train_examples == b.options.task.train_examples;
}

bool is_same_file(const std::string& then, const fs::path& now) {
  std::error_code error;
  return !then.empty() && fs::equivalent(then, now, error);
}

void check_same_backbone(const RunRecord& first, const RunRecord& other) {
  if (first.backbone.checksum_before == other.backbone.checksum_before) return;
  const auto text = [](const RunRecord& record) {
    return record.id + ": " + record.backbone.name + ", " + record.backbone.precision + ", checksum " +
           record.backbone.checksum_before.substr(0, 16);
  };
  throw ConfigError({"the runs have different backbones", text(other), text(first), "use runs of one backbone"});
}

}  // namespace

FinishedRun open_finished(const RunFolder& folder, const Asked& asked, Resources& resources) {
  RunRecord record = finished_record(folder);
  Setup setup = set_up(resources, configuration_of(folder, record, asked), BackboneNeed::weights);
  std::vector<std::string> otherwise = {option_key::eval_tasks, option_key::eval_batch_size};
  if (!asked.split.empty()) otherwise.emplace_back(option_key::split);
  if (!asked.label_map.empty()) otherwise.emplace_back(option_key::label_map);
  check_settings(record, setup.config, otherwise);
  return {folder, std::move(record), std::move(setup)};
}

std::vector<FinishedRun> open_finished(const std::vector<RunFolder>& folders, const Asked& asked,
                                       Resources& resources) {
  std::vector<FinishedRun> runs;
  for (const RunFolder& folder : folders) {
    runs.push_back(open_finished(folder, asked, resources));
    const RunRecord& added = runs.back().record;
    const auto known =
        std::find_if(runs.begin(), runs.end(), [&](const FinishedRun& other) { return other.record.id == added.id; });
    if (const auto place = static_cast<std::size_t>(known - runs.begin()); place + 1 < runs.size())
      throw ConfigError(
          {"duplicate run",
           folders[place].path.string() + " and " + folder.path.string() + " are both the run " + added.id,
           "each run once", "remove one of them"});
    check_same_backbone(runs.front().record, added);
  }
  return runs;
}

ScoredRun::ScoredRun(FinishedRun run, const Workbench& shared, Resources& resources, const Asked& asked,
                     ProgressSink& progress)
    : folder_(run.folder),
      record_(std::move(run.record)),
      made_(made_from(record_)),
      bench_(under_own_settings(shared, std::move(run.setup), resources)) {
  const std::string who = "the run " + record_.id;
  if (const auto problem = misfit(*bench_.setup.plugin, bench_.task.config)) throw ConfigError(*problem);
  check_same_vocabulary(made_, *bench_.tokenizer, who);
  if (const std::string unknown = unknown_hashes(made_); !unknown.empty())
    warnings_.push_back(record_.id + ": " + unknown);
  if (const std::string& version = bench_.setup.plugin->version; version != record_.method.version)
    warnings_.push_back(who + " was trained with " + record_.method.name + " " + record_.method.version +
                        ", and is evaluated with " + version);
  plan_ = load_adapter(folder_.adapter(), resources.finder(), *bench_.backbone, bench_.checksum);
  if (asked.task.empty()) check_task(made_, bench_.task, who);
  const bool own = asked.task.empty() || was_trained_on(made_, bench_.task);
  const std::string& task = bench_.task.config.name;
  if (own && !asked.label_map.empty())
    throw ConfigError({"--label-map needs --task with another task",
                       "--label-map " + join(asked.label_map) + ", and " + who + " was trained on '" + task + "'",
                       "--task with another task", "add --task, or remove --label-map"});
  const bool shows = plan_.only() && plan_.only()->layout;
  if (!own) tell_of_other_task();
  if (own && (!shows || draws_alike(shared.setup.config, bench_.setup.config))) {
    scoring_ = std::make_unique<Scoring>(bench_, plan_);
    return;
  }
  scoring_ = std::make_unique<Scoring>(bench_, plan_, elsewhere(own, resources, progress));
}

void ScoredRun::tell_of_other_task() {
  const std::string& task = bench_.task.config.name;
  for (const std::string& note : bench_.task.notes) warnings_.push_back(task + ": " + note);
  for (const TaskScore& score : record_.tasks) {
    if (score.trained || score.task != task) continue;
    const Difference other = difference({score.task, score.definition, score.hash}, bench_.task);
    if (!other.empty())
      warnings_.push_back("the run " + record_.id + " was evaluated on another version of '" + task +
                          "': " + other.then + ", now " + other.now);
  }
}

Elsewhere ScoredRun::elsewhere(bool own, Resources& resources, ProgressSink& progress) {
  Elsewhere result;
  if (!own) result.transfer = {LabelMap(bench_.setup.config.options.eval.label_map), learnt_labels(resources)};
  const bool shows = plan_.only() && plan_.only()->layout;
  const std::string& task = bench_.task.config.name;
  if (!own && (task == made_.task.name || is_same_file(made_.file, bench_.task.config.file))) {
    const Difference other = difference(made_.task, bench_.task);
    warnings_.push_back("'" + task + "' is evaluated as a different task than the run " + record_.id +
                        " was trained on: " + other.now + ", then " + other.then +
                        "; some of the scored rows may have been used for training");
  }
  try {
    trained_ = trained_data(folder_, record_, resources, &progress);
    check_task(made_, trained_, "the run " + record_.id);
  } catch (const UserError&) {
    if (shows) throw;  // what it would show is not what the run showed
    return result;
  }
  if (!own) {
    for (const TaskData* part : parts_of(bench_.task))
      if (const std::string seen = seen_rows(trained_, *part, bench_.setup.config.options.eval.split); !seen.empty())
        warnings_.push_back(record_.id + ": " + seen);
  }
  if (!shows) return result;
  // A task of a mixture shows its own examples.
  for (const TaskData* part : parts_of(trained_))
    if (own && difference(contents_of(*part), bench_.task).empty()) result.shots = {part};
  if (result.shots.empty()) result.shots = parts_of(trained_);
  return result;
}

// The words that the answers were learnt as. Records of before they were kept know them from the adapter, or of a
// mixture from its file, if that is the same still.
std::vector<std::string> ScoredRun::learnt_labels(Resources& resources) const {
  if (!made_.labels.empty()) return made_.labels;
  const PluginFinder finder(resources.paths().plugin_files);
  const std::vector<std::string> labels = read_adapter_info(folder_.adapter(), finder).shape.labels;
  if (!labels.empty()) return labels;
  try {
    const Setup setup = set_up(resources, configuration_of(folder_, record_, {}), BackboneNeed::sizes);
    const TaskConfig task = configured_task(resources, setup.config);
    TaskData unread;
    unread.config = task;
    if (difference({task.name, made_.task.definition, ""}, unread).empty()) return label_words(task);
  } catch (const UserError&) {  // the file has gone
  }
  return {};
}

}  // namespace peftbench::commands
