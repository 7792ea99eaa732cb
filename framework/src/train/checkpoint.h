#pragma once

#include "core/files.h"
#include "plan/compiled_plan.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>

namespace peftbench {

// All that is needed to go on to the same bits.
struct TrainState {
  std::int64_t step = 0;    // steps done
  nlohmann::json progress;  // best so far, history, counters, position of the log: the trainer's own
  TensorMap parameters;     // CompiledPlan::training()
  TensorMap optimizer;      // Optimizer::state()
  TensorMap best;           // CompiledPlan::training() at the best evaluation; empty before the first
  TensorMap seen;           // which elements had a gradient, while that is being measured
};

// One file a checkpoint, written under another name and renamed. The one before it is kept, so that a file which
// was damaged afterwards costs some steps and no more.
class CheckpointStore {
 public:
  // `run`: hash of what is trained; a checkpoint of something else is refused.
  CheckpointStore(fs::path folder, std::string run);
  void save(const TrainState& state) const;
  // Nothing where there is none. Throws CheckpointError if none of those there can be used.
  std::optional<TrainState> load() const;
  void clear() const;

 private:
  TrainState read(const fs::path& file) const;
  fs::path current() const { return folder_ / "train.safetensors"; }
  fs::path previous() const { return folder_ / "train.previous.safetensors"; }
  fs::path folder_;
  std::string run_;
};

}  // namespace peftbench
