#include "core/terminal_text.h"

#include "core/utf8.h"

#include <cstdint>
#include <cstdio>

namespace peftbench {
namespace {

struct Character {
  std::size_t size;  // bytes
  char32_t value;
  bool valid;  // false: one byte that is not UTF-8
};

Character character_at(std::string_view text, std::size_t at) {
  const auto lead = static_cast<std::uint8_t>(text[at]);
  const std::size_t size = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (size == 1) return {1, lead, true};
  if (at + size > text.size() || invalid_utf8(text.substr(at, size))) return {1, lead, false};
  char32_t value = lead & (0xff >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) value = (value << 6) | (static_cast<std::uint8_t>(text[at + i]) & 0x3f);
  return {size, value, true};
}

bool is_obeyed(char32_t c) {
  const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
  const bool line_break = c == 0x2028 || c == 0x2029;
  const bool direction = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
  return control || line_break || direction;
}

std::string hex(const char* form, char32_t value) {
  char text[16];
  std::snprintf(text, sizeof text, form, static_cast<unsigned>(value));
  return text;
}

template <class Keep, class Escape>
std::string escaped(std::string_view text, Keep&& keep, Escape&& escape) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const Character c = character_at(text, i);
    if (c.valid && (keep(c.value) || !is_obeyed(c.value)))
      result += text.substr(i, c.size);
    else
      result += escape(c);
    i += c.size;
  }
  return result;
}

std::string shown(const Character& c) {
  if (c.valid && (c.value == '\n' || c.value == '\r' || c.value == '\t'))
    return c.value == '\n' ? "\\n" : c.value == '\r' ? "\\r" : "\\t";
  return hex(c.valid && c.value >= 0x80 ? "\\u%04x" : "\\x%02x", c.value);
}

}  // namespace

std::string for_terminal(std::string_view text) {
  return escaped(
      text, [](char32_t c) { return c == '\n' || c == '\t'; }, shown);
}

std::string in_one_line(std::string_view text) {
  return escaped(
      text, [](char32_t) { return false; }, shown);
}

std::string json_for_terminal(std::string_view json) {
  return escaped(
      json, [](char32_t c) { return c == '\n'; },
      [](const Character& c) { return c.valid ? hex("\\u%04x", c.value) : std::string("\\ufffd"); });
}

}  // namespace peftbench
