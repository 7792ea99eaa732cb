#include "core/terminal_text.h"

#include "core/utf8.h"

#include <cstdint>
#include <cstdio>

namespace peftbench::core {
namespace {

bool is_obeyed(std::int32_t c) {
  const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
  const bool line_break = c == 0x2028 || c == 0x2029;
  const bool direction = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
  return control || line_break || direction;
}

std::string hex(const char* form, std::int32_t value) {
  char text[16];
  std::snprintf(text, sizeof text, form, static_cast<unsigned>(value));
  return text;
}

template <class Keep, class Escape>
std::string escaped(std::string_view text, Keep&& keep, Escape&& escape) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Character c = character_at(text, i);
    if (c.code >= 0 && (keep(c.code) || !is_obeyed(c.code)))
      result += text.substr(i, c.size);
    else
      result += escape(c.code, static_cast<std::uint8_t>(text[i]));
    i += c.size;
  }
  return result;
}

std::string shown(std::int32_t code, std::uint8_t byte) {
  if (code == '\n' || code == '\r' || code == '\t') return code == '\n' ? "\\n" : code == '\r' ? "\\r" : "\\t";
  return code >= 0x80 ? hex("\\u%04x", code) : hex("\\x%02x", byte);
}

}  // namespace

std::string for_terminal(std::string_view text) {
  return escaped(
      text, [](std::int32_t c) { return c == '\n' || c == '\t'; }, shown);
}

std::string in_one_line(std::string_view text) {
  return escaped(
      text, [](std::int32_t) { return false; }, shown);
}

std::string json_for_terminal(std::string_view json) {
  return escaped(
      json, [](std::int32_t c) { return c == '\n'; },
      [](std::int32_t code, std::uint8_t) { return code >= 0 ? hex("\\u%04x", code) : std::string("\\ufffd"); });
}

}  // namespace peftbench::core
