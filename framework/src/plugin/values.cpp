#include "plugin/layer.h"

#include <peftbench/error.h>
#include <peftbench/values.h>

namespace peftbench {

using namespace plugin;

const char* type_name(const Value& value) {
  constexpr const char* names[] = {"flag", "integer", "real", "text", "list"};  // in the order of Value's types
  static_assert(std::variant_size_v<Value> == std::size(names));
  return names[value.index()];
}

template <class T>
const T& Values::get(const std::string& key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) {
    std::string known;
    for (const auto& [name, value] : values_) known += (known.empty() ? "" : ", ") + name;
    throw ConfigError(Problem{.what = "the method reads parameter '" + key + "', which its schema does not declare",
                              .found = known.empty() ? "no parameters" : known,
                              .remedy = "declare it with .param() in the registrar"});
  }
  const T* value = std::get_if<T>(&found->second);
  if (value == nullptr) {
    const std::string type = type_name(found->second);
    throw ConfigError(Problem{
        "the method reads parameter '" + key + "' with the wrong type",
        std::string("read as: ") + type_name(Value(T{})), "the type of its default, " + type,
        type == "list" ? "read it with values.names()" : "read it with values." + type + "(), or change its default"});
  }
  return *value;
}

bool Values::flag(const std::string& key) const { return get<bool>(key); }
int64_t Values::integer(const std::string& key) const { return get<int64_t>(key); }
double Values::real(const std::string& key) const { return get<double>(key); }
const std::string& Values::text(const std::string& key) const { return get<std::string>(key); }
const Names& Values::names(const std::string& key) const { return get<Names>(key); }

}  // namespace peftbench
