#include "run/suite.h"

#include "core/child_process.h"
#include "core/clock.h"
#include "core/names.h"
#include "data/task_mixture.h"
#include "results/result_store.h"
#include "results/run_lock.h"
#include "run/interrupt.h"
#include "run/machine.h"

#include <peftbench/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <thread>

namespace peftbench {
namespace {

// Runs on the same data and backbone share all that decides their ids beside their settings.
class Benches {
 public:
  explicit Benches(const Places& places) : places_(places) {}

  std::string run_id(Setup setup) {
    const Values& options = setup.config.options;
    std::string key;
    for (const char* name : {"task.name", "task.max_input_tokens", "task.max_target_tokens", "task.prefix",
                             "eval.tasks", "backbone.name", "backbone.precision", "backbone.quantization", "init_from"})
      key += to_text(options.all().at(name)) + "\n";
    auto bench = benches_.find(key);
    if (bench == benches_.end()) bench = benches_.emplace(key, open_workbench(places_, setup)).first;
    bench->second.setup = std::move(setup);
    return bench->second.run_id();
  }

 private:
  const Places& places_;
  std::map<std::string, Workbench> benches_;
};

ConfigRequest request_of(const SuiteRequest& suite, const SuiteRow& row, const std::string& task,
                         const std::string& backbone, std::uint64_t seed) {
  ConfigRequest request;
  request.method = row.method;
  const std::int64_t share = std::max<std::int64_t>(1, default_threads() / std::max<std::int64_t>(1, suite.jobs));
  const SettingsBlock threads{{{"threads", std::to_string(share), "--jobs"}}, {}};
  request.layers = {threads, suite.spec.defaults, row.settings};
  const std::string origin = suite.spec.file.string();
  if (!task.empty()) request.flags.push_back({"task.name", task, origin});
  if (!backbone.empty()) request.flags.push_back({"backbone.name", backbone, origin});
  if (!suite.spec.eval_tasks.empty()) request.flags.push_back({"eval.tasks", Names(suite.spec.eval_tasks), origin});
  request.flags.push_back({"seed", std::to_string(seed), origin});
  request.settings = suite.settings;
  return request;
}

// With all its files: what is missing or damaged is made again.
bool has_finished(const ResultStore& store, const std::string& id) {
  try {
    const std::optional<RunRecord> record = store.find(id);
    return record && record->status == "finished" && damage_of(store.folder_of(id), *record).empty();
  } catch (const DamagedRecord&) {
    return false;
  }
}

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
  Pool(const SuiteRequest& request, const std::vector<SuiteRun>& runs, ProgressSink& progress)
      : request_(request), runs_(runs), progress_(progress), store_(request.out) {
    manifest_.name = request.spec.name;
    manifest_.file = request.spec.file.string();
    for (const SuiteRun& run : runs) manifest_.cells.push_back(run.cell);
  }

  SuiteManifest run() {
    try {
      run_all();
    } catch (...) {  // Ctrl-C, or nothing can be written or started any more
      stop();
      throw;
    }
    return manifest_;
  }

 private:
  struct Job {
    Job(std::size_t place, const fs::path& log_file, const std::vector<std::string>& command, const fs::path& home)
        : index(place), log(log_file), process(command, {{"PEFTBENCH_HOME", home.string()}}, log_file) {}
    std::size_t index;
    fs::path log;
    Stopwatch watch;
    ChildProcess process;
  };

