#pragma once

#include "results/layer.h"
#include "results/packed_record.h"
#include "results/result_store.h"

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace peftbench::results {

// A run of a folder, for reports.
struct StoredRun {
  std::string id;
  std::string status;  // that of the record; "stopped" if it says "running" but no process works on it
  RunFolder folder;
  std::vector<std::string> notes;  // of its copies in other folders, which do not count
  PackedRecord packed;

  // The record with the status above, made at each call. It lacks `details`, those of its tasks, and the `rows` of its
  // ledger: what needs them calls `load`.
  RunRecord record() const;
  RunRecord load() const;  // the whole record, from its file. Throws DataError
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

// When a folder has an index (results/run_index.h).
struct IndexUse {
  std::size_t from = 200;  // record files; fewer are read each time
  // A record that was changed so shortly before is read each time: within the resolution of a file's times it could
  // change again and look the same.
  std::chrono::nanoseconds settled = std::chrono::seconds(2);
};

// No record's fault is thrown: one that is damaged leaves the others readable. Throws DataError if the folder is there
// and cannot be listed.
StoredRuns read_runs(const fs::path& folder, const IndexUse& index = {});

}  // namespace peftbench::results
