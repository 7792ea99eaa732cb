#pragma once

#include <peftbench/export.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace peftbench {

using Names = std::vector<std::string>;
using Value = std::variant<bool, int64_t, double, std::string, Names>;

// "flag", "integer", "real", "text" or "list", for messages and `methods NAME`.
PEFTBENCH_API const char* type_name(const Value& value);

// The values of a method's parameters, already checked against its schema.
class PEFTBENCH_API Values {
 public:
  // Throw ConfigError if the schema has no such parameter, or one of another type: a bug in the method.
  bool flag(const std::string& key) const;
  int64_t integer(const std::string& key) const;
  double real(const std::string& key) const;
  const std::string& text(const std::string& key) const;
  const Names& names(const std::string& key) const;

  void set(const std::string& key, Value value) { values_[key] = std::move(value); }
  const std::map<std::string, Value>& all() const { return values_; }

 private:
  template <class T>
  const T& get(const std::string& key) const;
  std::map<std::string, Value> values_;
};

}  // namespace peftbench
