#include "run/runner.h"

#include "adapters/adapter.h"
#include "adapters/card.h"
#include "adapters/exchange.h"
#include "adapters/made_from.h"
#include "adapters/seen_rows.h"
#include "backbone/unchanged.h"
#include "config/machine.h"
#include "core/first_line.h"
#include "core/interrupt.h"
#include "devices/out_of_memory.h"
#include "plugin/compile_plan.h"
#include "run/continue_from.h"
#include "run/costs.h"
#include "run/describe_run.h"
#include "run/finished_run.h"
#include "run/init_context.h"
#include "run/init_from.h"
#include "run/planning.h"
#include "run/scoring.h"

#include "core/write_files.h"
#include "data/task/task_mixture.h"
#include "results/run_lock.h"
#include "train/trainer.h"

#include <peftbench/error.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <vector>

namespace peftbench::run {
namespace {

// One run in its folder.
class Runner {
 public:
  Runner(const RunRequest& request, const Resources& resources, const Workbench& bench, ProgressSink& screen,
         CostMeter& costs)
      : request_(request),
        resources_(resources),
        bench_(bench),
        config_(bench.setup.config),
        costs_(costs),
        store_(request.out),
        folder_(store_.folder_of(bench.run_id())),
        progress_(*this, screen) {}

  RunOutcome run();

 private:
  // Passes progress on, keeps the record's costs fresh for the case that the process is killed, and asks whether to
  // stop. In training, validation included, the trainer asks, because it can keep the step it is at.
  class Watch final : public ProgressSink {
   public:
    Watch(Runner& runner, ProgressSink& screen) : runner_(runner), screen_(screen) {}
    void update(const Progress& progress) override {
      screen_.update(progress);
      if (since_saved_.wall_seconds() > 10) {
        runner_.save("running");
        since_saved_ = Stopwatch();
      }
      if (progress.phase == "train") runner_.keeps_steps_ = true;
      if (!runner_.keeps_steps_ && runner_.stopped()) throw Interrupted();
    }
    void note(const std::string& line) override { screen_.note(line); }

   private:
    Runner& runner_;
    ProgressSink& screen_;
    Stopwatch since_saved_;
  };

  bool stopped() const { return request_.stop && request_.stop(); }
  std::optional<RunRecord> find_earlier();
  void clear() const;
  void describe();
  void work();
  void save(const std::string& status, const std::string& message = {});
  void keep_failure(const std::string& status, const std::string& message = {});
  void warn(const std::string& message, bool of_history = false);
  void check_mixture(const CompiledPlan& plan);
  void give_first_values(CompiledPlan& plan);
  void continue_other();
  void keep_training(const TrainingResult& result);

