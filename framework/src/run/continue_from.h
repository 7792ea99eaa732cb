#pragma once

#include "results/result_store.h"
#include "run/layer.h"
#include "run/workbench.h"

#include <cstdint>
#include <string>

namespace peftbench::run {

// Training that goes on where another run stands (run option continue_from): its settings are the same but for the
// device, its arithmetic, the backend and the threads.

// What the identity of the new run has of the other: the hash of that one's identity. Throws DataError.
std::string hash_of_continued(const fs::path& other);

struct Continued {
  std::string run, device;  // the other's id, and where it was trained
  std::int64_t step = 0;    // that its checkpoint holds
};

// Copies the other run's checkpoint and log into the folder of the bench's run. Throws ConfigError, naming the
// settings that differ, CheckpointError where there is no checkpoint, and DataError where that run is under way.
Continued take_over(const fs::path& other, const Workbench& bench, const RunFolder& own);

}  // namespace peftbench::run
