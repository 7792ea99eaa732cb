#pragma once

#include "data/layer.h"
#include "data/readers/rows.h"

#include <memory>
#include <string>
#include <vector>

namespace peftbench::data {

// Rows that a user gives, which are no task's: their fields have the names that the task uses.
struct RowInput {
  std::string file;    // "-": standard input
  std::string format;  // csv, tsv, jsonl, json, parquet or lines; empty: by the ending of the file's name
};

bool is_lines(const RowInput& input);  // plain text, a row on each line

// `line_names`: the names of the value of a line, of plain text. Throws ConfigError for an unknown format, DataError
// if there is nothing to read.
std::unique_ptr<RowReader> open_rows(const RowInput& input, const std::vector<std::string>& line_names);

}  // namespace peftbench::data
