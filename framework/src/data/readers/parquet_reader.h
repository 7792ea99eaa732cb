#pragma once

#include "data/layer.h"
#include "data/readers/rows.h"

namespace peftbench::data {

// The rows of a parquet file, each as the JSON object that it is in the hub's view of it. A build without Apache Arrow
// has in place of it a ConfigError that says what is missing (parquet_absent.cpp).
std::unique_ptr<RowReader> open_parquet(const fs::path& file, std::vector<std::string> records, RowLimits limits);

bool reads_parquet();  // whether this build does

}  // namespace peftbench::data
