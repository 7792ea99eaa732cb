#pragma once

#include "cli/layer.h"
#include "commands/suite_power.h"

#include <string>

namespace peftbench::cli {

// What differences a suite can detect, as text below the table of --dry-run; empty where nothing is compared.
std::string power_text(const SuitePower& power);

}  // namespace peftbench::cli
