#pragma once

#include "core/layer.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace peftbench::core {

// The most similar candidate, if one is similar enough.
std::optional<std::string> nearest(std::string_view name, const std::vector<std::string>& candidates);

// "did you mean 'x'? Available: a, b, c" for the remedy of a ConfigError.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

std::string join(const std::vector<std::string>& items, std::string_view separator = ", ");
std::string with_thousands(long long number);  // 11,135,332,352

}  // namespace peftbench::core
