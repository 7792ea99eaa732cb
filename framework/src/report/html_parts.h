#pragma once

#include "report/layer.h"
#include "report/table.h"

#include <string>

namespace peftbench::report {

// The table and its caption, in a region that scrolls. `attributes` are of that region.
std::string html_table(const Table& table, const std::string& attributes = {});

// The lines below it.
std::string html_notes(const Table& table);

// Both, in a section.
std::string html_section(const Table& table, const std::string& attributes = {});

}  // namespace peftbench::report