  void run_all() {
    keep();
    waiting_ = order();
    total_ = static_cast<std::int64_t>(waiting_.size());
    while (!waiting_.empty() || !jobs_.empty()) {
      if (request_.stop && request_.stop()) throw Interrupted();
      while (static_cast<std::int64_t>(jobs_.size()) < request_.jobs) {
        const auto next = std::find_if(waiting_.begin(), waiting_.end(), [&](std::size_t i) { return !is_busy(i); });
        if (next == waiting_.end()) break;
        start(*next);
        waiting_.erase(next);
      }
      collect();
      tell();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }

  std::string named(std::size_t index) const {
    const SuiteCell& cell = manifest_.cells[index];
    const bool one_backbone = request_.spec.backbones.size() == 1;
    return cell.row + " on " + cell.task + (one_backbone ? "" : ", " + cell.backbone) + ", seed " +
           std::to_string(cell.seed);
  }

  void keep() const { write_manifest(request_.out, manifest_); }

  // All rows with the first seed come first: a suite that is stopped early has a bit of everything.
  std::vector<std::size_t> order() const {
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < runs_.size(); ++i)
      if (!runs_[i].finished && !runs_[i].cell.run.empty()) places.push_back(i);
    const auto& seeds = request_.spec.seeds;
    const auto turn = [&](std::size_t i) { return std::find(seeds.begin(), seeds.end(), runs_[i].cell.seed); };
    std::stable_sort(places.begin(), places.end(), [&](std::size_t a, std::size_t b) { return turn(a) < turn(b); });
    return places;
  }

  void start(std::size_t index) {
    const SuiteRun& run = runs_[index];
    const fs::path folder = suite_folder(request_.out, request_.spec.name);
    const fs::path config = folder / (run.cell.run + ".yaml"), log = folder / (run.cell.run + ".log");
    write_atomically(config, to_yaml(run.config, {"the run '" + run.cell.row + "' of " + request_.spec.file.string()}));
    std::vector<std::string> command = {own_program(), "run", "--config", config, "--out", request_.out};
    command.insert(command.end(), {"--data", request_.places.data});
    for (const fs::path& plugin : request_.places.plugin_files) command.insert(command.end(), {"--plugin", plugin});
    manifest_.cells[index].message.clear();
    jobs_.push_back(std::make_unique<Job>(index, log, command, request_.places.home));
  }

  // Another process works on this run, another suite's, say: it is looked at again when that one has ended.
  bool is_busy(std::size_t index) const { return is_running(store_.folder_of(runs_[index].cell.run)); }

  void collect() {
    for (auto job = jobs_.begin(); job != jobs_.end();) {
      const std::optional<ChildExit> exit = (*job)->process.poll();
      if (exit && exit->status != 0 && is_busy((*job)->index))
        waiting_.push_back((*job)->index);  // the other one was first
      else if (exit)
        ended(**job, *exit);
      job = exit ? jobs_.erase(job) : std::next(job);
    }
  }

  void ended(const Job& job, const ChildExit& exit) {
    ++done_;
    SuiteCell& cell = manifest_.cells[job.index];
    std::string outcome = "no score";
    std::optional<RunRecord> record;
    try {
      record = store_.find(cell.run);
    } catch (const Error& damaged) {
      cell.message = damaged.what();
    }
    if (exit.status != 0 || (cell.message.empty() && (!record || record->status != "finished")))
      cell.message = last_words(job.log, exit);
    if (!cell.message.empty())
      outcome = "failed: " + cell.message.substr(0, cell.message.find('\n'));
    else if (const MetricRecord* score = record->score())
      outcome = fmt::format("{} {:.3f}", score->name, score->value);
    keep();
    progress_.note(fmt::format("{}: {} ({:.0f} s)", named(job.index), outcome, job.watch.wall_seconds()));
  }

  void tell() const {
    std::vector<std::string> under_way;
    for (const auto& job : jobs_) under_way.push_back(named(job->index));
    if (jobs_.empty() && !waiting_.empty())
      under_way.push_back("waiting for another process to end " + named(waiting_.front()));
    progress_.update({"suite", done_, total_, join(under_way, "; ")});
  }

  // Ctrl-C reaches this process alone (ChildProcess): each run is asked once to keep its step.
  void stop() {
    for (const auto& job : jobs_) job->process.signal(SIGINT);
    for (const auto& job : jobs_) job->process.wait();
  }

