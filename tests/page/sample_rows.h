#pragma once

#include "report/page/page_data.h"

#include <cstddef>

namespace peftbench::page_test {

// A page of made-up rows: `methods` on each of `tasks`, with `seeds` runs each; the same for the same numbers. Names of
// the first method and of an answer are markup.
report::PageData sample_page(std::size_t tasks, std::size_t methods, std::size_t seeds);

}  // namespace peftbench::page_test
