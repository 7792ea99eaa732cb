#include "pretrain/documents.h"

#include "core/names.h"
#include "core/utf8.h"

#include <peftbench/error.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace peftbench::pretrain {

namespace {

constexpr std::array<std::string_view, 4> endings = {".jsonl", ".jsonl.gz", ".parquet", ".txt"};
constexpr const char* text_field = "text";

bool has_documents(const fs::path& file) {
  const std::string name = file.filename().string();
  return !name.starts_with(".") &&
         std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) { return name.ends_with(ending); });
}

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file() && has_documents(entry.path())) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());  // folders list their files in any order
  return files;
}

std::vector<std::string> fetched_texts(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code absent;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, absent)) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Documents find_text(const std::string& what, const fs::path& data_root) {
  std::error_code ignored;
  fs::path place = what;
  for (const fs::path& fetched : {data_root / "text" / what, data_root / what}) {
    if (!fs::exists(place, ignored)) place = fetched;
  }
  if (file_exists(place)) {
    if (has_documents(place)) return {what, {place}};
    throw DataError(
        Problem{.what = "the text " + place.string() + " has no known format",
                .found = place.has_extension() ? "the extension " + place.extension().string() : "no extension",
                .expected = "one of " + join({endings.begin(), endings.end()})});
  }
  if (fs::is_directory(place, ignored)) {
    std::vector<fs::path> files = files_of(place);
    if (!files.empty()) return {what, std::move(files)};
    throw DataError(Problem{"the folder " + place.string() + " contains no text", "no file of a known format",
                            "files that end in " + join({endings.begin(), endings.end()}),
                            "JSONL has one document per line: {\"text\": \"…\"}"});
  }
  const std::vector<std::string> fetched = fetched_texts(data_root / "text");
  throw DataError(Problem{"the text '" + what + "' is missing",
                          "neither a file or folder of that name nor " + (data_root / "text" / what).string(),
                          fetched.empty() ? std::string() : "one of the downloaded texts: " + join(fetched),
                          "give the path of a file, or download it: peft-bench tasks --fetch text/" +
                              fs::path(what).filename().string() + " (peft-bench tasks --recipes lists all names)"});
}

DocumentReader::DocumentReader(Documents source) : source_(std::move(source)) {}

bool DocumentReader::next() {
  while (next_in_file()) {
    if (text_.find_first_not_of(" \t\r\n\f\v") != std::string::npos) return true;
  }
  return false;
}

// The next document as it stands; goes on to the next file by itself.
bool DocumentReader::next_in_file() {
  for (;;) {
    if (rows_ && rows_->next()) {
      std::optional<std::string> text = rows_->field(text_field);
      if (!text) {
        rows_->fail("the document has no field '" + std::string(text_field) + "'", "the fields " + join(rows_->names()),
                    "{\"text\": \"…\"}");
      }
      text_ = std::move(*text);
      return true;
    }
    rows_.reset();
    if (file_ == source_.files.size()) return false;
    const fs::path& file = source_.files[file_++];
    if (file.extension() != ".txt") {
      rows_ = RowReader::open(file, {});
      continue;
    }
    text_ = read_text(file);
    if (const std::optional<std::size_t> at = invalid_utf8(text_)) {
      const std::size_t begin = *at > 20 ? *at - 20 : 0;
      throw DataError(Problem{
          file.string() + ":" +
              std::to_string(1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(*at), '\n')) +
              ": not UTF-8",
          "byte " + std::to_string(*at + 1) + " of " + printable(std::string_view(text_).substr(begin, 40)),
          "UTF-8 text", "convert the file: iconv -f latin1 -t utf-8 FILE > NEW"});
    }
    return true;
  }
}

}  // namespace peftbench::pretrain
