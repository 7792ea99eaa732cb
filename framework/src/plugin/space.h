#pragma once

#include "plugin/layer.h"

#include <peftbench/method.h>

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>

namespace peftbench::plugin {

// Why it is no space at all, or none of this parameter; nothing if it is one.
std::optional<std::string> space_fault(const Space& space);
std::optional<std::string> space_fault(const ParameterSchema& parameter, const Space& space);

// The value at `position`, in [0, 1): of uniform and log spaces from the lowest to the highest, real ones rounded to
// four digits. The space is one of the parameter.
Value value_at(const ParameterSchema& parameter, const Space& space, double position);

// Short enough to read and to write into a file, and the same on machines whose logarithms differ in the last digit.
double four_digits(double value);

// "log 0.0001 … 0.01", "4, 8, 16"
std::string to_text(const Space& space);
// {"log": [0.0001, 0.01]}, {"choices": ["4", "8"]}
nlohmann::json to_json(const Space& space);

const char* name_of(Space::Kind kind);

}  // namespace peftbench::plugin
