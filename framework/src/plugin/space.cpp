#include "plugin/space.h"

#include "core/names.h"
#include "core/numbers.h"
#include "plugin/schema.h"

#include <peftbench/error.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <set>

namespace peftbench::plugin {
namespace {

bool is_whole(double value) { return value == std::floor(value) && std::abs(value) < 9e15; }

std::string interval_text(double low, double high) { return fmt::format("{} … {}", low, high); }

}  // namespace

double four_digits(double value) { return parse_number<double>(fmt::format("{:.4g}", value)).value_or(value); }

const char* name_of(Space::Kind kind) {
  switch (kind) {
    case Space::Kind::uniform:
      return "uniform";
    case Space::Kind::log:
      return "log";
    case Space::Kind::choices:
      return "choices";
  }
  return "unknown";
}

std::optional<std::string> space_fault(const Space& space) {
  if (space.kind == Space::Kind::choices) {
    if (space.values.size() < 2) return "it has fewer than two choices";
    std::set<std::string> seen;
    for (const std::string& value : space.values)
      if (!seen.insert(value).second) return "it has the choice '" + value + "' twice";
    return std::nullopt;
  }
  const std::string interval = interval_text(space.low, space.high);
  if (!std::isfinite(space.low) || !std::isfinite(space.high)) return interval + " is not finite";
  if (!(space.low < space.high)) return interval + " is empty: the lower end must be below the upper one";
  if (space.kind == Space::Kind::log && space.low <= 0) return interval + " has no logarithm: it must be above 0";
  return std::nullopt;
}

std::optional<std::string> space_fault(const ParameterSchema& parameter, const Space& space) {
  if (auto fault = space_fault(space)) return fault;
  if (space.kind == Space::Kind::choices) {
    for (const std::string& value : space.values) {
      try {
        parse_value(parameter, value, "space");
      } catch (const ConfigError&) {
        return "'" + value + "' is not a value of '" + parameter.name + "'";
      }
    }
    return std::nullopt;
  }
  const bool integer = std::holds_alternative<int64_t>(parameter.standard);
  const std::string interval = interval_text(space.low, space.high);
  if (!integer && !std::holds_alternative<double>(parameter.standard))
    return fmt::format("'{}' is of the type {}, which has choices, not an interval", parameter.name,
                       type_name(parameter.standard));
  if (integer && !(is_whole(space.low) && is_whole(space.high))) return interval + " does not end at whole numbers";
  if (parameter.range && !(parameter.range->first <= space.low && space.high <= parameter.range->second))
    return interval + " is not within the parameter's range";
  return std::nullopt;
}

Value value_at(const ParameterSchema& parameter, const Space& space, double position) {
  if (space.kind == Space::Kind::choices) {
    const auto place = static_cast<std::size_t>(position * static_cast<double>(space.values.size()));
    return parse_value(parameter, space.values[std::min(place, space.values.size() - 1)], "space");
  }
  const bool integer = std::holds_alternative<int64_t>(parameter.standard);
  const double end = space.high + (integer ? 1 : 0);  // each whole number has its share, the last one too
  const double value = space.kind == Space::Kind::log
                           ? std::exp(std::log(space.low) + position * (std::log(end) - std::log(space.low)))
                           : space.low + position * (end - space.low);
  const double rounded = std::clamp(integer ? std::floor(value) : four_digits(value), space.low, space.high);
  if (integer) return static_cast<int64_t>(rounded);
  return rounded;
}

std::string to_text(const Space& space) {
  if (space.kind == Space::Kind::choices) return join(space.values);
  return fmt::format("{} {}", name_of(space.kind), interval_text(space.low, space.high));
}

nlohmann::json to_json(const Space& space) {
  if (space.kind == Space::Kind::choices) return {{name_of(space.kind), space.values}};
  return {{name_of(space.kind), {space.low, space.high}}};
}

}  // namespace peftbench::plugin
