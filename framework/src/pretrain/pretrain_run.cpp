#include "pretrain/pretrain_run.h"

#include "backbone/hub.h"
#include "backbone/initial_weights.h"
#include "backbone/model_folder.h"
#include "backbone/unchanged.h"
#include "backbone/vocabulary.h"
#include "config/machine.h"
#include "core/clock.h"
#include "core/hash.h"
#include "core/interrupt.h"
#include "core/json.h"
#include "core/random.h"
#include "core/write_files.h"
#include "data/prepared/encode_list.h"
#include "data/task/label_check.h"
#include "data/task/load_task.h"
#include "data/task/locate.h"
#include "data/task/mixture.h"
#include "data/task/task_mixture.h"
#include "data/task/task_spec.h"
#include "devices/arithmetic.h"
#include "devices/driver.h"
#include "pretrain/card.h"
#include "pretrain/run_folder.h"
#include "pretrain/segments.h"
#include "results/result_store.h"
#include "results/run_lock.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <utility>

namespace peftbench::pretrain {
namespace {

std::string hash_of(const TensorMap& tensors) {
  Sha256 hash;
  for (const auto& [name, tensor] : tensors) {
    hash.update(name);
    const Tensor plain = tensor.contiguous();
    hash.update(plain.const_data_ptr(), plain.nbytes());
  }
  return hash.hex();
}

// All that a pre-training run works on.
struct Bench {
  BackboneSpec spec;
  TensorMap start;
  fs::path vocabulary;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::vector<ExamplePool> pools;
  std::vector<std::string> sources;  // hashes of text and tasks
  CardFacts facts;
};

// The folder of the model to begin with: beside the configuration, else as --backbone has names; none: random weights.
std::optional<ResolvedBackbone> find_start(const PretrainRequest& request) {
  const PretrainConfig& config = request.config;
  if (config.from.empty()) return std::nullopt;
  std::error_code error;
  const fs::path beside = config.file.parent_path() / config.from;
  try {
    return resolve_backbone(fs::is_directory(beside, error) ? beside.string() : config.from,
                            backbone_search(request.paths));
  } catch (const UserError& fault) {
    throw ConfigError(config.from_place + ": " + fault.what());
  }
}

// Sizes, vocabulary, and that they fit.
void open_vocabulary(const PretrainConfig& config, const std::optional<ResolvedBackbone>& from, Bench& bench) {
  bench.vocabulary =
      config.vocabulary.empty() ? from->folder.value() / spiece_file : config.file.parent_path() / config.vocabulary;
  if (!file_exists(bench.vocabulary))
    throw ConfigError({config.file.string() + ": the vocabulary is missing", "no " + bench.vocabulary.string(),
                       "the spiece.model of the model", "train one with `peft-bench vocab`"});
  bench.tokenizer = Tokenizer::load(bench.vocabulary);
  bench.facts.spec = bench.spec;
  if (bench.tokenizer->size() > bench.spec.vocab_size)
    throw ConfigError({config.file.string() + ": the vocabulary does not fit the model",
                       std::to_string(bench.tokenizer->size()) + " ids, including sentinels and added tokens",
                       "at most " + std::to_string(bench.spec.vocab_size) + ", the model's vocab_size",
                       "raise vocab_size, or train a smaller vocabulary with `peft-bench vocab`"});
  check_vocabulary(*bench.tokenizer, bench.spec, bench.vocabulary.string());
}

void open_model(const PretrainRequest& request, Bench& bench) {
  const PretrainConfig& config = request.config;
  const std::optional<ResolvedBackbone> from = find_start(request);
  if (from) {
    const fs::path folder = from->folder.value();
    const auto loaded = Backbone::load(folder);
    bench.spec = loaded->spec();
    for (const ParameterSite& site : bench.spec.parameters())
      bench.start.emplace(site.tensor, loaded->frozen(site.index).to(at::kFloat));
    if (fs::exists(folder / "README.md")) bench.facts.from_card = read_text(folder / "README.md");
  } else {
    bench.spec = config.sizes;
    bench.start = initial_weights(bench.spec, static_cast<std::uint64_t>(config.train.seed));
  }
  open_vocabulary(config, from, bench);
}

// The tasks of the mixture, those of configs/pretrain/tasks before all others.
std::vector<TaskConfig> find_tasks(const PretrainRequest& request) {
  const PretrainConfig& config = request.config;
  if (config.shares.tasks == 0) return {};
  std::vector<fs::path> folders = {request.paths.configs() / "pretrain" / "tasks"};
  for (const fs::path& folder : request.paths.task_folders()) folders.push_back(folder);
  TaskConfig all;
  all.name = config.name;
  all.file = config.file;
  all.mixture = std::make_shared<const TaskMixture>(config.mixture);
  return with_tasks(all, [&](const std::string& name) { return read_task_config(name, folders); }).mixture->tasks;
}

void open_text(const PretrainRequest& request, Bench& bench, ProgressSink& progress) {
  const PretrainConfig& config = request.config;
  if (config.shares.span_corruption + config.shares.prefix_lm == 0) return;
  std::vector<WeightedCorpus> corpora;
  const CorpusOptions options{request.paths.data / ".cache" / "corpora", static_cast<int>(config.train.threads),
                              &progress};
  for (const TextShare& text : config.text) {
    const auto corpus = Corpus::open(find_text(text.name, request.paths.data), *bench.tokenizer, options);
    corpora.push_back({corpus, text.weight});
    bench.sources.push_back(corpus->key());
    bench.facts.text.push_back({text.name, corpus->documents(), corpus->tokens(), text.weight});
  }
  const auto add = [&](const char* name, double share, Objective objective) {
    if (share == 0) return;
    const SegmentOptions segments{objective, config.input_tokens, config.noise_density, config.mean_span,
                                  config.held_out};
    const auto stream =
        std::make_shared<SegmentStream>(corpora, SpecialIds::of(*bench.tokenizer), segments,
                                        stream_seed(static_cast<std::uint64_t>(config.train.seed), name));
    bench.pools.push_back(
        {name, share, [stream](std::int64_t index) { return stream->at(index); },
         config.held_out > 0 ? stream->held_out(config.held_out_examples) : std::vector<EncodedExample>{}});
  };
  add("span_corruption", config.shares.span_corruption, Objective::span_corruption);
  add("prefix_lm", config.shares.prefix_lm, Objective::prefix_lm);
}

struct EncodedTask {
  std::shared_ptr<const ExampleList> train;  // may lie in a file
  std::vector<EncodedExample> held_out;
};

EncodedTask encode_task(const TaskData& task, const Bench& bench, const DataStorage& storage, std::int64_t held_out) {
  const EncodeLimits limits{task.config.max_input_tokens, task.config.max_target_tokens};
  check_labels(task.config, *bench.tokenizer);
  for (const std::string& warning : label_warnings(task.config, *bench.tokenizer)) storage.progress->note(warning);
  const EncodeSettings settings{*bench.tokenizer, limits, bench.spec.pad_id, bench.spec.eos_id};
  return {encode_list(task.train, settings, {}, storage, task.config.name),
          encode_all(task.validation.first(static_cast<std::size_t>(held_out)), *bench.tokenizer, limits, {},
                     bench.spec.pad_id, bench.spec.eos_id, storage.threads)};
}

void open_tasks(const PretrainRequest& request, Bench& bench, ProgressSink& progress) {
  const PretrainConfig& config = request.config;
  if (config.shares.tasks == 0) return;
  const std::vector<TaskConfig> configs = find_tasks(request);
  const auto tasks = std::make_shared<std::vector<EncodedTask>>();
  std::vector<std::int64_t> sizes;
  const auto each = std::max<std::int64_t>(1, config.held_out_examples / std::ssize(configs));
  ExamplePool pool{"tasks", config.shares.tasks, {}, {}};
  const DataStorage storage{request.paths.data / ".cache" / "tasks", true, DataStorage().memory_bytes,
                            static_cast<int>(config.train.threads), &progress};
  for (const TaskConfig& task : configs) {
    progress.update({"prepare", std::ssize(*tasks), std::ssize(configs), task.name});
    const TaskData data = load_task(task, request.paths.data, storage);
    if (data.train.size() == 0)
      throw ConfigError({config.mixture.place + ": the task '" + task.name + "' has no training examples",
                         "none in its training split (" + task.file.string() + ")", "1 or more",
                         "check the task with `peft-bench tasks`, or remove it"});
    tasks->push_back(encode_task(data, bench, storage, each));
    sizes.push_back(static_cast<std::int64_t>(tasks->back().train->size()));
    for (EncodedExample& example : tasks->back().held_out) pool.held_out.push_back(std::move(example));
    bench.sources.push_back(data.hash + sha256(data.config.canonical));
    bench.facts.tasks.push_back({data.config.name, data.config.summary, sizes.back(), 0});
  }
  const auto sampler = std::make_shared<MixtureSampler>(
      sizes, config.mixture.policy, stream_seed(static_cast<std::uint64_t>(config.train.seed), "mixture"));
  for (std::size_t t = 0; t < sizes.size(); ++t) bench.facts.tasks[t].rate = sampler->rates()[t];
  pool.at = [tasks, sampler](std::int64_t index) {
    const MixtureSampler::Draw draw = sampler->at(index);
    return (*tasks)[draw.task].train->at(static_cast<std::size_t>(draw.example));
  };
  bench.pools.push_back(std::move(pool));
}

Bench open_bench(const PretrainRequest& request, ProgressSink& screen) {
  Bench bench;
  StoppableProgress progress(screen, request.stop);
  open_model(request, bench);
  progress.update({"prepare", 0, 0, "text"});
  open_text(request, bench, progress);
  open_tasks(request, bench, progress);
  if (request.stop && request.stop()) throw Interrupted();
  return bench;
}

// Seconds that all processes of a run have worked. Kept apart from the checkpoint, which is the same in every run.
class WorkTime {
 public:
  explicit WorkTime(fs::path file) : file_(std::move(file)) {
    if (!file_exists(file_)) return;
    JsonFault ignored;
    const auto json = parse_json<nlohmann::json>(read_text(file_), ignored);
    if (!json || !json->is_object()) return;
    if (const auto seconds = json->find("seconds"); seconds != json->end() && seconds->is_number())
      earlier_ = seconds->get<double>();
  }
  double seconds() const { return earlier_ + clock_.wall_seconds(); }
  void save() const { write_atomically(file_, nlohmann::json{{"seconds", seconds()}}.dump() + "\n"); }

