#pragma once

#include "results/result_store.h"
#include "run/layer.h"
#include "run/workbench.h"

#include <optional>
#include <string>

namespace peftbench::run {

// Why a run that has finished does not count: a file that is missing or has other bytes than its record says, or an
// adapter's description that was changed. Empty: it is whole.
std::string damage_of_finished(const RunFolder& folder, const RunRecord& finished, const PluginFinder& finder);

// A run that is there already.
struct FoundRun {
  RunRecord record;
  RunFolder folder;
};

// What is written beside results may be asked for otherwise than when the run finished: the event file of TensorBoard
// is brought in line with the log, and a note says that predictions.jsonl keeps inputs as they were asked for then.
void follow_options(const RunFolder& folder, const RunOptions& options, ProgressSink& progress);

// The run of this setup under `out`, if it has finished and is whole. Opens no weights: nothing where they would have
// to be read for its id, where no such run is there, or where it is for a new run to say what is wrong with it.
std::optional<FoundRun> find_finished(const fs::path& out, Resources& resources, const Setup& setup,
                                      ProgressSink& progress);

}  // namespace peftbench::run
