#pragma once

#include "core/files.h"
#include "formats/safetensors.h"
#include "plan/compiled_plan.h"
#include "train/layer.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace peftbench::train {

// All that is needed to go on to the same bits.
struct TrainState {
  std::int64_t step = 0;  // steps done
  nlohmann::json
      progress;  // best so far, history, counters, position of the log: the trainer's own; its numbers may be NaN
  TensorMap parameters;  // CompiledPlan::training()
  TensorMap optimizer;   // Optimizer::state()
  TensorMap best;        // CompiledPlan::training() at the best evaluation; empty before the first
  TensorMap seen;        // which elements had a gradient, while that is being measured
  std::string warning;   // of load: why it is not the newest one; empty: it is
};

// A checkpoint's tensors ("parameters/NAME", "best/NAME", …) and metadata, compared with the SHA-256 that it carries.
// Throws CheckpointError. Those of older versions carry none.
TensorFile read_checkpoint(const fs::path& file);
// The same of a file that was read already.
TensorFile checked_checkpoint(TensorFile content, const fs::path& file);

bool is_checkpoint(const TensorFile& file);

// The trained tensors of a checkpoint by their own names: those of the best evaluation, else of the last step. Empty
// where it holds neither. Throws CheckpointError.
TensorMap read_trained(const fs::path& checkpoint);
TensorMap trained_of(TensorFile content, const fs::path& checkpoint);

// The paths of a run's checkpoints, in order of preference.
std::vector<fs::path> checkpoint_files(const fs::path& folder);
bool has_checkpoint(const fs::path& folder);

// One file per checkpoint. A new one is written and flushed before the last one becomes the previous
// one, so at every moment one of them is whole. The previous one is kept for the case that the last one is damaged
// afterwards: that costs some steps and no more.
class CheckpointStore {
 public:
  // `run`: hash of the run's identity; checkpoints of other runs are refused.
  CheckpointStore(fs::path folder, std::string run);
  void save(const TrainState& state);
  // The newest undamaged one. Nothing if there is none at all. Throws CheckpointError if none of those there
  // can be used.
  std::optional<TrainState> load();

 private:
  TrainState read(const fs::path& file) const;
  fs::path current() const { return folder_ / "train.safetensors"; }
  fs::path next() const { return folder_ / "train.next.safetensors"; }  // of a process that was killed
  fs::path previous() const { return folder_ / "train.previous.safetensors"; }
  fs::path folder_;
  std::string run_;
  std::optional<bool> current_is_whole_;  // nothing: not known yet
};

}  // namespace peftbench::train
