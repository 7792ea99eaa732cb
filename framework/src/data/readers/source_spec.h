#pragma once

#include "core/yaml.h"
#include "data/layer.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace peftbench::data {

enum class SourceFormat : std::uint8_t { csv, tsv, jsonl, json, parquet };

// What a row may take. A file in which a quote is never closed ends here, not when memory does.
struct RowLimits {
  std::size_t bytes = max_row_bytes;  // of a line, a row or a record
  std::size_t columns = 100'000;
};

// One alternative location and format of a task's data, and how its rows are read.
struct SourceSpec {
  std::optional<SourceFormat> format;        // by the file's ending if not given
  std::optional<char> delimiter;             // by the format if not given
  std::optional<std::optional<char>> quote;  // the inner one is empty if quotes are plain characters
  std::vector<std::string> columns;          // names, instead of the header's
  bool header = true;                        // the first row holds names
  RowLimits limits;                          // change no value, so they are not part of source_json
  bool skip_short_rows = false;              // skip delimited rows with too few columns, and ignore extra columns
  std::vector<std::string> records;          // keys to the list of the rows; empty: the document itself
  std::vector<std::pair<std::string, std::string>> rename;  // a field's name to the task, its name in the file
  std::vector<std::string> hub;                             // data sets whose files in the hub's cache these may be
  std::vector<std::string> folders;                         // of the data folder in which they may lie
  std::vector<std::string> train, validation, test;         // files, or patterns of their names
  std::vector<SourceSpec> any;  // alternatives; the first with all files is used, and this object's own files are not
  std::string advice;           // how a user gets the data
  std::string place;
};

// Reads the value of the key 'source' and throws ConfigError.
SourceSpec parse_source(const Yaml& yaml);

// The alternatives in order: `any`, or the source itself.
std::vector<SourceSpec> ways_of(const SourceSpec& source);

// All of it as JSON text with defaults filled in: equal sources give equal text.
std::string source_json(const SourceSpec& source);

}  // namespace peftbench::data
