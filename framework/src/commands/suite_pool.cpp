#include "commands/suite.h"

#include "commands/forgetting.h"
#include "core/child_process.h"
#include "core/clock.h"
#include "core/first_line.h"
#include "core/interrupt.h"
#include "core/names.h"
#include "results/result_store.h"
#include "results/run_lock.h"

#include <peftbench/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <deque>
#include <iterator>
#include <list>
#include <memory>
#include <set>
#include <thread>
#include <tuple>

namespace peftbench::commands {
namespace {

// What a process said last: its error.
std::string last_words(const fs::path& log, const ChildExit& exit) {
  std::string text;
  try {
    text = read_text(log);
  } catch (const Error&) {
    return exit.text();
  }
  const std::string mark = "peft-bench: ";
  const std::size_t at = text.rfind(mark);
  if (exit.signal || at == std::string::npos) return exit.text();
  text = text.substr(at + mark.size());
  text.erase(text.find_last_not_of(" \n") + 1);
  return text;
}

class Pool {
 public:
  Pool(const SuiteRequest& request, const std::vector<SuiteRun>& runs, SuiteManifest& manifest,
       std::vector<SuiteCell> SuiteManifest::*list, ProgressSink& progress)
      : request_(request),
        runs_(runs),
        manifest_(manifest),
        cells_(manifest.*list),
        progress_(progress),
        store_(request.out) {}

  void run() {
    try {
      run_all();
    } catch (...) {  // Ctrl-C, or nothing can be written or started any more
      stop();
      throw;
    }
  }

 private:
  struct Job {
    Job(std::size_t place, bool forgetting, const fs::path& log_file, const std::vector<std::string>& command,
        const fs::path& home)
        : index(place),
          measures(forgetting),
          log(log_file),
          process(command, {{"PEFTBENCH_HOME", home.string()}}, log_file) {}
    std::size_t index;
    bool measures;  // what a finished run has forgotten; false: it is the run itself
    fs::path log;
    Stopwatch watch;
    ChildProcess process;
  };

