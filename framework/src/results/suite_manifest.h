#pragma once

#include "core/files.h"
#include "results/run_record.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench {

// One run of a suite. What came of it stands in the run's record; here stands what a record cannot tell.
struct SuiteCell {
  std::string row;  // label in the table
  std::string method, task, backbone;
  std::uint64_t seed = 0;
  std::string run;                          // id of the run
  std::string message;                      // how its process ended, where that was not well; empty otherwise
  std::vector<std::string> otherwise = {};  // in what its row is scored otherwise than the suite: results/evaluation.h
};

// What a command gave beside the suite's file.
struct SuiteCommand {
  std::string file;                   // the suite's YAML, absolute
  std::vector<std::string> settings;  // of --set
  std::vector<std::uint64_t> seeds;   // of --seeds; empty: the file's
  std::int64_t threads = 0;           // of a run whose settings do not say it: the processor's, by --jobs
  bool operator==(const SuiteCommand&) const = default;
};

// The runs that commands of a suite began, and what those commands were: <runs>/<name>.suite/suite.json. Which rows the
// suite has stands in its file alone; here stands what neither that nor a record can tell.
struct SuiteManifest {
  static constexpr int schema = 1;
  std::string name;
  std::vector<SuiteCell> cells = {};
  std::vector<SuiteCommand> commands = {};  // the latest last
};

// The folder of a suite's own files among its runs.
fs::path suite_folder(const fs::path& runs, const std::string& name);

// Adds to what is there: another command of the same suite, at the same time too, has its own cells in it.
void add_to_manifest(const fs::path& runs, const SuiteManifest& manifest);
// Nothing where there is none. Throws DataError where it is damaged.
std::optional<SuiteManifest> find_manifest(const fs::path& runs, const std::string& name);

}  // namespace peftbench