  const RunRequest& request_;
  const Resources& resources_;
  const Workbench& bench_;
  const RunConfig& config_;
  CostMeter& costs_;
  ResultStore store_;
  RunFolder folder_;
  Watch progress_;
  RunRecord record_;
  std::vector<std::string> history_;  // warnings of how an earlier process ended
  bool keeps_steps_ = false;          // training is under way
};

RunOutcome Runner::run() {
  const RunLock lock(folder_);
  for (const fs::path& folder : {folder_.path, folder_.checkpoint(), folder_.adapter()}) {
    if (folder != folder_.path) refuse_link(folder);
    remove_unfinished(folder);
  }
  if (request_.fresh) clear();
  if (const std::optional<RunRecord> earlier = find_earlier()) {
    if (earlier->status == "finished") {
      const std::string fault = damage_of_finished(folder_, *earlier, resources_.finder());
      if (fault.empty()) {
        follow_options(folder_, config_.options, progress_);
        return {*earlier, folder_, true};
      }
      warn("the run had finished, but " + fault + ": it is repeated, from its checkpoint if that is intact", true);
    }
    record_.started = earlier->started;
    record_.training.continued_from = earlier->training.continued_from;
    record_.training.continued_device = earlier->training.continued_device;
    record_.training.continued_step = earlier->training.continued_step;
    record_.training.times_resumed = earlier->training.times_resumed + 1;
    costs_.add_earlier(earlier->phases);
  }
  try {
    describe();
    save("running");
    work();
    record_.ended = utc_now();
    save("finished");
  } catch (const Interrupted&) {
    keep_failure("interrupted");
    throw;
  } catch (const std::exception& error) {
    record_.ended = utc_now();
    if (is_out_of_memory(error)) {  // as LibTorch says it
      const OutOfMemoryError told = too_little_memory(error, costs_.current(), config_);
      keep_failure("failed", told.what());
      throw told;
    }
    keep_failure("failed", error.what());
    throw;
  }
  return {record_, folder_, false};
}

// A damaged record costs what it told of earlier processes; the run itself goes on.
std::optional<RunRecord> Runner::find_earlier() {
  try {
    return store_.find(bench_.run_id());
  } catch (const DamagedRecord& fault) {
    warn("the record is rewritten, without the costs of earlier processes: " + first_line(fault.what()), true);
    return std::nullopt;
  }
}

// The record first: killed in between, the run is not one that has finished.
void Runner::clear() const {
  remove_file(folder_.record());
  for (const fs::path& folder : {folder_.checkpoint(), folder_.adapter()}) remove_folder(folder);
  for (const fs::path& file : {folder_.log(), folder_.tensorboard()}) remove_file(file);
  std::error_code error;
  std::vector<fs::path> predictions;  // also of other tasks
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_.path, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("predictions") && name.ends_with(".jsonl")) predictions.push_back(entry.path());
  }
  for (const fs::path& file : predictions) remove_file(file);
}

void Runner::describe() {
  describe_run(bench_, record_);
  write_atomically(
      folder_.config(),
      to_yaml(config_, {"Configuration of this run; peft-bench --config FILE repeats it.", "run " + record_.id}));
}

