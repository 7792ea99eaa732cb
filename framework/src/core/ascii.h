#pragma once

namespace peftbench {

// Of characters, as bytes or as code points: none but ASCII is in these sets, whatever the locale.

// Python's str.strip and C's isspace.
constexpr bool is_ascii_space(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// What \s matches in RE2, with which T5 formats its data: no \v.
constexpr bool is_re2_space(int c) { return is_ascii_space(c) && c != '\v'; }

// Python's string.punctuation.
constexpr bool is_ascii_punctuation(int c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

}  // namespace peftbench
