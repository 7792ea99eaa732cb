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

// What stands for a sign that LaTeX cannot show by itself; nothing for others. A quote is a command of some languages.
std::string_view latex_command(char c) {
  switch (c) {
    case '\\':
      return "\\textbackslash{}";
    case '~':
      return "\\textasciitilde{}";
    case '^':
      return "\\textasciicircum{}";
    case '<':
      return "\\textless{}";
    case '>':
      return "\\textgreater{}";
    case '|':
      return "\\textbar{}";
    case '`':
      return "\\textasciigrave{}";
    case '"':
      return "\\symbol{34}";
    default:
      return {};
  }
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Where the sign that would make the line an item of a list stands; npos: it is none. Numbers are no items.
std::size_t list_mark(std::string_view line) {
  if (line.starts_with('-') || line.starts_with('+'))
    return line.size() > 1 && (is_digit(line[1]) || line[1] == '.') ? std::string_view::npos : 0;
  const std::size_t end = line.find_first_not_of("0123456789");
  if (end == 0 || end == std::string_view::npos || (line[end] != '.' && line[end] != ')'))
    return std::string_view::npos;
  return end + 1 == line.size() || line[end + 1] == ' ' ? end : std::string_view::npos;
}

// Whether a reader of Markdown would make a link of the address that has its mark here.
bool is_address(std::string_view line, std::size_t at) {
  return line.substr(at).starts_with("://") || (at >= 3 && line[at] == '.' && line.substr(at - 3, 3) == "www");
}

}  // namespace

std::string for_markdown(std::string_view text) {
  const std::string line = in_one_line(text);
  const std::size_t item = list_mark(line);
  std::string result;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    const bool inside_a_word = i > 0 && i + 1 < line.size() && is_word(line[i - 1]) && is_word(line[i + 1]);
    if (c == '<' || c == '>' || c == '&')
      result += c == '<' ? "&lt;" : c == '>' ? "&gt;" : "&amp;";
    else if (i == 0 && c == ' ')  // several would make code of a line
      result += "&#32;";
    else if (std::string_view("\\|`*[]~$").find(c) != std::string_view::npos || (c == '_' && !inside_a_word) ||
             (i == 0 && c == '#') || i == item || is_address(line, i))
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

std::string for_latex(std::string_view text) {
  const std::string line = in_one_line(text);
  const std::size_t first = line.find_first_not_of(' ');
  std::string result;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (const std::string_view command = latex_command(c); !command.empty())
      result += command;
    else if (std::string_view("&%$#_{}").find(c) != std::string_view::npos)
      result += {'\\', c};
    else if (i == first && (c == '[' || c == '*'))  // after \\ and \midrule: an argument
      result += {'{', c, '}'};
    else
      result += c;
    // Two of these are set as one: a dash, a quote.
    if (i + 1 < line.size() && line[i + 1] == c && std::string_view("-',").find(c) != std::string_view::npos)
      result += "{}";
  }
  return result;
}

std::string for_html(std::string_view text) {
  std::string result;
  for (const char c : in_one_line(text)) {
    const std::string_view entity = c == '&'    ? "&amp;"
                                    : c == '<'  ? "&lt;"
                                    : c == '>'  ? "&gt;"
                                    : c == '"'  ? "&quot;"
                                    : c == '\'' ? "&#39;"
                                                : "";
    if (entity.empty())
      result += c;
    else
      result += entity;
  }
  return result;
}

}  // namespace peftbench::report
