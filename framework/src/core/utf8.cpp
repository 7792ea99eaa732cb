#include "core/utf8.h"

#include <utf8proc.h>

#include <cstdint>
#include <cstdio>

namespace peftbench::core {

Utf8Character character_at(std::string_view text, std::size_t at) {
  const auto lead = static_cast<std::uint8_t>(text[at]);
  if (lead < 0x80) return {lead, 1};
  std::int32_t code = -1;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at;
  const utf8proc_ssize_t size = utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size() - at), &code);
  return size > 0 ? Utf8Character{code, static_cast<std::size_t>(size)} : Utf8Character{-1, 1};
}

std::size_t character_boundary(std::string_view text, std::size_t at) {
  while (at > 0 && at < text.size() && continues_character(text[at])) --at;
  return at;
}

std::optional<std::size_t> invalid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Character c = character_at(text, i);
    if (c.code < 0) return i;
    i += c.size;
  }
  return std::nullopt;
}

std::string printable(std::string_view text, std::size_t limit) {
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Character c = character_at(text, i);
    if (i + (c.code < 0 ? 0 : c.size) > limit) return result + "…";
    const auto byte = static_cast<std::uint8_t>(text[i]);
    if (byte == '\n' || byte == '\r' || byte == '\t') {
      result += byte == '\n' ? "\\n" : byte == '\r' ? "\\r" : "\\t";
    } else if (c.code < 0 || byte < 0x20 || byte == 0x7f) {
      result += {'\\', 'x', "0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
    } else {
      result += text.substr(i, c.size);
    }
    i += c.size;
  }
  return result;
}

std::string spelled(std::string_view text) {
  constexpr std::size_t most = 6;  // enough to tell two words apart
  std::string points;
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Character c = character_at(text, i);
    if (c.size > 1 && ++count <= most) {
      char point[16];
      std::snprintf(point, sizeof point, "U+%04X", static_cast<unsigned>(c.code));
      points += (points.empty() ? "" : " ") + std::string(point);
    }
    i += c.size;
  }
  const std::string quoted = "'" + printable(text) + "'";
  return points.empty() ? quoted : quoted + " (" + points + (count > most ? " …" : "") + ")";
}

std::string spelled_list(const std::vector<std::string>& words) {
  std::string result;
  for (const std::string& word : words) {
    const std::string shown = spelled(word);
    result += (result.empty() ? "" : ", ") + (shown == "'" + word + "'" ? word : shown);
  }
  return result;
}

}  // namespace peftbench::core
