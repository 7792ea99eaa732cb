#include "run/init_from.h"

#include "adapters/adapter.h"
#include "adapters/foreign.h"
#include "core/hash.h"
#include "core/names.h"
#include "eval/likelihood.h"
#include "formats/safetensors.h"
#include "plugin/compile_plan.h"
#include "plugin/schema.h"
#include "results/adapter_files.h"
#include "results/result_store.h"
#include "results/run_record.h"
#include "train/checkpoint.h"

#include <peftbench/error.h>

#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <optional>

namespace peftbench::run {
namespace {

// The file of a run's folder that holds its training tensors.
std::optional<fs::path> checkpoint_of(const fs::path& path) {
  if (!file_exists(path / "record.json")) return std::nullopt;
  const fs::path folder = RunFolder{path}.checkpoint();
  for (const fs::path& file : checkpoint_files(folder))
    if (file_exists(file)) return file;
  return std::nullopt;
}

// Values as they were found, and what is known of them.
struct Start {
  TensorMap tensors;
  std::optional<AdapterInfo> info;
  Names notes;  // of another program's adapter
};

// What a run's record says of its method, and its adapter of the task, where it has finished.
AdapterInfo info_of_run(const fs::path& path, const Workbench& bench, const PluginFinder& finder) {
  const RunFolder run{path};
  const RunRecord record = read_record(run.record());
  AdapterInfo info;
  if (file_exists(run.adapter() / adapter_file::description)) {
    info = read_adapter_info(run.adapter(), finder);
    if (!info.made_from) info.made_from = made_from(record);
    return info;
  }
  info.shape.labels = record.task.labels;
  info.made_from = made_from(record);
  info.method = record.method.name;
  info.backbone = record.backbone.name;
  info.backbone_checksum = record.backbone.checksum_before;
  if (info.method == bench.setup.plugin->name && record.config.contains("set"))
    info.values = stored_values(*bench.setup.plugin, nlohmann::json(record.config.at("set")));
  return info;
}

Start read_start(const fs::path& path, const Workbench& bench, const PluginFinder& finder) {
  if (const auto file = checkpoint_of(path)) return {read_trained(*file), info_of_run(path, bench, finder), {}};
  const fs::path folder = adapter_folder(path);  // which says what a file is, where one is named
  if (folder == path && path.extension() == ".safetensors") return {read_safetensors(path).tensors, std::nullopt, {}};
  Adapter adapter = read_adapter(folder, finder, bench.backbone->spec(), bench.setup.plugin->name);
  check_frozen(adapter, *bench.backbone);
  return {std::move(adapter.tensors), std::move(adapter.info), std::move(adapter.notes)};
}

// Values with which `theirs` was made and `ours` is not.
std::string differing(const Values& theirs, const Values& ours) {
  std::vector<std::string> lines;
  for (const auto& [name, value] : theirs.all()) {
    const auto own = ours.all().find(name);
    if (own == ours.all().end() || own->second != value) lines.push_back("--set " + name + "=" + to_text(value));
  }
  return join(lines, " ");
}

// A derived value is there, and the sources from which training would go on are not.
void refuse_lost_sources(const fs::path& path, const TensorMap& tensors, const CompiledPlan& plan) {
  std::vector<std::string> derived, missing;
  for (const auto& slot : plan.slots()) {
    const bool there = tensors.contains(slot->name);
    if (slot->role == Role::derived && there) derived.push_back(slot->name);
    if (slot->role != Role::derived && slot->training_only && !there) missing.push_back(slot->name);
  }
  if (derived.empty() || missing.empty()) return;
  throw CheckpointError(
      {path.string() + " contains a computed value without the parameters it was computed from", join(derived),
       "the trained tensors: " + join(missing),
       "give the folder of the run, whose checkpoint contains them, or configure the method to train the value "
       "directly (`peft-bench methods` lists its parameters)"});
}

// The buffers' first values, as a method set up with `values` has them.
TensorMap first_buffers(const Workbench& bench, const Values& values, const TaskShape& task,
                        const CompiledPlan::ContextFactory& contexts) {
  TensorMap buffers;
  const LoadedPlugin& plugin = *bench.setup.plugin;
  CompiledPlan plan = compile_plan(plugin, values, bench.backbone->spec(), task);
  for (const auto& slot : plan.slots())
    if (slot->role != Role::buffer) slot->init = [](InitContext&, const Shape& shape) { return at::zeros(shape); };
  call_plugin(plugin, PluginStep::planning, "initialising its buffers", [&] { plan.initialise(contexts); });
  for (const auto& slot : plan.slots())
    if (slot->role == Role::buffer) buffers.emplace(slot->name, slot->value);
  return buffers;
}

bool equal(const TensorMap& tensors, const std::string& name, const Tensor& value) {
  const auto found = tensors.find(name);
  return found != tensors.end() && found->second.sizes() == value.sizes() &&
         at::equal(found->second.to(at::kFloat), value);
}

// A buffer gets no gradient, so one that another configuration made would stay, whatever this one says. One that
// training itself moved (a mixture's weights), or that the seed gave, is the start's.
void refuse_other_buffers(const fs::path& path, const Start& start, const Workbench& bench, const CompiledPlan& plan,
                          const CompiledPlan::ContextFactory& contexts) {
  const auto slots = plan.slots();
  if (std::none_of(slots.begin(), slots.end(), [](const auto& slot) { return slot->role == Role::buffer; })) return;
  const TaskShape task = shape_of(bench.task.config);
  const TensorMap ours = first_buffers(bench, bench.setup.config.values, task, contexts);
  std::vector<std::string> others;
  if (start.info) {
    const TensorMap theirs =
        first_buffers(bench, start.info->values, start.info->shape.fields.empty() ? task : start.info->shape, contexts);
    for (const auto& [name, value] : ours)
      if (!equal(start.tensors, name, value) && !equal(theirs, name, value)) others.push_back(name);
  } else if (!plan.only()->step) {  // nothing but a step hook moves a buffer
    for (const auto& [name, value] : ours)
      if (!equal(start.tensors, name, value)) others.push_back(name);
  }
  if (others.empty()) return;
  const std::string set = start.info ? differing(start.info->values, bench.setup.config.values) : std::string();
  throw CheckpointError(
      {path.string() + " has other values of untrained buffers than this configuration", join(others),
       "the same values, because training does not change them",
       set.empty() ? "use the method's original parameters, or do not use --init-from" : "use its parameters: " + set});
}

// A class is a place in the head, so other words or another order would be other classes.
void refuse_other_classes(const fs::path& path, const Start& start, const Workbench& bench, const CompiledPlan& plan) {
  if (!start.info || start.info->shape.labels.empty() || !scores_classes(plan)) return;
  const Names labels = shape_of(bench.task.config).labels;
  if (start.info->shape.labels == labels) return;
  throw CheckpointError({path.string() + " scores other classes", join(start.info->shape.labels), join(labels),
                         "initialise from a run on a task with the same labels in the same order"});
}

}  // namespace

std::string hash_of_start(const fs::path& path) {
  std::vector<fs::path> files;
  if (const auto checkpoint = checkpoint_of(path)) {
    files = {*checkpoint};
  } else if (const fs::path adapter = adapter_folder(path); file_exists(adapter / adapter_file::tensors)) {
    files = {adapter / adapter_file::tensors};
  } else if (is_foreign_adapter(path)) {
    files = foreign_files(path);
  } else {
    files = {path};
  }
  Sha256 hash;
  for (const fs::path& file : files) {
    if (!file_exists(file))
      throw CheckpointError({"nothing to initialise from", path.string(),
                             "the folder of a run or of an adapter, a .safetensors or a .npy", "correct --init-from"});
    hash.update(MappedFile::open(file)->text());
  }
  return hash.hex();
}

void begin_from(const fs::path& path, const Workbench& bench, const Resources& resources, CompiledPlan& plan,
                const CompiledPlan::ContextFactory& contexts, const std::function<void(std::string)>& warn) {
  const Start start = read_start(path, bench, resources.finder());
  for (const std::string& note : start.notes) warn(note);
  const std::string& method = bench.setup.plugin->name;
  if (start.info && start.info->method != method)
    throw CheckpointError({path.string() + " was made by another method", start.info->method, method,
                           "use an adapter of " + method + ", or train " + start.info->method});
  refuse_lost_sources(path, start.tensors, plan);
  refuse_other_classes(path, start, bench, plan);
  if (start.info && start.info->made_from)
    check_start(*start.info->made_from, {bench.task, *bench.tokenizer, bench.setup.config.options}, path.string(),
                resources.paths(), warn);
  TensorMap training = start.tensors;
  for (const auto& slot : plan.slots())
    if (slot->role == Role::derived) training.erase(slot->name);
  try {
    plan.load_training(training);
  } catch (const CheckpointError& error) {
    const std::string set = start.info ? differing(start.info->values, bench.setup.config.values) : std::string();
    if (set.empty()) throw;
    throw CheckpointError({.what = error.what(), .remedy = "use its parameters: " + set});
  }
  refuse_other_buffers(path, start, bench, plan, contexts);
  if (start.info) {
    if (const std::string set = differing(start.info->values, bench.setup.config.values); !set.empty())
      warn("the initial values were trained with other method parameters: " + set);
  }
  const std::string& checksum = start.info ? start.info->backbone_checksum : std::string();
  if (!checksum.empty() && checksum != bench.checksum)
    warn("training is initialised from an adapter of another backbone, " + start.info->backbone + ", checksum " +
         checksum.substr(0, 16) + "; here " + bench.checksum.substr(0, 16));
}

}  // namespace peftbench::run