void Runner::work() {
  const LoadedPlugin& plugin = *bench_.setup.plugin;
  const Backbone& backbone = *bench_.backbone;
  costs_.begin("prepare");
  CompiledPlan plan = compile_plan(plugin, config_.values, backbone.spec(), shape_of(bench_.task.config));
  plan.place_on(backbone.device());
  record_.sites = plan.claimed_sites();
  if (!plan.trained().empty() && sizes_of(bench_.task).train == 0) {
    throw ConfigError(
        {.what = "the task " + bench_.task.config.name + " has no training rows",
         .found = "evaluation rows only",
         .remedy = "train on another task and evaluate this one with --eval-task " + bench_.task.config.name});
  }
  check_mixture(plan);
  for (const std::string& reason : why_not_exportable(plugin, config_.values, backbone.spec(), plan.only()->task))
    progress_.note("note: the trained method cannot be exported as " + reason);
  for (const std::string& note : bench_.task.notes) warn(bench_.task.config.name + ": " + note);
  for (const TaskData& other : bench_.eval_tasks)
    for (const std::string& note : other.notes) warn(other.config.name + ": " + note);
  for (const TaskData& other : bench_.eval_tasks)
    if (const std::string seen = seen_rows(bench_.task, other, config_.options.eval.split); !seen.empty()) warn(seen);
  Scoring scoring(bench_, plan);
  for (const std::string& warning : scoring.warnings()) warn(warning);
  if (!plan.trained().empty())
    for (const std::string& doubt : doubts(config_.options.train, scoring.can_validate())) warn(doubt);
  const std::shared_ptr<const ExampleList> train_examples = scoring.training_examples(plan);
  for (const std::string& remark : scoring.training_remarks()) warn(remark);
  give_first_values(plan);
  Ledger ledger = ledger_of(bench_, scoring, *train_examples);
  record_.ledger = Json(to_json(ledger));

  costs_.begin("train");
  continue_other();
  CheckpointStore checkpoints(folder_.checkpoint(), record_.config_hash);
  EventLog log(folder_.log(), config_.options.log.tensorboard ? folder_.tensorboard() : fs::path());
  TrainingJob job{.backbone = backbone,
                  .plan = plan,
                  .examples = *train_examples,
                  .encoder_cache = scoring.cache(),
                  .checkpoints = &checkpoints,
                  .log = &log,
                  .progress = &progress_};
  if (scoring.can_validate()) {
    job.validate = [&](const CompiledPlan& current) {
      costs_.begin("validate");  // so that the time of training is that of its steps
      Evaluation evaluation = scoring.validate(current, config_.options.train.validation_limit, progress_);
      costs_.begin("train");
      return evaluation;
    };
  }
  job.choices = encode_choices(bench_.task.config.labels, *bench_.tokenizer, backbone.spec().eos_id,
                               bench_.target_prefix(bench_.task.config));
  job.draw = scoring.draw();
  job.stop = [this] { return stopped(); };
  job.warn = [this](const std::string& text) { warn(text, true); };
  const TrainingResult result = train::train(config_.options.train, job);
  keeps_steps_ = false;
  keep_training(result);
  if (result.interrupted) throw Interrupted();
  ledger.set_receiving_gradient(plan, result.receiving_gradient);
  record_.ledger = Json(to_json(ledger));

  costs_.begin("evaluate");
  const std::string split = config_.options.eval.split;
  const RunEvaluation evaluation = scoring.evaluate(plan, split, config_.options.eval.examples, progress_);
  const std::vector<const TaskData*> scored = parts_of(bench_.task);
  for (std::size_t t = 0; t < evaluation.splits.size(); ++t) {
    const std::string& own = evaluation.splits[t];
    if (own == split) continue;
    warn("the task " + scored[t]->config.name + " has no labelled " + split + " split: the score is of the " + own +
         " split");
  }
  scoring.describe(evaluation, record_);
  record_.predictions_hash = scoring.write_predictions(evaluation, folder_.predictions());
  for (const std::string& remark : scoring.remarks(evaluation)) warn(remark);
  for (const std::string& remark : scoring.score_others(plan, folder_, record_, progress_)) warn(remark);
  AdapterInfo about{plugin.name,
                    plugin.version,
                    config_.values,
                    record_.backbone.name,
                    bench_.checksum,
                    record_.task.name,
                    record_.id,
                    shape_of(bench_.task.config),
                    made_from(bench_.task, *bench_.tokenizer, config_.options)};
  record_.adapter_hash = write_adapter(folder_.adapter(), about, plan.stored());
  const std::string kept = write_card(folder_.adapter(), record_, history_);
  if (!kept.empty()) progress_.note("note: " + kept);
  record_.backbone.checksum_after = backbone.checksum();
  costs_.end();
  if (record_.backbone.checksum_after != bench_.checksum) require_unchanged_files();
  if (record_.backbone.checksum_after != bench_.checksum)
    throw Error({"the backbone was changed, so the results of this run are invalid",
                 "checksum " + record_.backbone.checksum_after, bench_.checksum,
                 "the method " + plugin.name + " writes to frozen tensors: report it to its author"});
}

// What cannot be done with several tasks at once; how often each will be seen.
void Runner::check_mixture(const CompiledPlan& plan) {
  if (!bench_.task.config.mixture || plan.trained().empty()) return;
  if (compares_choices(config_.options.train))
    throw ConfigError({.what = "losses over label words need a single task",
                       .found = bench_.task.config.name + " is a mixture",
                       .remedy = "set train.unlikelihood_weight and train.length_normalised_weight to 0"});
  std::string line = "rates (" + describe_policy(bench_.task.config.mixture->policy) + "):";
  const std::vector<double> rates = rates_of(bench_.task);
  for (std::size_t t = 0; t < rates.size(); ++t)
    line += fmt::format("{} {} {:.4f}", t ? "," : "", bench_.task.parts[t].config.name, rates[t]);
  progress_.note(line);
}

