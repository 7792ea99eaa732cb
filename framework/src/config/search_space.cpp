#include "config/search_space.h"

#include "core/names.h"
#include "core/numbers.h"
#include "core/random.h"
#include "core/sobol.h"
#include "plugin/schema.h"
#include "plugin/space.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

namespace peftbench::config {
namespace {

constexpr const char* space_key = "space";
constexpr const char* space_forms = "{log: [low, high]}, {uniform: [low, high]}, {choices: [a, b]}, or none";

std::vector<double> position_of(std::size_t dimensions, Sampler sampler, std::uint64_t seed, std::uint64_t index) {
  if (sampler == Sampler::sobol) return sobol_point(dimensions, index, seed);
  Random random(stream_seed(seed, "search", index));
  std::vector<double> position;
  for (std::size_t d = 0; d < dimensions; ++d) position.push_back(random.uniform());
  return position;
}

// A list of --set is a text: "1e-4,1e-2".
Names entries_of(const GivenValue& value) {
  if (const auto* list = std::get_if<Names>(&value)) return *list;
  const ParameterSchema list{"space", Names{}, "", std::nullopt, {}, std::nullopt};
  return std::get<Names>(parse_value(list, value, "space"));
}

Space interval_of(Space::Kind kind, const Names& entries, const Setting& setting) {
  const auto low = entries.size() == 2 ? parse_number<double>(entries[0]) : std::nullopt;
  const auto high = entries.size() == 2 ? parse_number<double>(entries[1]) : std::nullopt;
  if (!low || !high)
    throw ConfigError({.what = setting.origin + ": '" + setting.key + "' is not an interval",
                       .found = "[" + join(entries) + "]",
                       .expected = "two numbers: [1e-4, 1e-2]"});
  return {kind, *low, *high, {}};
}

}  // namespace

std::vector<Setting> trial_settings(const SearchSpace& space, Sampler sampler, std::uint64_t seed,
                                    std::int64_t number) {
  std::vector<Setting> settings;
  if (number < 2) return settings;
  const std::vector<double> position = position_of(space.size(), sampler, seed, static_cast<std::uint64_t>(number - 2));
  for (std::size_t d = 0; d < space.size(); ++d) {
    const SearchDimension& dimension = space[d];
    const Value value = value_at(dimension.parameter, dimension.space, position[d]);
    const bool option = dimension.name.find('.') != std::string::npos;
    settings.push_back({(option ? "" : "set.") + dimension.name, to_text(value),
                        "trial " + std::to_string(number) + " of the search"});
  }
  return settings;
}

nlohmann::ordered_json to_json(const SearchSpace& space) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const SearchDimension& dimension : space) json[dimension.name] = plugin::to_json(dimension.space);
  return json;
}

bool is_space_setting(const std::string& key) {
  return key == space_key || key.starts_with(std::string(space_key) + ".");
}

SpaceSetting parse_space(const Setting& setting) {
  const auto* text = std::get_if<std::string>(&setting.value);
  const bool none = text && *text == "none";
  std::string name = setting.key == space_key ? "" : setting.key.substr(std::string(space_key).size() + 1);
  SpaceSetting result;
  for (const Space::Kind kind : {Space::Kind::uniform, Space::Kind::log, Space::Kind::choices}) {
    const std::string ending = std::string(".") + name_of(kind);
    if (none || !name.ends_with(ending)) continue;
    name.erase(name.size() - ending.size());
    const Names entries = entries_of(setting.value);
    result.space = kind == Space::Kind::choices ? Space{kind, 0, 0, entries} : interval_of(kind, entries, setting);
    break;
  }
  if (!none && !result.space)
    throw ConfigError({.what = setting.origin + ": '" + setting.key + "' is not a space to search",
                       .expected = std::string("space: {NAME: …} with ") + space_forms});
  if (name.starts_with("set.")) name.erase(0, 4);
  result.name = name;
  return result;
}

}  // namespace peftbench::config
