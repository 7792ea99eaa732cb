#include "train/checkpoint.h"

#include "backbone/safetensors.h"

#include <peftbench/error.h>

#include <system_error>
#include <utility>

namespace peftbench {

namespace {

constexpr const char* format = "peftbench-train-1";

void put(TensorMap& all, const std::string& part, const TensorMap& tensors) {
  for (const auto& [name, tensor] : tensors) all.emplace(part + "/" + name, tensor.detach());
}

TensorMap take(const TensorMap& all, const std::string& part) {
  TensorMap tensors;
  for (auto entry = all.lower_bound(part + "/"); entry != all.end() && entry->first.starts_with(part + "/"); ++entry) {
    // Cloned, because the file stays mapped and read-only and is replaced at the next checkpoint.
    tensors.emplace(entry->first.substr(part.size() + 1), entry->second.clone());
  }
  return tensors;
}

}  // namespace

CheckpointStore::CheckpointStore(fs::path folder, std::string run) : folder_(std::move(folder)), run_(std::move(run)) {}

void CheckpointStore::save(const TrainState& state) const {
  fs::create_directories(folder_);
  std::error_code none;
  // Killed between the two renames: `previous` is there, and load takes it.
  fs::rename(current(), previous(), none);
  TensorMap all;
  put(all, "parameters", state.parameters);
  put(all, "optimizer", state.optimizer);
  put(all, "best", state.best);
  put(all, "seen", state.seen);
  const nlohmann::json about = {{"format", format}, {"run", run_}, {"step", state.step}, {"progress", state.progress}};
  write_safetensors(current(), all, {{"peftbench", about.dump()}});
}

TrainState CheckpointStore::read(const fs::path& file) const {
  const TensorFile content = read_safetensors(file);
  const auto found = content.metadata.find("peftbench");
  const auto about = nlohmann::json::parse(found == content.metadata.end() ? "" : found->second, nullptr, false);
  if (about.is_discarded() || about.value("format", "") != format || about.value("run", "") != run_) {
    throw CheckpointError({"the checkpoint is not one of this run", file.string(), "a checkpoint of run " + run_,
                           "remove " + file.string() + " to train from the start"});
  }
  TrainState state;
  state.step = about.at("step").get<std::int64_t>();
  state.progress = about.at("progress");
  state.parameters = take(content.tensors, "parameters");
  state.optimizer = take(content.tensors, "optimizer");
  state.best = take(content.tensors, "best");
  state.seen = take(content.tensors, "seen");
  return state;
}

std::optional<TrainState> CheckpointStore::load() const {
  const bool has_current = fs::exists(current()), has_previous = fs::exists(previous());
  if (!has_current && !has_previous) return std::nullopt;
  if (!has_previous) return read(current());
  if (!has_current) return read(previous());
  try {
    return read(current());
  } catch (const CheckpointError&) {
    return read(previous());  // damaged on the disk: the one before it is as good a start
  }
}

void CheckpointStore::clear() const {
  std::error_code none;
  fs::remove(current(), none);
  fs::remove(previous(), none);
}

}  // namespace peftbench
