#pragma once

#include "cli/layer.h"
#include "report/column_choice.h"

#include <string>
#include <vector>

namespace peftbench::cli {

inline constexpr const char* columns_flag_help =
    "columns of the tables, separated by commas; +NAME adds to the default ones; 'help' lists them";

// `--columns help` prints all columns. Whether the words ask for it.
bool lists_columns(const std::vector<std::string>& words);

// Those of the flag, else those of a suite's file. Throws ConfigError.
ColumnChoice chosen_columns(const std::string& flag, const std::vector<std::string>& of_file, const std::string& place);

}  // namespace peftbench::cli
