#include "run/continue_from.h"

#include "core/hash.h"
#include "core/names.h"
#include "core/option_keys.h"
#include "core/write_files.h"
#include "results/run_lock.h"
#include "train/checkpoint.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>
#include <string_view>

namespace peftbench::run {
namespace {

constexpr std::string_view may_differ[] = {"device", option_key::backend, option_key::threads,
                                           option_key::continue_from};

// By the names of settings: those that must be the same.
nlohmann::json comparable(const nlohmann::json& identity) {
  const nlohmann::json flat = identity.flatten();
  nlohmann::json settings = nlohmann::json::object();
  for (const auto& [pointer, value] : flat.items()) {
    std::string name = pointer.substr(1);
    std::replace(name.begin(), name.end(), '/', '.');
    const bool differs = std::any_of(std::begin(may_differ), std::end(may_differ), [&](std::string_view key) {
      return name == key || name.starts_with(std::string(key) + ".");
    });
    if (!differs) settings[name] = value;
  }
  return settings;
}

void require_same_settings(const RunRecord& other, const nlohmann::json& identity) {
  const nlohmann::json now = comparable(identity), then = comparable(nlohmann::json(other.config));
  Names names;
  for (const auto& [key, value] : now.items())
    if (!then.contains(key) || then.at(key) != value) names.push_back(key);
  for (const auto& [key, value] : then.items())
    if (!now.contains(key)) names.push_back(key);
  if (names.empty()) return;
  throw ConfigError({.what = "continue_from: the run " + other.id + " has other settings",
                     .found = "different: " + join(names),
                     .expected = "the same settings but for those of the device, backbone.backend, and threads",
                     .remedy = "give the settings of its config.yaml: peft-bench --config FILE --continue-from RUN"});
}

}  // namespace

std::string hash_of_continued(const fs::path& other) { return read_record(RunFolder{other}.record()).config_hash; }

Continued take_over(const fs::path& other, const Workbench& bench, const RunFolder& own) {
  const RunFolder source{other};
  const RunLock lock(source);
  const RunRecord record = read_record(source.record());
  const nlohmann::json identity = bench.identity();
  require_same_settings(record, identity);
  const std::optional<TrainState> state = CheckpointStore(source.checkpoint(), record.config_hash).load();
  if (!state)
    throw CheckpointError({.what = "continue_from: the run " + record.id + " has no checkpoint yet",
                           .expected = "a run that was stopped after train.checkpoint_every steps or more",
                           .remedy = "leave out continue_from"});
  // The log first: a checkpoint knows a position in it.
  const auto logged = static_cast<std::size_t>(state->progress.value("log", std::int64_t{0}));
  if (logged > 0) write_atomically(own.log(), MappedFile::open(source.log())->text().substr(0, logged));
  CheckpointStore(own.checkpoint(), sha256(identity.dump())).save(*state);
  return {record.id, record.machine.device.empty() ? "cpu" : record.machine.device, state->step};
}

}  // namespace peftbench::run
