#pragma once

#include "commands/layer.h"
#include "commands/suite.h"

#include <string>
#include <vector>

namespace peftbench::commands {

// What `report --suite` was given. Settings and seeds that it was not given are those of the suite's commands.
struct SuiteLookup {
  Paths paths;
  std::string suite;  // a file, a name in configs/suites, or one that was run into `out`
  fs::path out;
  std::vector<std::uint64_t> seeds;
  std::vector<Setting> settings;
};

struct FoundSuite {
  SuiteManifest manifest;            // the runs of the current file
  std::vector<std::string> notes;    // notes on options of earlier commands
  std::vector<std::string> columns;  // of the file, and where it has them
  std::string columns_place;
};

// The suite's file decides which runs there are; those that nobody began are among them. Throws ConfigError if the
// file cannot be resolved.
FoundSuite find_suite(const SuiteLookup& lookup, const StoredRuns& stored);

}  // namespace peftbench::commands
