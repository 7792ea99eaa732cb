#pragma once

#include "core/layer.h"

#include <limits>
#include <string_view>

namespace peftbench::core {

// What a visitor gets of an option in addition to its key and field.
struct OptionInfo {
  std::string_view help;
  // Range of a number, inclusive; `least` is exclusive if `above` is set.
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  bool above = false;
  bool runs_alone = false;  // of runs of methods: pre-training has no such option

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
constexpr OptionInfo of_runs(OptionInfo info) {
  info.runs_alone = true;
  return info;
}

}  // namespace peftbench::core
