#pragma once

#include "report/layer.h"
#include "report/page/page_data.h"

#include <string>
#include <string_view>

namespace peftbench::report {

// One file for a browser: tables, plots and answers, which needs and loads nothing besides. Its scripts are allowed by
// their hashes alone; without them it is tables and static plots. Under 1 MB for 1,000 runs.
std::string render_page(const PageData& data);

// 'sha256-…' of a script, as a content security policy names it.
std::string script_hash(std::string_view script);

}  // namespace peftbench::report
