#include "plugin/schema.h"

#include "core/names.h"
#include "core/numbers.h"
#include "plugin/space.h"

#include <peftbench/abi.h>
#include <peftbench/error.h>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

namespace peftbench::plugin {

namespace {

std::string range_text(const ParameterSchema& parameter) {
  if (!parameter.range) return {};
  const auto [low, high] = *parameter.range;
  if (std::isinf(low) && std::isinf(high)) return {};
  if (std::isinf(high)) return fmt::format("≥ {}", low);
  if (std::isinf(low)) return fmt::format("≤ {}", high);
  return fmt::format("{} … {}", low, high);
}

std::string allowed_text(const ParameterSchema& parameter) {
  if (!parameter.choices.empty()) return join(parameter.choices);
  if (std::holds_alternative<bool>(parameter.standard)) return "true, false";
  return range_text(parameter);
}

bool chosen(const ParameterSchema& parameter, const std::string& name) {
  return parameter.choices.empty() ||
         std::find(parameter.choices.begin(), parameter.choices.end(), name) != parameter.choices.end();
}

// Why the schema does not allow this value of its type; nothing if it does.
std::optional<std::string> refusal(const ParameterSchema& parameter, const Value& value) {
  std::optional<double> number;
  if (const auto* integer = std::get_if<int64_t>(&value)) number = static_cast<double>(*integer);
  if (const auto* real = std::get_if<double>(&value)) number = *real;
  if (number && !std::isfinite(*number)) return "is not a finite number";
  if (number && parameter.range && !(parameter.range->first <= *number && *number <= parameter.range->second)) {
    return fmt::format("is {}; allowed: {}", to_text(value), range_text(parameter));
  }
  Names entries;
  if (const auto* text = std::get_if<std::string>(&value)) entries = {*text};
  if (const auto* names = std::get_if<Names>(&value)) entries = *names;
  std::set<std::string> seen;
  for (const std::string& entry : entries) {
    if (!chosen(parameter, entry)) return fmt::format("is '{}'; {}", entry, did_you_mean(entry, parameter.choices));
    if (!seen.insert(entry).second) return fmt::format("contains '{}' twice", entry);
  }
  return std::nullopt;
}

template <class Number>
std::optional<Number> number_from(const std::string& text) {
  return parse_number<Number>(std::string_view(text).substr(text.size() > 1 && text[0] == '+' ? 1 : 0));
}

std::optional<bool> flag_from(const std::string& text) {
  for (const char* yes : {"true", "yes", "on", "1"})
    if (text == yes) return true;
  for (const char* no : {"false", "no", "off", "0"})
    if (text == no) return false;
  return std::nullopt;
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// `q,v`, `[q, v]`, or nothing.
Names names_from(const std::string& text) {
  std::string body = trimmed(text);
  if (body.size() >= 2 && body.front() == '[' && body.back() == ']') body = trimmed(body.substr(1, body.size() - 2));
  Names names;
  if (body.empty()) return names;
  for (std::size_t begin = 0; begin <= body.size();) {
    const std::size_t end = std::min(body.find(',', begin), body.size());
    names.push_back(trimmed(body.substr(begin, end - begin)));
    begin = end + 1;
  }
  return names;
}

// The given value in the type of the default; nothing if it cannot be read as that.
std::optional<Value> converted(const GivenValue& given, const Value& standard) {
  const auto* list = std::get_if<Names>(&given);
  if (std::holds_alternative<Names>(standard)) return list ? *list : names_from(std::get<std::string>(given));
  if (list != nullptr) return std::nullopt;
  const std::string& text = std::get<std::string>(given);
  if (std::holds_alternative<std::string>(standard)) return text;
  if (std::holds_alternative<bool>(standard)) return flag_from(text);
  if (std::holds_alternative<int64_t>(standard)) return number_from<int64_t>(text);
  return number_from<double>(text);
}

std::string shown(const GivenValue& given) {
  const auto* list = std::get_if<Names>(&given);
  return list ? "[" + join(*list) + "]" : "'" + std::get<std::string>(given) + "'";
}

}  // namespace

std::vector<std::string> schema_faults(const MethodSchema& schema) {
  std::vector<std::string> faults;
  std::set<std::string> names;
  for (const ParameterSchema& parameter : schema.parameters()) {
    const bool number =
        std::holds_alternative<int64_t>(parameter.standard) || std::holds_alternative<double>(parameter.standard);
    const bool text =
        std::holds_alternative<std::string>(parameter.standard) || std::holds_alternative<Names>(parameter.standard);
    const auto fault = [&](const std::string& what) { faults.push_back("parameter '" + parameter.name + "' " + what); };
    if (!detail::is_plain_name(parameter.name)) fault("has a name that is not of the form [a-z][a-z0-9_]*");
    if (!names.insert(parameter.name).second) fault("is declared twice");
    if (parameter.range && !number)
      fault(fmt::format("has a range, but its type is {}", type_name(parameter.standard)));
    if (parameter.range && !(parameter.range->first <= parameter.range->second)) fault("has an empty range");
    if (!parameter.choices.empty() && !text)
      fault(fmt::format("has choices, but its type is {}", type_name(parameter.standard)));
    if (const auto reason = refusal(parameter, parameter.standard)) fault("has an invalid default: it " + *reason);
    if (const auto reason = parameter.space ? space_fault(parameter, *parameter.space) : std::nullopt)
      fault("has an invalid space: " + *reason);
  }
  std::set<std::string> searched;
  for (const auto& [key, space] : schema.spaces()) {
    if (!searched.insert(key).second) faults.push_back("'" + key + "' has two spaces");
    if (!key.starts_with("train."))
      faults.push_back("'" + key +
                       "' cannot be searched: a method may declare spaces only of its parameters and of "
                       "training settings (keys of 'train.')");
    if (const auto reason = space_fault(space)) faults.push_back("'" + key + "' has an invalid space: " + *reason);
  }
  std::set<std::string> keys;
  for (const auto& [key, value] : schema.recommendations()) {
    if (!keys.insert(key).second) faults.push_back("'" + key + "' is recommended twice");
    // Rows of a table would be evaluated each in its own way, or see other data.
    if (!key.starts_with("train."))
      faults.push_back("'" + key +
                       "' cannot be recommended: a method may recommend only training settings (keys of 'train.')");
  }
  return faults;
}

Values parse_values(const std::string& method, const MethodSchema& schema, const GivenValues& given) {
  std::vector<std::string> names, faults;
  for (const ParameterSchema& parameter : schema.parameters()) names.push_back(parameter.name);
  for (const auto& [key, value] : given) {
    if (std::find(names.begin(), names.end(), key) == names.end()) {
      faults.push_back("it has no parameter '" + key + "'; " + did_you_mean(key, names));
    }
  }
  Values values;
  for (const ParameterSchema& parameter : schema.parameters()) {
    const auto found = given.find(parameter.name);
    if (found == given.end()) {
      values.set(parameter.name, parameter.standard);
      continue;
    }
    const std::optional<Value> value = converted(found->second, parameter.standard);
    if (!value) {
      const std::string allowed = allowed_text(parameter);
      faults.push_back(fmt::format("'{}' is {}; expected a value of type {}{}", parameter.name, shown(found->second),
                                   type_name(parameter.standard), allowed.empty() ? "" : " (" + allowed + ")"));
    } else if (const auto reason = refusal(parameter, *value)) {
      faults.push_back("'" + parameter.name + "' " + *reason);
    } else {
      values.set(parameter.name, *value);
    }
  }
  if (!faults.empty()) {
    throw ConfigError(Problem{.what = "invalid parameters for method '" + method + "'",
                              .found = join(faults, "\n"),
                              .remedy = "`peft-bench methods " + method + "` lists its parameters"});
  }
  return values;
}

Value parse_value(const ParameterSchema& parameter, const GivenValue& given, const std::string& origin) {
  const std::string allowed = allowed_text(parameter);
  const std::string expected = type_name(parameter.standard) + (allowed.empty() ? "" : ": " + allowed);
  const std::optional<Value> value = converted(given, parameter.standard);
  if (!value) {
    throw ConfigError(Problem{origin + ": the value of '" + parameter.name + "' has the wrong type", shown(given),
                              expected, "correct the value"});
  }
  if (const auto reason = refusal(parameter, *value)) {
    throw ConfigError(
        Problem{origin + ": '" + parameter.name + "' " + *reason, shown(given), expected, "correct the value"});
  }
  return *value;
}

std::string to_text(const Value& value) {
  return std::visit(
      [](const auto& item) -> std::string {
        using T = std::decay_t<decltype(item)>;
        if constexpr (std::is_same_v<T, std::string>)
          return item;
        else if constexpr (std::is_same_v<T, Names>)
          return join(item, ",");
        else
          return fmt::format("{}", item);
      },
      value);
}

nlohmann::json to_json(const Values& values) {
  nlohmann::json result = nlohmann::json::object();  // sorted by key
  for (const auto& [name, value] : values.all()) {
    std::visit([&, &key = name](const auto& item) { result[key] = item; }, value);
  }
  return result;
}

std::vector<ParameterDescription> describe(const MethodSchema& schema) {
  std::vector<ParameterDescription> rows;
  for (const ParameterSchema& parameter : schema.parameters()) {
    rows.push_back({parameter.name, type_name(parameter.standard), to_text(parameter.standard), allowed_text(parameter),
                    parameter.help, parameter.space ? to_text(*parameter.space) : ""});
  }
  return rows;
}

nlohmann::json describe_as_json(const MethodSchema& schema) {
  nlohmann::json result = {{"parameters", nlohmann::json::array()},
                           {"capabilities", nlohmann::json::array()},
                           {"recommendations", nlohmann::json::object()},
                           {"spaces", nlohmann::json::object()}};
  for (const ParameterSchema& parameter : schema.parameters()) {
    nlohmann::json row = {{"name", parameter.name}, {"type", type_name(parameter.standard)}, {"help", parameter.help}};
    std::visit([&](const auto& item) { row["default"] = item; }, parameter.standard);
    if (parameter.range) {
      const auto bound = [](double x) { return std::isinf(x) ? nlohmann::json() : nlohmann::json(x); };
      row["range"] = {bound(parameter.range->first), bound(parameter.range->second)};
    }
    if (!parameter.choices.empty()) row["choices"] = parameter.choices;
    if (parameter.space) row["space"] = to_json(*parameter.space);
    result["parameters"].push_back(std::move(row));
  }
  for (const Capability capability : schema.capabilities()) result["capabilities"].push_back(name_of(capability));
  for (const auto& [key, value] : schema.recommendations()) result["recommendations"][key] = value;
  for (const auto& [key, space] : schema.spaces()) result["spaces"][key] = to_json(space);
  return result;
}

const char* name_of(Capability capability) {
  switch (capability) {
    case Capability::merges:
      return "merges";
    case Capability::identity_at_init:
      return "identity_at_init";
    case Capability::classification_only:
      return "classification_only";
  }
  return "unknown";
}

}  // namespace peftbench::plugin
