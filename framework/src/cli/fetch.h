#pragma once

#include "cli/layer.h"
#include "config/paths.h"

#include <string>
#include <vector>

namespace peftbench::cli {

// Runs tools/fetch-data of the home folder for these tasks or recipes, into the data folder, its output being ours.
// Returns its exit status. Throws ConfigError for tasks whose data it cannot get.
int fetch_data(const std::vector<std::string>& names, const Paths& paths);
int list_recipes(const Paths& paths);  // what fetch_data knows, and what of it is here

// These places, with data fetched that a task needs and that is not there (Paths::fetch).
Paths fetching(Paths paths);

}  // namespace peftbench::cli
