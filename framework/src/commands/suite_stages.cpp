#include "commands/suite.h"

#include <map>
#include <set>

namespace peftbench::commands {
namespace {

SuiteCommand command_of(const SuiteRequest& request) {
  SuiteCommand command{
      fs::absolute(request.spec.file).lexically_normal().string(), {}, request.seeds, request.threads.front()};
  for (const Setting& setting : request.settings) command.settings.push_back(text_of(setting));
  return command;
}

// What kept the first trial of this row that is not settled from it.
std::string fault_of_search(const SuiteCell& cell, const SuiteManifest& manifest) {
  for (const SuiteCell& trial : manifest.trials)
    if (same_row(trial, cell) && !trial.message.empty())
      return "the search has not ended: trial " + std::to_string(trial.trial) + ": " + trial.message;
  return "the search has not ended";
}

// Trials that were tried and are not settled keep their search open: the final runs have no values, and tell why.
void explain_open(SuiteManifest& manifest, const SuitePlan& plan) {
  std::set<std::string> settled;
  for (const SuiteRun& trial : plan.trials)
    if (trial.finished) settled.insert(trial.cell.run);
  SuiteManifest open = manifest;
  std::erase_if(open.trials, [&](const SuiteCell& trial) { return settled.contains(trial.run); });
  for (SuiteCell& cell : manifest.cells)
    if (cell.run.empty() && cell.message.empty()) cell.message = fault_of_search(cell, open);
}

// The same run in two cells was started for one of them.
void share_messages(std::vector<SuiteCell>& cells) {
  std::map<std::string, std::string> messages;
  for (const SuiteCell& cell : cells)
    if (!cell.run.empty() && !cell.message.empty()) messages.emplace(cell.run, cell.message);
  for (SuiteCell& cell : cells)
    if (const auto found = messages.find(cell.run); found != messages.end()) cell.message = found->second;
}

// Runs the trials that are known, plans anew with their scores, and so on. Trials that fail are not tried twice.
void run_searches(const SuiteRequest& request, SuitePlan& plan, Resources& resources, SuiteManifest& manifest,
                  ProgressSink& progress) {
  std::map<std::string, std::string> tried;  // their messages, by run
  while (true) {
    std::vector<SuiteRun> trials = plan.trials;
    bool any = false;
    for (SuiteRun& trial : trials) {
      trial.finished = trial.finished || tried.contains(trial.cell.run);
      any = any || !trial.finished;
    }
    if (!any) return explain_open(manifest, plan);
    run_pool(request, trials, manifest, &SuiteManifest::trials, progress);
    share_messages(manifest.trials);
    for (const SuiteCell& cell : manifest.trials) tried[cell.run] = cell.message;
    plan = resolve_suite(request, read_runs(request.out), resources);
    manifest = manifest_of(request, plan);
    for (std::size_t i = 0; i < plan.trials.size(); ++i)
      if (const auto known = tried.find(manifest.trials[i].run); known != tried.end() && !plan.trials[i].finished)
        manifest.trials[i].message = known->second;
  }
}

}  // namespace

SuiteManifest manifest_of(const SuiteRequest& request, const SuitePlan& plan) {
  SuiteManifest manifest{request.spec.name};
  for (const SuiteRun& run : plan.runs) manifest.cells.push_back(run.cell);
  manifest.commands = {command_of(request)};
  manifest.searches = plan.searches;
  for (const SuiteRun& run : plan.trials) manifest.trials.push_back(run.cell);
  return manifest;
}

SuiteManifest run_suite(const SuiteRequest& request, SuitePlan plan, Resources& resources, ProgressSink& progress) {
  SuiteManifest manifest = manifest_of(request, plan);
  run_searches(request, plan, resources, manifest, progress);
  run_pool(request, plan.runs, manifest, &SuiteManifest::cells, progress);
  share_messages(manifest.cells);
  add_to_manifest(request.out, manifest);
  return manifest;
}

}  // namespace peftbench::commands
