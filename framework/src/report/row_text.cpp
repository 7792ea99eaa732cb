#include "report/row_text.h"

#include "core/first_line.h"
#include "core/names.h"

#include <algorithm>

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

}  // namespace peftbench::report
