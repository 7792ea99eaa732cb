#pragma once

#include <limits>
#include <string_view>

namespace peftbench {

// What a visitor is told of an option beside its key and its field.
struct OptionInfo {
  std::string_view help;
  // Of a number: what is allowed, both ends included but for `least` where `above` is set.
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  bool above = false;

  bool is_limited() const {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    return least > -infinity || most < infinity;
  }
  bool allows(double value) const {  // false for NaN
    return value >= least && value <= most && !(above && value == least);
  }
};

constexpr OptionInfo at_least(double least, std::string_view help) { return {.help = help, .least = least}; }
constexpr OptionInfo between(double least, double most, std::string_view help) {
  return {.help = help, .least = least, .most = most};
}
constexpr OptionInfo above(double least, std::string_view help) {
  return {.help = help, .least = least, .above = true};
}
constexpr OptionInfo any(std::string_view help) { return {.help = help}; }

}  // namespace peftbench
