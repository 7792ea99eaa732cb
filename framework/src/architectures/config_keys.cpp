#include "architectures/config_keys.h"

#include "core/utf8.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace peftbench::architectures {

using nlohmann::json;

ConfigKeys::ConfigKeys(const json& object, std::string file) : object_(object), file_(std::move(file)) {}

int64_t ConfigKeys::size(const char* key) { return integer(key, std::nullopt, 1); }
int64_t ConfigKeys::size(const char* key, int64_t standard) { return integer(key, standard, 1); }
int64_t ConfigKeys::id(const char* key, int64_t standard) { return integer(key, standard, 0); }
std::optional<int64_t> ConfigKeys::id(const char* key) {
  return find(key) == nullptr ? std::nullopt : std::optional(integer(key, 0, 0));
}

double ConfigKeys::real(const char* key, double standard, double low, double high) {
  const json* value = find(key);
  if (value == nullptr) return standard;
  const double number = value->is_number() ? value->get<double>() : std::nan("");
  if (!(number >= low && number <= high)) {
    complain(key, "a number from " + json(low).dump() + " to " + json(high).dump());
    return standard;
  }
  return number;
}

std::optional<bool> ConfigKeys::flag(const char* key) {
  const json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  complain(key, "true or false");
  return std::nullopt;
}

std::optional<std::string> ConfigKeys::text(const char* key) {
  const json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  complain(key, "a string");
  return std::nullopt;
}

void ConfigKeys::complain(const char* key, const std::string& expected) {
  const json* value = find(key);
  const std::string shown = value == nullptr ? "absent" : value->dump(-1, ' ', false, json::error_handler_t::replace);
  complaints_.push_back(file_ + key + " is " + printable(shown) + "; it must be " + expected);
}

const json* ConfigKeys::find(const char* key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

int64_t ConfigKeys::integer(const char* key, std::optional<int64_t> standard, int64_t low) {
  const json* value = find(key);
  if (value == nullptr) {
    if (!standard) complaints_.push_back(file_ + key + " is missing");
    return standard.value_or(low);
  }
  if (low == 0 && value->is_array() && !value->empty()) {
    if (std::any_of(value->begin(), value->end(), [&](const json& each) { return each != value->front(); })) {
      complain(key, "one id (several stop ids are not supported)");
      return standard.value_or(low);
    }
    value = &value->front();
  }
  const bool whole = value->is_number_integer() ||
                     (value->is_number_float() && std::trunc(value->get<double>()) == value->get<double>());
  const double number = whole ? value->get<double>() : -1;
  if (number < static_cast<double>(low) || number > 1e9) {
    complain(key, low == 0 ? "a token id" : "a whole number above 0");
    return standard.value_or(low);
  }
  return static_cast<int64_t>(number);
}

}  // namespace peftbench::architectures
