#pragma once

#include "report/layer.h"
#include "report/page/page_data.h"
#include "report/table.h"

#include <cstddef>
#include <string>

namespace peftbench::report {

// How much of the data the page holds; what is left out is said on it.
struct PageLimits {
  std::size_t curve_points = 16'000;  // of all curves together, and two of each at least
  std::size_t pairs = 3'000;          // tests: of each table those of its best rows
  std::size_t answer_bytes = 150'000;
};

// What the page's scripts read (assets/*.js). Numbers have four digits that count; rows are named by their places.
Json page_json(const PageData& data, const PageLimits& limits = {});

// JSON for a <script> element: nothing in it ends the element or begins a comment.
std::string script_json(const Json& json);

// How many rows of each table have their tests in the page.
std::size_t matrix_rows_of(const PageData& data, const PageLimits& limits);

}  // namespace peftbench::report