  const SuiteRequest& request_;
  const std::vector<SuiteRun>& runs_;
  ProgressSink& progress_;
  ResultStore store_;
  SuiteManifest manifest_;
  std::vector<std::size_t> waiting_;  // in order
  std::list<std::unique_ptr<Job>> jobs_;
  std::int64_t done_ = 0, total_ = 0;
};

// Of the tasks to score on, those that the run is trained on are scored anyway, under whichever name or path.
void leave_out_own(const Places& places, const TaskConfig& task, Values& options) {
  Names own = {task.name}, others;
  for (const TaskConfig* part : parts_of(task)) own.push_back(part->name);
  for (const std::string& other : options.names("eval.tasks"))
    if (std::count(own.begin(), own.end(), read_task_config(other, places.task_folders()).name) == 0)
      others.push_back(other);
  if (others.empty() && !options.names("eval.tasks").empty()) options.set("eval.label_map", Names{});  // nothing to map
  options.set("eval.tasks", others);
}

// Why the method can do its task not at all, or not another that it is scored on.
std::optional<Problem> misfit_of_any(const Places& places, const Setup& setup, const TaskConfig& task) {
  std::optional<Problem> problem = misfit(*setup.plugin, task);
  for (const std::string& other : setup.config.options.names("eval.tasks"))
    if (!problem) problem = misfit(*setup.plugin, read_task_config(other, places.task_folders()));
  return problem;
}

// Where in the suite a run stands, for a fault that a file, a flag or the task itself may have caused.
std::string place_of(const SuiteSpec& suite, const SuiteRow& row, const std::string& task,
                     const std::string& backbone) {
  std::string place = suite.file.string() + ", '" + row.name + "'";
  if (!task.empty()) place += " on " + task;
  if (!backbone.empty()) place += ", " + backbone;
  return place;
}

// Throws ConfigError that names the place in the suite.
SuiteRun resolve_run(const SuiteRequest& request, const SuiteRow& row, const std::string& task,
                     const std::string& backbone, std::uint64_t seed, Benches& benches) {
  try {
    Setup setup = set_up(request.places, request_of(request, row, task, backbone, seed), BackboneNeed::weights);
    const TaskConfig config = configured_task(request.places, setup.config);
    leave_out_own(request.places, config, setup.config.options);
    refuse_idle_label_map(setup.config);
    SuiteRun run{{row.name, setup.plugin->name, config.name, setup.backbone.name, seed, "", ""}, setup.config};
    if (const auto problem = misfit_of_any(request.places, setup, config))
      run.cell.message = ConfigError(*problem).what();
    else
      run.cell.run = benches.run_id(std::move(setup));
    return run;
  } catch (const UserError& fault) {
    throw ConfigError(place_of(request.spec, row, task, backbone) + ": " + fault.what());
  }
}

}  // namespace

std::vector<SuiteRun> resolve_suite(const SuiteRequest& request) {
  refuse_axes(request.settings, request.spec);
  const ResultStore store(request.out);
  Benches benches(request.places);
  std::map<std::string, std::string> rows_by_id;
  std::vector<SuiteRun> runs;
  for (const std::string& task : request.spec.tasks)
    for (const std::string& backbone : request.spec.backbones)
      for (const SuiteRow& row : request.spec.rows)
        for (const std::uint64_t seed : request.spec.seeds) {
          SuiteRun run = resolve_run(request, row, task, backbone, seed, benches);
          if (!run.cell.run.empty()) {
            run.finished = has_finished(store, run.cell.run);
            const auto [other, added] = rows_by_id.emplace(run.cell.run, row.name);
            if (!added)
              throw ConfigError({"two rows of the suite are the same run",
                                 "'" + other->second + "' and '" + row.name + "': every setting is equal",
                                 "rows that differ in a setting", "remove one from " + request.spec.file.string()});
          }
          runs.push_back(std::move(run));
        }
  return runs;
}

SuiteManifest run_suite(const SuiteRequest& request, const std::vector<SuiteRun>& runs, ProgressSink& progress) {
  return Pool(request, runs, progress).run();
}

}  // namespace peftbench
