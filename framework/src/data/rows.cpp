#include "data/rows.h"

#include "core/utf8.h"
#include "data/delimited_reader.h"
#include "data/jsonl_reader.h"

#include <peftbench/error.h>

#include <algorithm>

namespace peftbench {

namespace {

SourceFormat format_of(const fs::path& file, const SourceSpec& source) {
  if (source.format) return *source.format;
  const std::string ending = file.extension().string();
  if (ending == ".csv") return SourceFormat::csv;
  if (ending == ".tsv") return SourceFormat::tsv;
  if (ending == ".jsonl" || ending == ".ndjson") return SourceFormat::jsonl;
  throw ConfigError(Problem{source.place + ": the format of " + file.filename().string() + " is not known",
                            ending.empty() ? "a name without an ending" : "the ending " + ending,
                            ".csv, .tsv or .jsonl",
                            "add 'format: csv', 'format: tsv' or 'format: jsonl' to the source"});
}

}  // namespace

RowReader::~RowReader() = default;

std::unique_ptr<RowReader> RowReader::open(const fs::path& file, const SourceSpec& source) {
  const SourceFormat format = format_of(file, source);
  const auto refuse = [&](const std::string& what, const std::string& found) {
    throw DataError(Problem{file.string() + ": " + what, found, "a file of rows", {}});
  };
  if (!fs::is_regular_file(file)) refuse("not a file", fs::is_directory(file) ? "a folder" : "something else");
  if (!std::ifstream(file)) refuse("cannot be read", "no permission to read it");
  if (fs::file_size(file) == 0) refuse("the file is empty", "0 bytes");
  if (format == SourceFormat::jsonl) return std::make_unique<JsonlReader>(file);
  // TSV has no quotes by custom (GLUE, this project's own files): text like 9" stands for itself.
  const bool csv = format == SourceFormat::csv;
  const std::optional<char> quote = source.quote ? *source.quote : csv ? std::optional<char>('"') : std::nullopt;
  return std::make_unique<DelimitedReader>(file, source.delimiter.value_or(csv ? ',' : '\t'), quote, source.columns,
                                           source.header);
}

std::string RowReader::place() const { return file_.string() + ":" + std::to_string(std::max<std::int64_t>(line_, 1)); }

void RowReader::fail(const std::string& what, const std::string& found, const std::string& expected,
                     const std::string& remedy) const {
  throw DataError(Problem{place() + ": " + what, found, expected, remedy});
}

void RowReader::check_utf8(std::string_view text) const {
  const std::optional<std::size_t> at = invalid_utf8(text);
  if (!at) return;
  fail("not UTF-8", "byte " + std::to_string(*at + 1) + " of " + printable(text.substr(*at > 20 ? *at - 20 : 0, 40)),
       "UTF-8 text", "convert the file: iconv -f latin1 -t utf-8 FILE > NEW (or from whatever it is in)");
}

}  // namespace peftbench
