#include "report/page/plot_library.h"

namespace peftbench::report {

std::optional<PlotLibrary> read_plot_library(const fs::path& folder) {
  const fs::path d3 = folder / "d3.min.js", plot = folder / "plot.umd.min.js", licences = folder / "LICENSES";
  if (!file_exists(d3) || !file_exists(plot) || !file_exists(licences)) return std::nullopt;
  return PlotLibrary{read_text(d3), read_text(plot), read_text(licences)};
}

}  // namespace peftbench::report
