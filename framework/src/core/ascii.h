#pragma once

#include "core/layer.h"

namespace peftbench::core {

// Character classes of bytes or code points: ASCII only, independent of the locale.

// Python's str.strip and C's isspace.
constexpr bool is_ascii_space(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// \s in RE2, which T5 uses to format its data: without \v.
constexpr bool is_re2_space(int c) { return is_ascii_space(c) && c != '\v'; }

// Python's string.punctuation.
constexpr bool is_ascii_punctuation(int c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

}  // namespace peftbench::core
