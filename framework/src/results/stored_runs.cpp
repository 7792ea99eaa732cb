#include "results/stored_runs.h"

#include "results/run_lock.h"

#include <peftbench/error.h>

#include <algorithm>
#include <map>

namespace peftbench::results {
namespace {

struct Copy {
  RunFolder folder;
  RunRecord record;
};

// The one that counts: the folder that the program made, else one that has finished, else the first.
const Copy& counted(const std::string& id, const std::vector<Copy>& copies) {
  for (const Copy& copy : copies)
    if (copy.folder.path.filename() == id) return copy;
  for (const Copy& copy : copies)
    if (copy.record.status == "finished") return copy;
  return copies.front();
}

std::string note_of(const Copy& copy, const Copy& counted) {
  const std::string folder = copy.folder.path.filename().string(), kept = counted.folder.path.filename().string();
  if (to_json(copy.record) == to_json(counted.record))
    return "'" + folder + "' is a copy of the run in '" + kept + "', and is not counted again";
  return "'" + folder + "' contains a different record of the run in '" + kept + "' (" + copy.record.status + ", not " +
         counted.record.status + ", or with other numbers): it is not counted";
}

}  // namespace

const StoredRun* StoredRuns::find(const std::string& id) const {
  const auto run = std::lower_bound(runs.begin(), runs.end(), id, [](const StoredRun& stored, const std::string& to) {
    return stored.record.id < to;
  });
  return run != runs.end() && run->record.id == id ? &*run : nullptr;
}

bool StoredRuns::has_finished(const std::string& id) const {
  const StoredRun* run = find(id);
  return run && run->record.status == "finished" && damage_of(run->folder, run->record).empty();
}

StoredRuns read_runs(const fs::path& folder) {
  StoredRuns stored;
  std::map<std::string, std::vector<Copy>> by_id;
  for (const std::string& name : run_folders(folder)) {
    const RunFolder place{folder / name};
    try {
      RunRecord record = read_record(place.record());
      by_id[record.id].push_back({place, std::move(record)});
    } catch (const Error& fault) {
      stored.unreadable.push_back({name, fault.what()});
    }
  }
  for (const auto& [id, copies] : by_id) {
    const Copy& kept = counted(id, copies);
    StoredRun run{kept.record, kept.folder, {}};
    run.record.status = status_of(kept.folder, kept.record);
    for (const Copy& copy : copies)
      if (&copy != &kept) run.notes.push_back(note_of(copy, kept));
    stored.runs.push_back(std::move(run));
  }
  return stored;
}

}  // namespace peftbench::results
