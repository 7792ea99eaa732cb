// sample_page FOLDER [LIBRARY]: writes pages of made-up rows for page_test.py, with the plot library of that folder.
#include "page/sample_rows.h"

#include "core/files.h"
#include "report/page/page_figures.h"
#include "report/page/plot_library.h"
#include "report/page/render_page.h"

#include <cstdio>
#include <exception>

int main(int count, char** words) {
  using namespace peftbench;
  try {
    if (count < 2) return 2;
    const core::fs::path folder = words[1];
    core::fs::create_directories(folder / "figures");
    const auto write = [&](const char* name, report::PageData data) {
      if (count > 2) data.library = report::read_plot_library(words[2]);
      core::write_atomically(folder / name, report::render_page(data));
    };
    const report::PageData small = page_test::sample_page(2, 12, 5);
    write("page.html", small);
    core::write_atomically(folder / "static.html", report::render_page(small));
    write("large.html", page_test::sample_page(8, 25, 5));
    write("long.html", page_test::sample_page(2, 500, 1));
    for (const report::Figure& figure : report::figures(small, report::SvgUse::file))
      core::write_atomically(folder / "figures" / (figure.name + ".svg"), figure.svg);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
