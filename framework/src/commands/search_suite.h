#pragma once

#include "commands/layer.h"
#include "commands/suite_spec.h"

#include <cstdint>
#include <string>
#include <vector>

namespace peftbench::commands {

// A search of one method on one task.
struct SearchRequest {
  std::string method, task, backbone;  // empty: what configs/defaults.yaml says
  SearchSpec search;
  std::vector<std::uint64_t> seeds;  // of the final runs
  std::int64_t threads = 0;          // of each run; 0: the processors, divided by --jobs
  fs::path out = "runs";
};

// As a suite of one row, whose file is <out>/<name>.suite/<name>.yaml; the name consists of those of the request.
// Throws ConfigError.
SuiteSpec search_suite(const SearchRequest& request);
// That file: reading it gives the same suite. `report --suite` and `compare` find it by its name.
std::string text_of_suite(const SuiteSpec& suite);

}  // namespace peftbench::commands