 private:
  fs::path file_;
  double earlier_ = 0;
  Stopwatch clock_;
};

// Passes progress on and writes the time down now and then, for the case that the process is killed.
class TimedProgress final : public ProgressSink {
 public:
  TimedProgress(ProgressSink& screen, const WorkTime& time) : screen_(screen), time_(time) {}
  void update(const Progress& progress) override {
    screen_.update(progress);
    if (since_.wall_seconds() < 10) return;
    time_.save();
    since_ = Stopwatch();
  }
  void note(const std::string& line) override { screen_.note(line); }

 private:
  ProgressSink& screen_;
  const WorkTime& time_;
  Stopwatch since_;
};

}  // namespace

MissingSources missing_sources(const PretrainRequest& request) {
  const PretrainConfig& config = request.config;
  const std::optional<ResolvedBackbone> from = find_start(request);
  Bench bench;
  bench.spec = from ? from->spec : config.sizes;
  open_vocabulary(config, from, bench);
  MissingSources missing;
  if (config.shares.span_corruption + config.shares.prefix_lm > 0)
    for (const TextShare& text : config.text) {
      try {
        find_text(text.name, request.paths.data);
      } catch (const DataError&) {
        missing.recipes.push_back("text/" + text.name);
      }
    }
  for (const TaskConfig& task : find_tasks(request))
    if (search_source(task, request.paths.data).results.empty()) {
      if (task.spec->fetch.empty())
        missing.brought.push_back(task.name);
      else
        missing.recipes.push_back(task.spec->fetch);
    }
  return missing;
}

PretrainOutcome pretrain_in(const PretrainRequest& request, ProgressSink& screen) {
  const PretrainConfig& config = request.config;
  const RunFolder folder{request.out};
  const RunLock lock(folder);
  refuse_link(folder.checkpoint());
  remove_unfinished_files(request.out, config);
  if (request.fresh) clear_run(request.out, config);
  use_threads(config.train.threads);
  use_arithmetic(config.device, {});
  const WorkTime time(request.out / "time.json");
  TimedProgress progress(screen, time);
  Bench bench = open_bench(request, progress);
  const nlohmann::json identity = {{"config", to_json(config)},
                                   {"start", hash_of(bench.start)},
                                   {"vocabulary", bench.tokenizer->hash()},
                                   {"sources", bench.sources}};
  CheckpointStore checkpoints(folder.checkpoint(), sha256(identity.dump()));
  const fs::path settings = request.out / "config.json";
  const std::optional<TrainState> state = [&] {
    try {
      return checkpoints.load();
    } catch (const CheckpointError&) {
      refuse_other_settings(settings, identity);
      throw;
    }
  }();
  write_atomically(settings, identity.dump(1) + "\n");
  EventLog log(folder.log());
  const auto keep = [&](const std::string& name, const PretrainResult& here, const TensorMap& weights) {
    const fs::path model = request.out / name;
    require_unchanged_files();
    const TensorMap stored = converted(weights, config.stored);
    ModelFiles files{config_json(bench.spec, config.stored), stored, vocabulary_files(bench.vocabulary)};
    files.others["generation_config.json"] = generation_config_json(bench.spec);
    write_model_folder(model, files);
    bench.facts.step = here.steps;
    bench.facts.tokens = here.tokens;
    const auto gpu = devices::describe(config.device);
    bench.facts.hardware = gpu ? gpu->name + ", " + cpu_model() : cpu_model();
    bench.facts.seconds = time.seconds();
    write_card(model, name, config, bench.facts, folder.log());
    progress.note("step " + std::to_string(here.steps) + ": " + model.string());
  };
  const bool was_finished = state && state->progress.at("done").get<bool>();
  if (state) note_missed_snapshots(request.out, config, state->step, progress);
  const bool keep_again = was_finished && !holds_model(request.out / config.name, config.stored,
                                                       model_weights(state->parameters), bench.vocabulary);
  PretrainResult result = pretrain({config, bench.spec, std::move(bench.start), std::move(bench.pools), checkpoints,
                                    log, progress, request.stop, keep, keep_again});
  if (!was_finished) time.save();
  if (result.interrupted) throw Interrupted();
  return {std::move(result), request.out / config.name, was_finished};
}

std::vector<ShownExample> first_examples(const PretrainRequest& request, std::int64_t count, ProgressSink& progress) {
  const Bench bench = open_bench(request, progress);
  std::vector<ShownExample> shown;
  for (const ExamplePool& pool : bench.pools) {
    for (std::int64_t i = 0; i < count; ++i) {
      if (request.stop && request.stop()) throw Interrupted();
      EncodedExample example = pool.at(i);
      std::string text = describe(example, *bench.tokenizer);
      shown.push_back({pool.objective, std::move(example), std::move(text)});
    }
  }
  return shown;
}

}  // namespace peftbench::pretrain
