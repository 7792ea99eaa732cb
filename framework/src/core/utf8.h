#pragma once

#include "core/layer.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace peftbench::core {

struct Utf8Character {
  std::int32_t code;  // −1: a byte that is not UTF-8
  std::size_t size;   // bytes; 1 of such a byte
};
// What begins at `at`, which is below text.size().
Utf8Character character_at(std::string_view text, std::size_t at);

// A byte of a character that is not its first.
constexpr bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) == 0x80; }
// The last place at or before `at` where a character begins, or `at` at the text's end.
std::size_t character_boundary(std::string_view text, std::size_t at);

// Position of the first byte that is not UTF-8 (overlong forms, surrogates and code points above U+10FFFF are not).
std::optional<std::size_t> invalid_utf8(std::string_view text);

// Text for a message: control characters and bytes that are not UTF-8 are escaped; truncated after `limit` bytes.
std::string printable(std::string_view text, std::size_t limit = 80);

// The text in quotes with the code points of non-ASCII characters, to distinguish similar characters: 'é' (U+00E9).
std::string spelled(std::string_view text);
// "a, b": plain for unambiguous words, otherwise as above.
std::string spelled_list(const std::vector<std::string>& words);

}  // namespace peftbench::core
