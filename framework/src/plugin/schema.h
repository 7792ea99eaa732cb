#pragma once

#include "plugin/layer.h"

#include <peftbench/method.h>

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <string>
#include <variant>
#include <vector>

namespace peftbench::plugin {

// The errors of a schema, one per line; empty if valid.
std::vector<std::string> schema_faults(const MethodSchema& schema);

// A value as given by the user: the text after `key=`, or the entries of a YAML list.
using GivenValue = std::variant<std::string, Names>;
using GivenValues = std::map<std::string, GivenValue>;

// Every parameter of the schema with its given value or its default. An unknown name, a text that is not of the
// parameter's type, or a value outside its range or choices is a ConfigError, which lists all of them.
Values parse_values(const std::string& method, const MethodSchema& schema, const GivenValues& given);

// One value of one parameter; `origin` ("file.yaml:12", "--set length=x") begins the message of the ConfigError.
Value parse_value(const ParameterSchema& parameter, const GivenValue& given, const std::string& origin);

// Equal values have equal texts: for the hash of a run's identity.
nlohmann::json to_json(const Values& values);

// A value as typed after `key=`.
std::string to_text(const Value& value);

// What `methods NAME` prints of a parameter.
struct ParameterDescription {
  std::string name;
  std::string type;      // flag, integer, real, text, list
  std::string standard;  // the default
  std::string allowed;   // "≥ 1", "0 … 1", "a, b, c"; empty: anything
  std::string help;
  std::string space;  // "log 0.0001 … 0.01"; empty: not searched
};
std::vector<ParameterDescription> describe(const MethodSchema& schema);
nlohmann::json describe_as_json(const MethodSchema& schema);

const char* name_of(Capability capability);

}  // namespace peftbench::plugin
