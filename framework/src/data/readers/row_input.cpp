#include "data/readers/row_input.h"

#include "core/names.h"
#include "data/readers/line_rows.h"
#include "data/readers/text_source.h"

#include <peftbench/error.h>

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace peftbench::data {
namespace {

constexpr std::pair<const char*, SourceFormat> input_formats[] = {{"csv", SourceFormat::csv},
                                                                  {"tsv", SourceFormat::tsv},
                                                                  {"jsonl", SourceFormat::jsonl},
                                                                  {"json", SourceFormat::json},
                                                                  {"parquet", SourceFormat::parquet}};

bool is_stdin(const RowInput& input) { return input.file == "-"; }

std::optional<SourceFormat> format_given(const RowInput& input) {
  if (input.format.empty()) return std::nullopt;
  std::vector<std::string> names;
  for (const auto& [name, format] : input_formats) {
    if (input.format == name) return format;
    names.emplace_back(name);
  }
  names.emplace_back("lines");
  throw ConfigError(
      {"--format: unknown format", input.format, "one of " + join(names), did_you_mean(input.format, names)});
}

}  // namespace

bool is_lines(const RowInput& input) {
  if (!input.format.empty()) return input.format == "lines";
  return !is_stdin(input) && text_ending(input.file) == ".txt";
}

std::unique_ptr<RowReader> open_rows(const RowInput& input, const std::vector<std::string>& line_names) {
  const std::string name = is_stdin(input) ? "standard input" : input.file;
  const int stream = is_stdin(input) ? STDIN_FILENO : no_stream;
  if (is_lines(input)) return std::make_unique<LineRows>(name, line_names, stream);
  SourceSpec source;
  source.format = format_given(input);
  if (is_stdin(input)) {
    if (!source.format)
      throw ConfigError({"the format of standard input is unknown", "- without --format",
                         "--format csv, tsv, jsonl or lines", "add --format"});
    return RowReader::of_stream(stream, name, source);
  }
  const std::string ending = text_ending(input.file);
  const bool known = std::any_of(std::begin(input_formats), std::end(input_formats),
                                 [&](const auto& format) { return ending == std::string(".") + format.first; });
  if (!source.format && !known && ending != ".ndjson")
    throw ConfigError({"the format of " + input.file + " is unknown",
                       ending.empty() ? "a name without an extension" : "the extension " + ending,
                       ".csv, .tsv, .jsonl, .json, .txt (each also with .gz after it), or .parquet", "add --format"});
  return RowReader::open(input.file, source);
}

}  // namespace peftbench::data
