#include "run/workbench.h"

#include "config/value_files.h"
#include "core/hash.h"
#include "core/names.h"
#include "core/random.h"
#include "data/prepared/groups.h"
#include "data/task/label_check.h"
#include "data/task/load_task.h"
#include "data/task/task_mixture.h"
#include "devices/choice.h"
#include "eval/label_map.h"
#include "plugin/schema.h"
#include "run/continue_from.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <numeric>
#include <utility>

namespace peftbench::run {
namespace {

// A parameter that names a file stands for what is in it.
nlohmann::json hashes_of_files(const Values& values) {
  nlohmann::json hashes = nlohmann::json::object();
  for (const auto& [name, value] : values.all()) {
    const auto* text = std::get_if<std::string>(&value);
    if (!text || text->empty()) continue;
    const std::vector<fs::path> files = files_of_values(*text);
    if (files.empty()) continue;
    Sha256 hash;
    for (const fs::path& file : files) hash.update(MappedFile::open(file)->text());
    hashes[name] = hash.hex();
  }
  return hashes;
}

std::vector<std::uint32_t> shuffled_positions(std::size_t count, std::uint64_t seed) {
  std::vector<std::uint32_t> positions(count);
  std::iota(positions.begin(), positions.end(), std::uint32_t{0});
  Random(seed).shuffle(positions);
  return positions;
}

// So many examples of the training split, drawn by the seed, in the split's order.
void draw(TaskData& task, std::int64_t count, std::uint64_t seed) {
  if (count <= 0 || count >= static_cast<std::int64_t>(task.train.size())) return;
  std::vector<std::uint32_t> positions = shuffled_positions(task.train.size(), stream_seed(seed, "train_examples"));
  positions.resize(static_cast<std::size_t>(count));
  std::sort(positions.begin(), positions.end());
  task.train = task.train.select(positions);
}

// Files are often sorted by label, and a limit takes the first so many. The order is the same for every run.
void mix(TaskData& task) {
  for (const auto& [split, name] : {std::pair{&task.validation, "validation"}, std::pair{&task.test, "test"}})
    *split = split->select(side_by_side(*split, shuffled_positions(split->size(), stream_seed(0, name))));
}

void arrange(TaskData& task, const RunConfig& config) {
  for (TaskData& part : task.parts) arrange(part, config);
  mix(task);
  draw(task, config.options.task.train_examples, static_cast<std::uint64_t>(config.seed()));
}

// The options over the task's file, in a mixture over each task's.
void configure(TaskConfig& task, const RunOptions& options) {
  if (const auto tokens = options.task.max_input_tokens) task.max_input_tokens = tokens;
  if (const auto tokens = options.task.max_target_tokens) task.max_target_tokens = tokens;
  task.sentinel = options.task.sentinel;
  if (!task.mixture) return;
  TaskMixture mixture = *task.mixture;
  for (TaskConfig& part : mixture.tasks) configure(part, options);
  task.mixture = std::make_shared<const TaskMixture>(std::move(mixture));
}

TaskConfig read_configured(Resources& resources, const RunConfig& config, const std::string& name) {
  TaskConfig task = resources.task(name);
  configure(task, config.options);
  if (!config.options.task.prefix) drop_prefix(task);
  return task;
}

DataStorage storage_of(const Paths& paths, const RunConfig& config, ProgressSink* progress) {
  return {paths.data / ".cache" / "tasks",
          config.options.data.cache,
          config.options.data.memory_bytes,
          static_cast<int>(config.options.train.threads),
          progress,
          paths.fetch};
}

// What a run's identity follows from beside its settings.
struct IdentityHashes {
  nlohmann::json task, eval_tasks;
  std::string backbone, vocabulary, start;  // start: of what training begins from; empty for the method's own values
  std::string continued;                    // identity of the run that this one continues; empty: none
};

nlohmann::json identity_of(const TaskConfig& config, const std::string& data_hash) {
  return {{"name", config.name}, {"definition", sha256(config.canonical)}, {"data", data_hash}};
}

nlohmann::json identity_of(const Setup& setup, const IdentityHashes& hashes) {
  nlohmann::json json = to_json(setup.config);
  json.erase("data");  // where data lies changes no result
  json.erase("log");   // neither does what is written beside the results
  json["eval"].erase("keep_inputs");
  if (setup.config.device.is_cpu())
    json.erase("device");  // so runs on it keep the ids that they had before there were others
  else
    json["device"]["name"] = kind_of(setup.config.device);
  if (setup.config.options.backbone.backend == BackendChoice::reference) json["backbone"].erase("backend");  // likewise
  json["method"] = {{"name", setup.plugin->name}, {"version", setup.plugin->version}};
  json["set_files"] = hashes_of_files(setup.config.values);
  for (const auto& [name, hash] : json["set_files"].items())  // their content counts, not their place
    json["set"][name] = fs::path(json["set"][name].get<std::string>()).filename().string();
  json[option_key::init_from] = hashes.start;
  json.erase(option_key::continue_from);
  if (!hashes.continued.empty()) json[option_key::continue_from] = hashes.continued;
  json["task"].update(hashes.task);
  json["eval"]["tasks"] = hashes.eval_tasks;
  json["backbone"]["name"] = setup.backbone.name;
  json["backbone"]["checksum"] = hashes.backbone;
  json["vocabulary"] = hashes.vocabulary;
  return json;
}

std::string name_of_run(const Setup& setup, std::string task, const nlohmann::json& identity) {
  std::replace(task.begin(), task.end(), '/', '-');  // a run is one folder
  return setup.plugin->name + "-" + task + "-s" + std::to_string(setup.config.seed()) + "-" +
         sha256(identity.dump()).substr(0, 10);
}

}  // namespace

Setup set_up(Resources& resources, const ConfigRequest& request, BackboneNeed need) {
  const RequestedMethod method = requested_method(request, resources);
  const PluginHandle plugin = resources.method(method.name, method.by);
  RunConfig config = resolve_config(request, plugin->schema, resources.paths().configs(), resources);
  if (config.backbone().empty())
    throw ConfigError({.what = "no backbone given",
                       .expected = "--backbone NAME",
                       .remedy = "`peft-bench backbones` lists the available backbones"});
  const ResolvedBackbone& backbone = resources.backbone(config.backbone(), need);
  return {plugin, std::move(config), backbone};
}

TaskConfig configured_task(Resources& resources, const RunConfig& config) {
  if (config.task().empty())
    throw ConfigError(
        {.what = "no task given", .expected = "--task NAME", .remedy = "`peft-bench tasks` lists the available tasks"});
  return read_configured(resources, config, config.task());
}

TaskShape task_shape(Resources& resources, const RunConfig& config) {
  return config.task().empty() ? TaskShape{} : shape_of(configured_task(resources, config));
}

std::optional<Problem> misfit(const LoadedPlugin& plugin, const TaskConfig& task) {
  if (!plugin.schema.can(Capability::classification_only) || !task.labels.empty()) return std::nullopt;
  if (task.mixture) return mixture_has_no_classes(plugin.name, task);
  return Problem{.what = plugin.name + " needs a task with label words",
                 .found = task.name + " has free-text answers",
                 .remedy = "choose a classification task: `peft-bench tasks` lists them"};
}

Problem mixture_has_no_classes(const std::string& method, const TaskConfig& mixture) {
  std::vector<std::string> names;
  for (const TaskConfig& task : mixture.mixture->tasks) names.push_back(task.name);
  return {method + " scores the classes of one task", mixture.name + " is a mixture: " + join(names),
          "a method that generates text, such as model_tuning", "choose one of the tasks"};
}

TaskData open_task(Resources& resources, const RunConfig& config, ProgressSink* progress) {
  const Paths& paths = resources.paths();
  TaskData task = load_task(configured_task(resources, config), paths.data, storage_of(paths, config, progress));
  arrange(task, config);
  return task;
}

std::vector<TaskConfig> configured_eval_tasks(Resources& resources, const RunConfig& config) {
  const LabelMap checked(config.options.eval.label_map);
  std::vector<TaskConfig> tasks;
  if (config.options.eval.tasks.empty()) return tasks;
  std::vector<std::string> taken;
  const TaskConfig own = configured_task(resources, config);
  for (const TaskConfig* part : parts_of(own)) taken.push_back(part->name);
  for (const std::string& name : config.options.eval.tasks) {
    tasks.push_back(read_configured(resources, config, name));
    if (tasks.back().mixture)
      throw ConfigError({"eval.tasks cannot contain a mixture", "'" + name + "' in eval.tasks", "tasks with a source",
                         "list its tasks instead"});
    if (std::find(taken.begin(), taken.end(), tasks.back().name) != taken.end())
      throw ConfigError({"eval.tasks repeats a task that is already evaluated", "'" + tasks.back().name + "'",
                         "tasks other than the training task, each once", "remove it"});
    taken.push_back(tasks.back().name);
  }
  return tasks;
}

void refuse_idle_label_map(const RunConfig& config) {
  const Names& map = config.options.eval.label_map;
  if (map.empty() || !config.options.eval.tasks.empty()) return;
  throw ConfigError({"--label-map needs --eval-task", "eval.label_map: " + join(map), "--eval-task NAME with it",
                     "add --eval-task, or remove --label-map: it does not apply to the training task"});
}

std::vector<std::string> check_label_words(Resources& resources, const Setup& setup) {
  const std::optional<fs::path>& folder = setup.backbone.folder;
  if (!folder || !has_tokenizer(*folder)) return {};
  const std::shared_ptr<const Tokenizer> tokenizer = resources.vocabulary(*folder, setup.backbone.spec);
  const EvaluationConfig& evaluation = setup.config.options.train.evaluation;
  std::vector<TaskConfig> tasks = configured_eval_tasks(resources, setup.config);
  tasks.insert(tasks.begin(), configured_task(resources, setup.config));
  std::vector<std::string> warnings;
  for (const TaskConfig& task : tasks) {
    check_labels(task, *tokenizer, evaluation.mode == EvaluationMode::greedy ? evaluation.max_tokens : 0);
    for (std::string& warning : label_warnings(task, *tokenizer)) warnings.push_back(std::move(warning));
  }
  return warnings;
}

Workbench open_workbench(Resources& resources, Setup setup, ProgressSink* progress, TaskNeed need) {
  const Paths& paths = resources.paths();
  Workbench bench{std::move(setup), {}, {}, {}, {}, {}, {}, {}};
  const RunConfig& config = bench.setup.config;
  bench.storage = storage_of(paths, config, progress);
  if (const auto problem = misfit(*bench.setup.plugin, configured_task(resources, config))) throw ConfigError(*problem);
  const std::vector<TaskConfig> others = configured_eval_tasks(resources, config);
  for (const TaskConfig& other : others)
    if (const auto problem = misfit(*bench.setup.plugin, other)) throw ConfigError(*problem);
  if (need == TaskNeed::data)
    bench.task = open_task(resources, config, progress);
  else
    bench.task.config = configured_task(resources, config);
  for (const TaskConfig& other : others) {
    bench.eval_tasks.push_back(load_task(other, paths.data, bench.storage));
    arrange(bench.eval_tasks.back(), config);
  }
  const fs::path folder = bench.setup.backbone.folder.value();  // asked for with its weights
  bench.tokenizer = resources.vocabulary(folder, bench.setup.backbone.spec);
  bench.backbone = Backbone::load(folder, config.load_options());
  bench.setup.backbone.spec = bench.backbone->spec();
  bench.checksum = bench.backbone->checksum();
  resources.known_weights().keep(folder, config.load_options(), *bench.backbone, bench.checksum);
  if (const std::string& start = config.options.init_from; !start.empty())
    bench.start_hash = resources.hash_of_start(start);
  if (const std::string& other = config.options.continue_from; !other.empty())
    bench.continued_hash = hash_of_continued(other);
  return bench;
}

nlohmann::json Workbench::identity() const {
  IdentityHashes hashes{identity_of(task.config, task.hash),
                        nlohmann::json::array(),
                        checksum,
                        tokenizer->hash(),
                        start_hash,
                        continued_hash};
  for (const TaskData& other : eval_tasks) hashes.eval_tasks.push_back(identity_of(other.config, other.hash));
  return identity_of(setup, hashes);
}

std::string Workbench::run_id() const { return name_of_run(setup, task.config.name, identity()); }

std::string expected_run_id(Resources& resources, const Setup& setup, ProgressSink* progress) {
  const RunConfig& config = setup.config;
  const DataStorage storage = storage_of(resources.paths(), config, progress);
  const auto of_task = [&](const TaskConfig& task) { return identity_of(task, resources.data_hash(task, storage)); };
  const fs::path& folder = setup.backbone.folder.value();
  const TaskConfig task = configured_task(resources, config);
  IdentityHashes hashes{of_task(task), nlohmann::json::array(), {}, {}, {}, {}};
  for (const TaskConfig& other : configured_eval_tasks(resources, config)) hashes.eval_tasks.push_back(of_task(other));
  hashes.vocabulary = resources.vocabulary(folder, setup.backbone.spec)->hash();
  hashes.backbone = resources.checksum(folder, config.load_options());
  if (const std::string& start = config.options.init_from; !start.empty())
    hashes.start = resources.hash_of_start(start);
  if (const std::string& other = config.options.continue_from; !other.empty())
    hashes.continued = hash_of_continued(other);
  return name_of_run(setup, task.name, identity_of(setup, hashes));
}

std::string Workbench::layout_key() const {
  nlohmann::json json = identity();
  for (const char* key : {"train", "eval", "threads", "device"}) json.erase(key);
  json["plugin"] = sha256(MappedFile::open(setup.plugin->path)->text());  // its version may stay as it is written
  return sha256(json.dump());
}

std::vector<std::int64_t> Workbench::target_prefix(const TaskConfig& config) const {
  return config.sentinel ? std::vector<std::int64_t>{tokenizer->sentinel(0)} : std::vector<std::int64_t>{};
}

}  // namespace peftbench::run
