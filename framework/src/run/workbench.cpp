#include "run/workbench.h"

#include "core/hash.h"
#include "core/random.h"
#include "plugin/schema.h"
#include "run/init_from.h"
#include "run/tensor_source.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <numeric>

namespace peftbench {
namespace {

KnownNames known_names(const Places& places) {
  KnownNames known;
  for (const TaskConfig& task : list_tasks(places.task_folders())) known.tasks.push_back(task.name);
  for (const BackboneListing& backbone : list_backbones(backbone_search(places.home))) {
    known.backbones.push_back(backbone.name);
    known.backbones.insert(known.backbones.end(), backbone.aliases.begin(), backbone.aliases.end());
  }
  return known;
}

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

std::vector<std::uint32_t> shuffled_places(std::size_t count, std::uint64_t seed) {
  std::vector<std::uint32_t> places(count);
  std::iota(places.begin(), places.end(), std::uint32_t{0});
  Random(seed).shuffle(places);
  return places;
}

// So many examples of the training split, drawn by the seed, in the split's order.
void draw(TaskData& task, std::int64_t count, std::uint64_t seed) {
  if (count <= 0 || count >= static_cast<std::int64_t>(task.train.size())) return;
  std::vector<std::uint32_t> places = shuffled_places(task.train.size(), stream_seed(seed, "train_examples"));
  places.resize(static_cast<std::size_t>(count));
  std::sort(places.begin(), places.end());
  task.train = task.train.select(places);
}

// Files are often sorted by label, and a limit takes the first so many. The order is the same for every run.
void mix(TaskData& task) {
  task.validation = task.validation.select(shuffled_places(task.validation.size(), stream_seed(0, "validation")));
  task.test = task.test.select(shuffled_places(task.test.size(), stream_seed(0, "test")));
}

}  // namespace

Setup set_up(const Places& places, ConfigRequest request, BackboneNeed need) {
  const PluginFinder finder(places.plugin_files);
  const PluginHandle plugin = finder.load_method(requested_method(request));
  request.method = plugin->name;  // where its file was named
  RunConfig config = resolve_config(request, plugin->schema, places.configs(), known_names(places));
  if (config.backbone().empty())
    throw ConfigError({"no backbone is named", {}, "--backbone NAME", "`peft-bench backbones` lists what there is"});
  ResolvedBackbone backbone = resolve_backbone(config.backbone(), backbone_search(places.home), need);
  return {plugin, std::move(config), std::move(backbone)};
}

TaskConfig configured_task(const Places& places, const RunConfig& config) {
  if (config.task().empty())
    throw ConfigError({"no task is named", {}, "--task NAME", "`peft-bench tasks` lists what there is"});
  TaskConfig task = read_task_config(config.task(), places.task_folders());
  if (const auto tokens = config.options.integer("task.max_input_tokens")) task.max_input_tokens = tokens;
  if (const auto tokens = config.options.integer("task.max_target_tokens")) task.max_target_tokens = tokens;
  if (!config.options.flag("task.prefix")) drop_prefix(task);
  return task;
}

TaskShape task_shape(const Places& places, const RunConfig& config) {
  return config.task().empty() ? TaskShape{} : shape_of(configured_task(places, config));
}

std::optional<Problem> misfit(const LoadedPlugin& plugin, const TaskConfig& task) {
  if (!plugin.schema.can(Capability::classification_only) || !task.labels.empty()) return std::nullopt;
  return Problem{plugin.name + " needs a task with label words",
                 task.name + " has free text for its answers",
                 {},
                 "choose a classification task: `peft-bench tasks` lists them"};
}

TaskData open_task(const Places& places, const RunConfig& config) {
  TaskData task = load_task(configured_task(places, config), places.data);
  mix(task);
  draw(task, config.options.integer("task.train_examples"), static_cast<std::uint64_t>(config.seed()));
  return task;
}

Workbench open_workbench(const Places& places, Setup setup) {
  Workbench bench{std::move(setup), {}, {}, {}, {}, {}};
  const RunConfig& config = bench.setup.config;
  if (const auto problem = misfit(*bench.setup.plugin, configured_task(places, config))) throw ConfigError(*problem);
  bench.task = open_task(places, config);
  const fs::path folder = bench.setup.backbone.folder.value();  // asked for with its weights
  bench.tokenizer = Tokenizer::load(folder / "spiece.model");
  bench.backbone = Backbone::load(folder, config.load_options());
  bench.setup.backbone.spec = bench.backbone->spec();
  if (bench.tokenizer->size() > bench.backbone->spec().vocab_size)
    throw CheckpointError(
        {"the vocabulary does not belong to this backbone", std::to_string(bench.tokenizer->size()) + " ids",
         "at most " + std::to_string(bench.backbone->spec().vocab_size) + ", the rows of the embedding table",
         "put the backbone's own spiece.model into " + folder.string()});
  bench.checksum = bench.backbone->checksum();
  if (const std::string& start = config.options.text("init_from"); !start.empty())
    bench.start_hash = hash_of_start(start);
  return bench;
}

nlohmann::json Workbench::identity() const {
  nlohmann::json json = to_json(setup.config);
  json["method"] = {{"name", setup.plugin->name}, {"version", setup.plugin->version}};
  json["set_files"] = hashes_of_files(setup.config.values);
  json["init_from"] = start_hash;
  json["task"]["name"] = task.config.name;
  json["task"]["definition"] = sha256(task.config.canonical);
  json["task"]["data"] = task.hash;
  json["backbone"]["name"] = setup.backbone.name;
  json["backbone"]["checksum"] = checksum;
  json["vocabulary"] = tokenizer->hash();
  return json;
}

std::string Workbench::run_id() const {
  std::string name = task.config.name;
  std::replace(name.begin(), name.end(), '/', '-');  // a run is one folder
  return setup.plugin->name + "-" + name + "-s" + std::to_string(setup.config.seed()) + "-" +
         sha256(identity().dump()).substr(0, 10);
}

}  // namespace peftbench
