#include "data/readers/rows.h"

#include "core/files.h"
#include "core/names.h"
#include "core/utf8.h"
#include "data/readers/delimited_reader.h"
#include "data/readers/json_reader.h"
#include "data/readers/jsonl_reader.h"
#include "data/readers/parquet_reader.h"
#include "data/readers/text_source.h"

#include <peftbench/error.h>

#include <algorithm>

namespace peftbench::data {

namespace {

SourceFormat format_of(const fs::path& file, const SourceSpec& source) {
  if (source.format) return *source.format;
  const std::string ending = text_ending(file);
  if (ending == ".csv") return SourceFormat::csv;
  if (ending == ".tsv") return SourceFormat::tsv;
  if (ending == ".jsonl" || ending == ".ndjson") return SourceFormat::jsonl;
  if (ending == ".json") return SourceFormat::json;
  if (ending == ".parquet") return SourceFormat::parquet;
  throw ConfigError(Problem{source.place + ": the format of " + file.filename().string() + " is unknown",
                            ending.empty() ? "a name without an extension" : "the extension " + ending,
                            ".csv, .tsv, .jsonl or .json (each also with .gz after it), or .parquet",
                            "add 'format: csv' (or tsv, jsonl, json, parquet) to the source"});
}

std::unique_ptr<RowReader> reader_of(const fs::path& file, const SourceSpec& source, int stream = no_stream) {
  const SourceFormat format = format_of(file, source);
  if (stream != no_stream && (format == SourceFormat::json || format == SourceFormat::parquet))
    throw ConfigError(Problem{file.string() + " cannot be read in this format",
                              format == SourceFormat::json ? "json" : "parquet", "csv, tsv or jsonl",
                              "write it to a file first"});
  if (format == SourceFormat::parquet) return open_parquet(file, source.records, source.limits);
  // Many data sets write objects line by line and call the file .json.
  if (format == SourceFormat::jsonl || (format == SourceFormat::json && JsonReader::is_jsonl(file)))
    return std::make_unique<JsonlReader>(file, source.records, source.limits, stream);
  if (format == SourceFormat::json) return std::make_unique<JsonReader>(file, source.records, source.limits);
  // TSV has no quotes by custom (GLUE, this project's own files): text like 9" stands for itself.
  const bool csv = format == SourceFormat::csv;
  const std::optional<char> quote = source.quote ? *source.quote : csv ? std::optional<char>('"') : std::nullopt;
  return std::make_unique<DelimitedReader>(
      file,
      DelimitedForm{source.delimiter.value_or(csv ? ',' : '\t'), quote, source.columns, source.header,
                    source.quote.has_value(), source.skip_short_rows},
      source.limits, stream);
}

}  // namespace

RowReader::~RowReader() = default;

std::unique_ptr<RowReader> RowReader::open(const fs::path& file, const SourceSpec& source) {
  const auto refuse = [&](const std::string& what, const std::string& found, const std::string& remedy) {
    throw DataError(Problem{file.string() + ": " + what, found, "a file of rows", remedy});
  };
  const OpenedFile opened = open_regular_file(file);
  if (!opened.file.ok()) refuse("cannot be read", opened.fault, "use a readable regular file");
  if (opened.size == 0) refuse("the file is empty", "0 bytes", "download the file again, or use another file");
  std::unique_ptr<RowReader> reader = reader_of(file, source);
  reader->rename_ = source.rename;
  return reader;
}

std::unique_ptr<RowReader> RowReader::of_stream(int stream, const std::string& name, const SourceSpec& source) {
  std::unique_ptr<RowReader> reader = reader_of(name, source, stream);
  reader->rename_ = source.rename;
  return reader;
}

std::string RowReader::name_in_file(const std::string& name) const {
  for (const auto& [ours, theirs] : rename_) {
    if (name == ours) return theirs;
    if (name.starts_with(ours) && name[ours.size()] == '.') return theirs + name.substr(ours.size());
  }
  return name;
}

std::optional<std::string> RowReader::field(const std::string& name) const { return value(name_in_file(name)); }
std::size_t RowReader::count(const std::string& name) const { return items(name_in_file(name)); }
std::size_t RowReader::items(const std::string&) const { return 0; }

std::vector<std::string> RowReader::names() const {
  std::vector<std::string> result = fields();
  for (const auto& [ours, theirs] : rename_) {
    if (std::find(result.begin(), result.end(), ours) == result.end()) result.push_back(ours);
  }
  return result;
}

std::string RowReader::place() const { return file_.string() + ":" + std::to_string(std::max<std::int64_t>(line_, 1)); }

void RowReader::fail(const std::string& what, const std::string& found, const std::string& expected,
                     const std::string& remedy) const {
  constexpr std::size_t most = 4096;  // names and values may hold anything, a NUL too
  throw DataError(Problem{place() + ": " + printable(what, most), printable(found, most), expected,
                          remedy.empty() ? "fix the row, or remove it" : remedy});
}

void RowReader::too_long(const std::string& what, const std::string& remedy) const {
  fail(what + " is too long", "more than " + with_thousands(static_cast<long long>(limits_.bytes)) + " bytes",
       "at most 'max_row_bytes' of the source", remedy + "; or raise 'max_row_bytes' under 'source'");
}

void RowReader::too_many_columns(const std::string& remedy) const {
  fail("a row has too many columns", "more than " + with_thousands(static_cast<long long>(limits_.columns)),
       "at most 'max_columns' of the source", remedy + "; or raise 'max_columns' under 'source'");
}

void RowReader::check_utf8(std::string_view text) const {
  const std::optional<std::size_t> at = invalid_utf8(text);
  if (!at) return;
  fail("not UTF-8", "byte " + std::to_string(*at + 1) + " of " + printable(text.substr(*at > 20 ? *at - 20 : 0, 40)),
       "UTF-8 text", "convert the file: iconv -f latin1 -t utf-8 FILE > NEW (with the file's actual encoding)");
}

}  // namespace peftbench::data
