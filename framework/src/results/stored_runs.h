#pragma once

#include "results/layer.h"
#include "results/result_store.h"

#include <string>
#include <vector>

namespace peftbench::results {

// A run of a folder, for reports.
struct StoredRun {
  RunRecord record;  // its status is "stopped" if the record says "running" but no process works on it
  RunFolder folder;
  std::vector<std::string> notes;  // of its copies in other folders, which do not count
};

// A folder whose record cannot be read.
struct UnreadableRun {
  std::string folder;  // its name
  std::string message;
};

// All runs of a folder. Runs are identified by their records, not by folder names: each id occurs once.
struct StoredRuns {
  std::vector<StoredRun> runs;  // by id
  std::vector<UnreadableRun> unreadable;

  const StoredRun* find(const std::string& id) const;
  // With all its files as they were written.
  bool has_finished(const std::string& id) const;
};

// No record's fault is thrown: one that is damaged leaves the others readable.
StoredRuns read_runs(const fs::path& folder);

}  // namespace peftbench::results
