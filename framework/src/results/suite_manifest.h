#pragma once

#include "core/files.h"
#include "results/layer.h"
#include "results/run_record.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::results {

// One run of a suite. Its results are in the run's record; this contains only information that the record lacks.
struct SuiteCell {
  std::string row;  // label in the table
  std::string method, task, backbone;
  std::uint64_t seed = 0;
  std::string run;                          // id of the run
  std::string message;                      // error message of its process; empty otherwise
  std::vector<std::string> otherwise = {};  // evaluation settings that differ from the suite's: results/evaluation.h
};

// The options of a command in addition to the suite's file.
struct SuiteCommand {
  std::string file;                   // the suite's YAML, absolute
  std::vector<std::string> settings;  // of --set
  std::vector<std::uint64_t> seeds;   // of --seeds; empty: the file's
  std::int64_t threads = 0;           // of a run whose settings do not say it: the processor's, by --jobs
  bool operator==(const SuiteCommand&) const = default;
};

// The runs started by a suite's commands, and these commands: <runs>/<name>.suite/suite.json. The rows of the
// suite are defined in its file; this contains only information that neither the file nor a record has.
struct SuiteManifest {
  static constexpr int schema = 1;
  std::string name;
  std::vector<SuiteCell> cells = {};
  std::vector<SuiteCommand> commands = {};  // the latest last
};

// The folder of a suite's own files among its runs.
fs::path suite_folder(const fs::path& runs, const std::string& name);

// Adds to the existing contents: other commands of the same suite, also concurrent ones, have their own cells.
void add_to_manifest(const fs::path& runs, const SuiteManifest& manifest);
// Nothing if there is none. Throws DataError if it is damaged.
std::optional<SuiteManifest> find_manifest(const fs::path& runs, const std::string& name);

}  // namespace peftbench::results
