#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace peftbench {

// The names of enum values in configurations: a specialisation has `names`, in the enum's order.
template <class E>
struct EnumNames;

template <class E>
std::string_view enum_name(E value) {
  return EnumNames<E>::names[static_cast<std::size_t>(value)];
}

template <class E>
std::optional<E> enum_from(std::string_view name) {
  for (std::size_t i = 0; i < std::size(EnumNames<E>::names); ++i) {
    if (EnumNames<E>::names[i] == name) return static_cast<E>(i);
  }
  return std::nullopt;
}

template <class E>
std::vector<std::string> enum_choices() {
  return {std::begin(EnumNames<E>::names), std::end(EnumNames<E>::names)};
}

}  // namespace peftbench
