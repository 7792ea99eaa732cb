#include "run/finished_run.h"

#include "adapters/adapter.h"

#include "results/run_lock.h"

#include <peftbench/error.h>

namespace peftbench::run {

namespace {

// Computing an id reads the task's data, so it is asked first whether any run can have it.
bool has_runs_of(const fs::path& out, const Setup& setup) {
  const std::string beginning = setup.plugin->name + "-";
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(out, error))
    if (entry.path().filename().string().starts_with(beginning) && file_exists(entry.path() / "record.json"))
      return true;
  return false;
}

}  // namespace

std::string damage_of_finished(const RunFolder& folder, const RunRecord& finished, const PluginFinder& finder) {
  std::string fault = damage_of(folder, finished);
  if (!fault.empty() || finished.adapter_hash.empty()) return fault;
  try {
    read_adapter_info(folder.adapter(), finder);
  } catch (const UserError& error) {
    fault = error.what();
  }
  return fault.substr(0, fault.find('\n'));
}

std::optional<FoundRun> find_finished(const fs::path& out, Resources& resources, const Setup& setup,
                                       ProgressSink& progress) {
  if (!has_runs_of(out, setup)) return std::nullopt;
  if (!resources.known_weights().has_checksum(setup.backbone.folder.value(), setup.config.load_options()))
    return std::nullopt;
  const ResultStore store(out);
  const std::string id = expected_run_id(resources, setup, &progress);
  const RunFolder folder = store.folder_of(id);
  try {
    const std::optional<RunRecord> record = store.find(id);
    if (!record || record->status != "finished" || is_running(folder)) return std::nullopt;
    if (!damage_of_finished(folder, *record, resources.finder()).empty()) return std::nullopt;
    return FoundRun{*record, folder};
  } catch (const DamagedRecord&) {
    return std::nullopt;
  }
}

}  // namespace peftbench::run
