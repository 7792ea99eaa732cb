#pragma once

#include "config/layer.h"
#include "config/settings.h"
#include "core/enum_names.h"

#include <peftbench/method.h>

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace peftbench::config {

enum class Sampler { sobol, random };

// A setting that a search chooses.
struct SearchDimension {
  std::string name;           // as --set takes it: rank, train.learning_rate
  ParameterSchema parameter;  // what its values must be
  Space space;
  std::string origin;  // for messages
};
using SearchSpace = std::vector<SearchDimension>;

// The settings that trial `number` (from 1) gives the dimensions: a function of the arguments alone. Trial 1 has none:
// it is the configuration as it is. Trial n + 2 is point n of the sequence of the sampler.
std::vector<Setting> trial_settings(const SearchSpace& space, Sampler sampler, std::uint64_t seed, std::int64_t number);

// {"train.learning_rate": {"log": [0.0001, 0.01]}, …}, in the order of the dimensions.
nlohmann::ordered_json to_json(const SearchSpace& space);

// A setting `space.NAME.KIND` or `space.NAME: none` of a file or of --set.
struct SpaceSetting {
  std::string name;            // of the dimension; empty: all
  std::optional<Space> space;  // nothing: it is not searched
};
bool is_space_setting(const std::string& key);
// Throws ConfigError naming the setting's origin; whether the space suits its parameter is not checked.
SpaceSetting parse_space(const Setting& setting);

}  // namespace peftbench::config

template <>
struct peftbench::EnumNames<peftbench::config::Sampler> {
  static constexpr std::string_view names[] = {"sobol", "random"};
};
