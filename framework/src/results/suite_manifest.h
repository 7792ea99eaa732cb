#pragma once

#include "core/files.h"
#include "results/run_record.h"

#include <cstdint>
#include <string>
#include <vector>

namespace peftbench {

// One run of a suite. What came of it stands in the run's record; here stands what a record cannot tell.
struct SuiteCell {
  std::string row;  // label in the table
  std::string method, task, backbone;
  std::uint64_t seed = 0;
  std::string run;      // id of the run
  std::string message;  // how its process ended, where that was not well; empty otherwise
};

// Which runs of a folder belong to a suite, in the table's order: <runs>/<name>.suite/suite.json.
struct SuiteManifest {
  static constexpr int schema = 1;
  std::string name;
  std::string file;  // the suite's YAML
  std::vector<SuiteCell> cells;
};

// The folder of a suite's own files among its runs.
fs::path suite_folder(const fs::path& runs, const std::string& name);

void write_manifest(const fs::path& runs, const SuiteManifest& manifest);
// Throws DataError where there is none, naming those there are, or where it is damaged.
SuiteManifest read_manifest(const fs::path& runs, const std::string& name);

}  // namespace peftbench
