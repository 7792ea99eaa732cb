#include "core/utf8.h"

#include <peftbench/error.h>

#include <string>
#include <string_view>

namespace peftbench {

using namespace core;

namespace {

// A part that spans lines keeps its later lines under its first.
void add_part(std::string& message, std::string_view label, const std::string& part) {
  if (part.empty()) return;
  const std::string indent(label.size(), ' ');
  message += '\n';
  message += label;
  for (const char c : part) {
    message += c;
    if (c == '\n') message += indent;
  }
}

// nlohmann's exceptions begin with a mark for programmers: "[json.exception.out_of_range.403] key 'a' not found".
std::string without_mark(const std::string& part) {
  const std::size_t begin = part.find("[json.exception.");
  const std::size_t end = begin == std::string::npos ? begin : part.find("] ", begin);
  return end == std::string::npos ? part : part.substr(0, begin) + part.substr(end + 2);
}

// Names and values from files may be megabytes long; a reader needs their beginning.
std::string cut(std::string part) {
  constexpr std::size_t longest = 8000;
  if (part.size() <= longest) return part;
  const std::size_t end = character_boundary(part, longest);
  const std::string more = std::to_string(part.size() - end);
  part.resize(end);
  return part + "… (" + more + " bytes more)";
}

std::string fit(const std::string& part) { return cut(without_mark(part)); }

std::string layout(const Problem& problem) {
  std::string message = fit(problem.what);
  add_part(message, "  found:    ", fit(problem.found));
  add_part(message, "  expected: ", fit(problem.expected));
  add_part(message, "  fix:      ", fit(problem.remedy));
  return message;
}

}  // namespace

Error::Error(const Problem& problem) : std::runtime_error(layout(problem)) {}

// Here, so that the type information of each lives in one library and plugins can catch what the host throws.
Error::~Error() = default;
UserError::~UserError() = default;
ConfigError::~ConfigError() = default;
DataError::~DataError() = default;
CheckpointError::~CheckpointError() = default;
PluginError::~PluginError() = default;

}  // namespace peftbench
