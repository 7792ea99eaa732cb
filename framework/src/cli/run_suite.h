#pragma once

#include "cli/layer.h"
#include "commands/suite.h"
#include "report/comparison_report.h"

#include <string>

namespace peftbench::cli {

inline constexpr const char* page_flag_help = "also writes the table as a page with plots, as `report --format html`";

// How the command was given.
struct SuiteOutput {
  bool dry = false;  // only what would be run
  bool json = false;
  PageOptions table;
  std::string page;  // the page with the plots is written here too; empty: it is not
  std::string file;  // what is written into the suite's file once it is resolved; empty: it is there
};

// Runs a suite, or the suite of a search, and prints its table. Returns the exit status.
int resolve_and_run(const SuiteRequest& request, SuiteOutput output);

}  // namespace peftbench::cli
