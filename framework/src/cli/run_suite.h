#pragma once

#include "cli/layer.h"
#include "commands/suite.h"
#include "report/comparison_report.h"

#include <string>

namespace peftbench::cli {

// Runs a suite, or the suite of a search, and prints its table; with `dry` only what would be run. `options`: of the
// table. `file`: what is written into the suite's file once it is resolved; empty: it is there. Returns the exit
// status.
int resolve_and_run(const SuiteRequest& request, bool dry, bool as_json, PageOptions options,
                    const std::string& file = {});

}  // namespace peftbench::cli
