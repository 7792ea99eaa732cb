#pragma once

#include "core/files.h"
#include "report/layer.h"
#include "report/page/page_data.h"

#include <optional>

namespace peftbench::report {

// Observable Plot and D3 as tools/setup.sh puts them into a folder; nothing where they are not. Throws DataError if one
// of the files cannot be read.
std::optional<PlotLibrary> read_plot_library(const fs::path& folder);

}  // namespace peftbench::report
