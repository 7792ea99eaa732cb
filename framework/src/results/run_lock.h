#pragma once

#include "core/descriptor.h"
#include "results/layer.h"
#include "results/result_store.h"

#include <string>

namespace peftbench::results {

// Keeps other processes out of a run's folder as long as it lives; the kernel lets go when the process dies. Both the
// folder and its file `lock` are locked: a folder's lock does not go when somebody removes the file, and some network
// file systems have locks of files alone.
class RunLock {
 public:
  explicit RunLock(const RunFolder& folder);  // Throws UserError if another process holds it

 private:
  Descriptor file_, folder_;
};

// A living process works on the run. A record's "running" without one is of a process that was killed.
bool is_running(const RunFolder& folder);

// What the record says, but "stopped" for a run whose process was killed.
std::string status_of(const RunFolder& folder, const std::string& recorded);

// What of a finished run is not as its record says: files that are missing or have other bytes. Empty: all is whole.
std::string damage_of(const RunFolder& folder, const RunRecord& record);

}  // namespace peftbench::results