void Runner::give_first_values(CompiledPlan& plan) {
  const auto note = [this](std::string text) { warn(text); };
  InitSources sources{*bench_.backbone,
                      resources_.finder(),
                      bench_.tokenizer,
                      label_words(bench_.task.config),
                      static_cast<std::uint64_t>(config_.seed()),
                      note};
  if (const std::string& start = config_.options.init_from; !start.empty()) {
    sources.warn = [](const std::string&) {};  // these first values are only compared with the start's
    return begin_from(start, bench_, resources_, plan, init_contexts(sources), note);
  }
  call_plugin(*bench_.setup.plugin, PluginStep::planning, "initialising its parameters",
              [&] { plan.initialise(init_contexts(sources)); });
}

void Runner::continue_other() {
  auto& training = record_.training;
  const std::string& other = config_.options.continue_from;
  if (other.empty()) return;
  if (training.continued_from.empty() || !has_checkpoint(folder_.checkpoint())) {
    const Continued from = take_over(other, bench_, folder_);
    training.continued_from = from.run;
    training.continued_device = from.device;
    training.continued_step = from.step;
  }
  warn(
      fmt::format("steps 1 to {} were trained by {} on {}: the results are not bit-identical to those of a run on one "
                  "device",
                  *training.continued_step, training.continued_from, training.continued_device));
}

void Runner::keep_training(const TrainingResult& result) {
  auto& training = record_.training;
  training.steps = result.steps;
  training.best_step = result.best_step;
  training.stopped_early = result.stopped_early;
  training.resumed_from = result.resumed_at;
  training.loss_split = "validation";
  for (const EvaluationPoint& point : result.evaluations) {
    if (point.step == 0) training.loss_before = point.loss;
    if (point.step != result.best_step) continue;
    training.loss_after = point.loss;
    if (point.metrics.empty()) continue;
    training.validation_score = point.metrics.front().value;
    training.validation_metric = point.metrics.front().name;
  }
  if (result.evaluations.empty() && result.steps > 0) {  // no validation split
    training.loss_split = "train";
    training.loss_before = result.first_loss;
    training.loss_after = result.last_loss;
  }
  const EncoderCacheCounts& cache = result.encoder_cache;
  training.encoder_cache = {{"used", result.encoder_cache_used},
                            {"hits", cache.hits},
                            {"misses", cache.misses},
                            {"entries", cache.entries},
                            {"bytes", cache.bytes}};
  training.examples = result.examples;
  training.tokens = result.tokens;
}

void Runner::save(const std::string& status, const std::string& message) {
  record_.status = status;
  record_.message = message;
  record_.phases = costs_.phases();
  store_.write(record_);
}

// What went wrong first is what is told: the same fault may keep the record from being written too.
void Runner::keep_failure(const std::string& status, const std::string& message) {
  try {
    save(status, message);
  } catch (const std::exception& second) {
    progress_.note("warning: cannot record that the run is " + status + ": " + first_line(second.what()));
  }
}

void Runner::warn(const std::string& message, bool of_history) {
  if (of_history) history_.push_back(message);
  record_.warnings.push_back(message);
  progress_.note("warning: " + message);
}

}  // namespace

RunOutcome run(const RunRequest& request, ProgressSink& progress) {
  CostMeter costs;
  costs.begin("load");
  Resources resources(request.paths);
  Setup setup = set_up(resources, request.config, BackboneNeed::weights);
  refuse_idle_label_map(setup.config);
  if (!request.fresh) {
    if (const auto found = find_finished(request.out, resources, setup, progress)) {
      follow_options(found->folder, setup.config.options, progress);
      return {found->record, found->folder, true};
    }
  }
  use_machine(setup.config);
  costs.measure(setup.config.device);
  progress.update({"load", 0, 0, "backbone and data; " + describe_use(setup.config)});
  StoppableProgress stoppable(progress, request.stop);
  const Workbench bench = open_workbench(resources, std::move(setup), &stoppable);
  if (request.stop && request.stop()) throw Interrupted();
  return Runner(request, resources, bench, progress, costs).run();
}

}  // namespace peftbench::run
