#include "report/row_text.h"

#include "core/first_line.h"
#include "core/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace peftbench::report {

std::int64_t finished(const ComparisonRow& row) {
  return std::count_if(row.runs.begin(), row.runs.end(), [](const SeedRun& run) { return run.status == "finished"; });
}

std::string first_lines(const std::string& message) {
  std::string line = first_line(message);
  const std::string mark = "\n  found:";
  const std::size_t found = message.find(mark);
  if (found == std::string::npos) return line;
  const std::size_t begin = std::min(message.find_first_not_of(' ', found + mark.size()), message.size());
  return line + " (" + message.substr(begin, message.find('\n', begin) - begin) + ")";
}

std::vector<std::string> warnings_of(const ComparisonRow& row) {
  std::vector<std::string> warnings = row.warnings;
  if (!row.otherwise.empty())
    warnings.push_back("evaluated differently from the rest of its table: " + join(row.otherwise));
  return warnings;
}

std::vector<std::string> joined_notes(const std::vector<RowNote>& notes, std::size_t rows) {
  constexpr std::size_t most_named = 8;
  std::vector<std::pair<std::string, std::vector<std::string>>> texts;
  for (const auto& [label, text] : notes) {
    auto place = std::find_if(texts.begin(), texts.end(), [&](const auto& known) { return known.first == text; });
    if (place == texts.end()) place = texts.insert(texts.end(), {text, {}});
    place->second.push_back(label);
  }
  std::vector<std::string> lines;
  for (auto& [text, labels] : texts) {
    const bool all = labels.size() > 1 && labels.size() == rows;
    const std::size_t more = labels.size() > most_named ? labels.size() - most_named : 0;
    labels.resize(labels.size() - more);
    const std::string named = join(labels) + (more > 0 ? fmt::format(" and {} more", more) : "");
    lines.push_back((all ? "all rows" : named) + ": " + text);
  }
  return lines;
}

}  // namespace peftbench::report
