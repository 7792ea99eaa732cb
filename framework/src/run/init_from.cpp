#include "run/init_from.h"

#include "backbone/safetensors.h"
#include "core/hash.h"
#include "core/names.h"
#include "plugin/schema.h"
#include "results/result_store.h"
#include "results/run_record.h"
#include "run/adapter.h"
#include "run/foreign.h"
#include "train/checkpoint.h"

#include <peftbench/error.h>

#include <algorithm>
#include <optional>

namespace peftbench {
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
};

// Of the best evaluation where training is under way; a finished run keeps nothing else.
TensorMap checkpoint_tensors(const fs::path& file) {
  const TensorMap all = read_checkpoint(file).tensors;
  for (const std::string part : {"best/", "parameters/"}) {
    TensorMap tensors;
    for (const auto& [name, tensor] : all)
      if (name.starts_with(part)) tensors.emplace(name.substr(part.size()), tensor);
    if (!tensors.empty()) return tensors;
  }
  return {};
}

Start read_start(const fs::path& path, const Workbench& bench, const PluginFinder& finder) {
  if (const auto file = checkpoint_of(path)) {
    const RunRecord record = read_record(path / "record.json");
    AdapterInfo info;
    info.method = record.method.name;
    info.backbone = record.backbone.name;
    info.backbone_checksum = record.backbone.checksum_before;
    return {checkpoint_tensors(*file), info};
  }
  if (path.extension() == ".safetensors") return {read_safetensors(path).tensors, std::nullopt};
  Adapter adapter = read_adapter(path, finder, bench.backbone->spec(), bench.setup.plugin->name);
  return {std::move(adapter.tensors), std::move(adapter.info)};
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
      {path.string() + " holds a computed value without what it was computed from", join(derived),
       "the tensors that are trained: " + join(missing),
       "name the folder of the run itself, whose checkpoint has them, or set the method so that it trains the value "
       "directly (`peft-bench methods` lists its parameters)"});
}

}  // namespace

std::string hash_of_start(const fs::path& path) {
  std::vector<fs::path> files;
  if (const auto checkpoint = checkpoint_of(path)) {
    files = {*checkpoint};
  } else if (const fs::path adapter = adapter_folder(path); file_exists(adapter / "adapter.safetensors")) {
    files = {adapter / "adapter.safetensors"};
  } else if (is_foreign_adapter(path)) {
    files = foreign_files(path);
  } else {
    files = {path};
  }
  Sha256 hash;
  for (const fs::path& file : files) {
    if (!file_exists(file))
      throw CheckpointError({"there is nothing to begin from", path.string(),
                             "the folder of a run or of an adapter, a .safetensors or a .npy", "correct --init-from"});
    hash.update(MappedFile::open(file)->text());
  }
  return hash.hex();
}

void begin_from(const fs::path& path, const Workbench& bench, const PluginFinder& finder, CompiledPlan& plan,
                const std::function<void(std::string)>& warn) {
  const Start start = read_start(path, bench, finder);
  const std::string& method = bench.setup.plugin->name;
  if (start.info && start.info->method != method)
    throw CheckpointError({path.string() + " is of another method", start.info->method, method,
                           "name an adapter of " + method + ", or train " + start.info->method});
  refuse_lost_sources(path, start.tensors, plan);
  TensorMap training = start.tensors;
  for (const auto& slot : plan.slots())
    if (slot->role == Role::derived) training.erase(slot->name);
  try {
    plan.load_training(training);
  } catch (const CheckpointError& error) {
    const std::string set = start.info ? differing(start.info->values, bench.setup.config.values) : std::string();
    if (set.empty()) throw;
    throw CheckpointError({error.what(), {}, {}, "it was made with other parameters: " + set});
  }
  if (start.info) {
    if (const std::string set = differing(start.info->values, bench.setup.config.values); !set.empty())
      warn("the values that training begins from were made with other parameters: " + set);
  }
  const std::string& checksum = start.info ? start.info->backbone_checksum : std::string();
  if (!checksum.empty() && checksum != bench.checksum)
    warn("training begins from an adapter of another backbone, " + start.info->backbone);
}

}  // namespace peftbench
