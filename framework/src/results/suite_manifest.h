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
  // Of a search: which trial this run is, from 1, and at which of its numbers of steps (from 0). 0: a final run.
  std::int64_t trial = 0, rung = 0;
  Json values = Json::object();  // by setting: those of the trial, or those that were chosen for the final run
};

// The search of one row on one task and backbone.
struct SuiteSearch {
  std::string row, method, task, backbone;
  std::string sampler;  // sobol, random
  std::uint64_t seed = 0;
  std::int64_t trials = 0, halving = 0;  // halving: of the trials of each rung one in so many goes on; 0: none
  Json space = Json::object();           // by setting: {"log": [low, high]}, {"choices": ["4", "8"]}
  std::int64_t chosen = 0;               // the trial whose values the final runs have; 0: not known yet
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
  std::vector<SuiteSearch> searches = {};
  std::vector<SuiteCell> trials = {};  // the runs of searches that are known so far
};

// Whether they are of one row, task and backbone: cells and searches.
template <class A, class B>
bool same_row(const A& a, const B& b) {
  return a.row == b.row && a.task == b.task && a.backbone == b.backbone;
}

// The folder of a suite's own files among its runs.
fs::path suite_folder(const fs::path& runs, const std::string& name);

// Adds to the existing contents: other commands of the same suite, also concurrent ones, have their own cells.
void add_to_manifest(const fs::path& runs, const SuiteManifest& manifest);
// Nothing if there is none. Throws DataError if it is damaged.
std::optional<SuiteManifest> find_manifest(const fs::path& runs, const std::string& name);

}  // namespace peftbench::results