  void run_all() {
    keep();
    const std::vector<std::size_t> indices = order();
    waiting_.assign(indices.begin(), indices.end());
    total_ = static_cast<std::int64_t>(waiting_.size());
    for (std::size_t i = 0; i < runs_.size(); ++i)
      if (runs_[i].finished) measure_later(i);
    while (!waiting_.empty() || !unmeasured_.empty() || !jobs_.empty() || !elsewhere_.empty()) {
      if (request_.stop && request_.stop()) throw Interrupted();
      while (!unmeasured_.empty() && static_cast<std::int64_t>(jobs_.size()) < request_.jobs) {
        measure(unmeasured_.front());
        unmeasured_.pop_front();
      }
      while (!waiting_.empty() && static_cast<std::int64_t>(jobs_.size()) < request_.jobs) {
        const std::size_t next = waiting_.front();
        waiting_.pop_front();
        start(next);
      }
      collect();
      if (since_looked_.wall_seconds() > 1) look_elsewhere();
      tell();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }

  RunFolder folder_of(std::size_t index) const { return store_.folder_of(runs_[index].cell.run); }

  std::string named(std::size_t index) const {
    const SuiteCell& cell = cells_[index];
    const bool one_backbone = request_.spec.backbones.size() == 1;
    const std::string text = cell.row + " on " + cell.task + (one_backbone ? "" : ", " + cell.backbone);
    if (cell.trial == 0) return text + ", seed " + std::to_string(cell.seed);
    const std::string trial = text + ", trial " + std::to_string(cell.trial);
    return cell.rung == 0 ? trial : trial + " in rung " + std::to_string(cell.rung + 1);
  }

  void keep() const { add_to_manifest(request_.out, manifest_); }

  // All rows with the first seed, or trial, come first: a suite that is stopped early has a bit of everything.
  std::vector<std::size_t> order() const {
    std::vector<std::size_t> indices;
    std::set<std::string> ids;  // rows may share a trial, and what they have chosen
    for (std::size_t i = 0; i < runs_.size(); ++i)
      if (!runs_[i].finished && !runs_[i].cell.run.empty() && ids.insert(runs_[i].cell.run).second)
        indices.push_back(i);
    const auto& seeds = request_.spec.seeds;
    const auto turn = [&](std::size_t i) {
      const SuiteCell& cell = runs_[i].cell;
      return std::tuple(cell.trial, cell.rung, std::find(seeds.begin(), seeds.end(), cell.seed));
    };
    std::stable_sort(indices.begin(), indices.end(), [&](std::size_t a, std::size_t b) { return turn(a) < turn(b); });
    return indices;
  }

  void start(std::size_t index) {
    if (is_running(folder_of(index))) return wait_for(index);
    const SuiteRun& run = runs_[index];
    const fs::path folder = suite_folder(request_.out, request_.spec.name);
    const fs::path config = folder / (run.cell.run + ".yaml"), log = folder / (run.cell.run + ".log");
    write_atomically(config, to_yaml(run.config, {"the run '" + run.cell.row + "' of " + request_.spec.file.string()}));
    const std::vector<std::string> command = {own_program(), "run", "--config", config, "--out", request_.out};
    start(index, false, log, command);
  }

  void start(std::size_t index, bool measures, const fs::path& log, std::vector<std::string> command) {
    command.insert(command.end(), {"--data", request_.paths.data});
    for (const fs::path& plugin : request_.paths.plugin_files) command.insert(command.end(), {"--plugin", plugin});
    cells_[index].message.clear();
    jobs_.push_back(std::make_unique<Job>(index, measures, log, command, request_.paths.home));
  }

  ForgettingRequest forgetting_of(std::size_t index) const {
    ForgettingRequest asked;
    asked.run = folder_of(index);
    asked.text = request_.spec.forgetting->text;
    asked.examples = request_.spec.forgetting->examples;
    asked.max_tokens = request_.spec.forgetting->max_tokens;
    return asked;
  }

  bool lacks_forgetting(std::size_t index) const {
    if (!request_.spec.forgetting || cells_[index].trial > 0) return false;
    const std::optional<RunRecord> record = record_of(index);
    return record && record->status == "finished" && !has_forgetting(*record, forgetting_of(index));
  }

  void measure_later(std::size_t index) {
    if (!lacks_forgetting(index)) return;
    unmeasured_.push_back(index);
    ++total_;
  }

  void measure(std::size_t index) {
    const ForgettingRequest asked = forgetting_of(index);
    const fs::path log = suite_folder(request_.out, request_.spec.name) / (runs_[index].cell.run + ".forgetting.log");
    std::vector<std::string> command = {own_program(), "forgetting", asked.run.path, "--save"};
    command.insert(command.end(), {"--examples", std::to_string(asked.examples)});
    command.insert(command.end(), {"--tokens", std::to_string(asked.max_tokens)});
    if (asked.text) command.insert(command.end(), {"--text", *asked.text});
    start(index, true, log, std::move(command));
  }

  void measured(const Job& job, const ChildExit& exit) {
    ++done_;
    std::string& message = cells_[job.index].message;
    const bool lacks = lacks_forgetting(job.index);
    if (lacks) message = "forgetting: " + last_words(job.log, exit);
    keep();
    progress_.note(fmt::format("{}: forgetting {} ({:.0f} s)", named(job.index),
                               lacks ? "failed: " + first_line(message) : "measured", job.watch.wall_seconds()));
  }

  void collect() {
    for (auto job = jobs_.begin(); job != jobs_.end();) {
      const std::optional<ChildExit> exit = (*job)->process.poll();
      if (exit) ended(**job, *exit);
      job = exit ? jobs_.erase(job) : std::next(job);
    }
  }

  // Another command works on the run, such as the same suite in another terminal.
  void wait_for(std::size_t index) {
    elsewhere_.push_back(index);
    progress_.note(named(index) + ": waiting for another process that is working on this run");
  }

  void look_elsewhere() {
    since_looked_ = Stopwatch();
    for (auto index = elsewhere_.begin(); index != elsewhere_.end();) {
      if (is_running(folder_of(*index))) {
        ++index;
        continue;
      }
      if (has_finished(*index))
        settle(*index, "in another process");
      else
        waiting_.push_back(*index);  // it was stopped there: it is continued here
      index = elsewhere_.erase(index);
    }
  }

  // Nothing where there is none, or it cannot be read.
  std::optional<RunRecord> record_of(std::size_t index) const {
    try {
      return store_.find(runs_[index].cell.run);
    } catch (const Error&) {
      return std::nullopt;
    }
  }
  bool has_finished(std::size_t index) const {
    const auto record = record_of(index);
    return record && record->status == "finished";
  }

  void ended(const Job& job, const ChildExit& exit) {
    if (job.measures) return measured(job, exit);
    const bool finished = has_finished(job.index);
    // A process is refused where another one has the run.
    const bool refused = exit.status == 2;
    if (refused && !finished && is_running(folder_of(job.index))) return wait_for(job.index);
    std::string& message = cells_[job.index].message;
    if (!finished || (exit.status != 0 && !refused)) message = last_words(job.log, exit);
    settle(job.index, fmt::format("{:.0f} s", job.watch.wall_seconds()));
  }

  void settle(std::size_t index, const std::string& how) {
    ++done_;
    const std::string& message = cells_[index].message;
    const std::optional<RunRecord> record = record_of(index);
    const MetricRecord* score = record ? record->score() : nullptr;
    const std::string outcome = !message.empty() ? "failed: " + first_line(message)
                                : score          ? fmt::format("{} {:.3f}", score->name, score->value)
                                                 : "no score";
    keep();
    progress_.note(fmt::format("{}: {} ({})", named(index), outcome, how));
    measure_later(index);
  }

  void tell() const {
    std::vector<std::string> under_way;
    for (const auto& job : jobs_) under_way.push_back(named(job->index) + (job->measures ? " (forgetting)" : ""));
    for (const std::size_t index : elsewhere_) under_way.push_back(named(index) + " (in another process)");
    progress_.update({&cells_ == &manifest_.trials ? "search" : "suite", done_, total_, join(under_way, "; ")});
  }

  // Ctrl-C reaches this process alone (ChildProcess): each run is asked once to keep its step.
  void stop() {
    for (const auto& job : jobs_) job->process.signal(SIGINT);
    for (const auto& job : jobs_) job->process.wait();
  }

  const SuiteRequest& request_;
  const std::vector<SuiteRun>& runs_;
  SuiteManifest& manifest_;
  std::vector<SuiteCell>& cells_;  // of runs_
  ProgressSink& progress_;
  ResultStore store_;
  std::deque<std::size_t> waiting_, unmeasured_;
  std::list<std::unique_ptr<Job>> jobs_;
  std::list<std::size_t> elsewhere_;  // runs that other processes work on
  Stopwatch since_looked_;
  std::int64_t done_ = 0, total_ = 0;
};

}  // namespace

void run_pool(const SuiteRequest& request, const std::vector<SuiteRun>& runs, SuiteManifest& manifest,
              std::vector<SuiteCell> SuiteManifest::*list, ProgressSink& progress) {
  Pool(request, runs, manifest, list, progress).run();
}

}  // namespace peftbench::commands
