#include "report/escape.h"

#include "core/numbers.h"
#include "core/terminal_text.h"

#include <cctype>

namespace peftbench::report {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 0x80; }

bool is_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  if (text.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return false;
  return parse_number<double>(text).has_value();
}

bool is_computed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \u00a0");
  if (first == std::string_view::npos || is_number(text)) return false;
  text.remove_prefix(first);
  for (const std::string_view sign : {"=", "+", "-", "@", "＝", "＋", "－", "＠"})
    if (text.starts_with(sign)) return true;
  return false;
}

}  // namespace

std::string for_markdown(std::string_view text) {
  const std::string line = in_one_line(text);
  std::string result;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    const bool inside_a_word = i > 0 && i + 1 < line.size() && is_word(line[i - 1]) && is_word(line[i + 1]);
    if (c == '<' || c == '>' || c == '&')
      result += c == '<' ? "&lt;" : c == '>' ? "&gt;" : "&amp;";
    else if (std::string_view("\\|`*[]~").find(c) != std::string_view::npos || (c == '_' && !inside_a_word) ||
             (i == 0 && c == '#'))
      result += {'\\', c};
    else
      result += c;
  }
  return result;
}

std::string for_csv(std::string_view text) {
  const std::string line = (is_computed(text) ? "'" : "") + in_one_line(text);
  if (line.find_first_of(",\"") == std::string::npos) return line;
  std::string quoted = "\"";
  for (const char c : line) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

}  // namespace peftbench::report
