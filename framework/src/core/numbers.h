#pragma once

#include "core/layer.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <type_traits>

namespace peftbench::core {

// Parses the whole text as a number, in the full range of its type: nothing if characters remain, the value
// does not fit the type, or a real number is not finite.
template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || text.empty()) return std::nullopt;
  if constexpr (std::is_floating_point_v<Number>) {
    if (!std::isfinite(value)) return std::nullopt;
  }
  return value;
}

}  // namespace peftbench::core
