#include "core/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>

namespace peftbench {

namespace {

// Bytes of the character at the front of `text`; 0 if there is none.
std::size_t character_size(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t size = lead >= 0xc2 && lead < 0xe0   ? 2
                           : lead >= 0xe0 && lead < 0xf0 ? 3
                           : lead >= 0xf0 && lead < 0xf5 ? 4
                                                         : 0;
  if (size == 0 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xf0 && byte(1) < 0x90);
  const bool surrogate = lead == 0xed && byte(1) >= 0xa0;
  const bool beyond = lead == 0xf4 && byte(1) >= 0x90;
  return overlong || surrogate || beyond ? 0 : size;
}

}  // namespace

std::optional<std::size_t> invalid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t size = character_size(text.substr(i));
    if (size == 0) return i;
    i += size;
  }
  return std::nullopt;
}

std::string printable(std::string_view text, std::size_t limit) {
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t size = character_size(text.substr(i));
    if (i + size > limit) return result + "…";
    const auto byte = static_cast<std::uint8_t>(text[i]);
    if (byte == '\n' || byte == '\r' || byte == '\t') {
      result += byte == '\n' ? "\\n" : byte == '\r' ? "\\r" : "\\t";
    } else if (size == 0 || byte < 0x20 || byte == 0x7f) {
      result += {'\\', 'x', "0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
    } else {
      result += text.substr(i, size);
    }
    i += size == 0 ? 1 : size;
  }
  return result;
}

std::string spelled(std::string_view text) {
  constexpr std::size_t most = 6;  // enough to tell two words apart
  std::string points;
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t size = std::max<std::size_t>(character_size(text.substr(i)), 1);
    if (size > 1 && ++count <= most) {
      std::uint32_t code = static_cast<std::uint8_t>(text[i]) & (0xffu >> (size + 1));
      for (std::size_t k = 1; k < size; ++k) code = code << 6 | (static_cast<std::uint8_t>(text[i + k]) & 0x3fu);
      char point[16];
      std::snprintf(point, sizeof point, "U+%04X", code);
      points += (points.empty() ? "" : " ") + std::string(point);
    }
    i += size;
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

}  // namespace peftbench
