#include "run/finished_run.h"

#include "adapters/adapter.h"

#include "core/first_line.h"
#include "core/json.h"
#include "results/run_lock.h"
#include "train/tensorboard_log.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

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

// As the first line of predictions.jsonl has it; nothing if there is none.
std::optional<KeepInputs> kept_inputs(const fs::path& predictions) {
  if (!file_exists(predictions)) return std::nullopt;
  LineReader lines(predictions);
  std::string text;
  if (!lines.next(text)) return std::nullopt;
  const auto line = parse_json<nlohmann::json>(text, predictions.string());
  return line.contains("input") ? KeepInputs::text : line.contains("input_hash") ? KeepInputs::hash : KeepInputs::none;
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
  return first_line(fault);
}

void follow_options(const RunFolder& folder, const RunOptions& options, ProgressSink& progress) {
  if (options.log.tensorboard) TensorBoardLog(folder.tensorboard()).follow(folder.log());
  const std::optional<KeepInputs> kept = kept_inputs(folder.predictions());
  if (kept && *kept != options.eval.keep_inputs)
    progress.note("note: the predictions of this run were written with " + std::string(option_key::keep_inputs) + "=" +
                  std::string(enum_name(*kept)) + "; --again writes them with " +
                  std::string(enum_name(options.eval.keep_inputs)));
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
