#include <peftbench/error.h>
#include <peftbench/exchange.h>

#include <utility>

namespace peftbench {
namespace {

// The entry as a T; null where it is absent.
template <class T>
const T* entry(const ForeignAdapter& adapter, const std::string& key, const char* expected) {
  const auto found = adapter.config.find(key);
  if (found == adapter.config.end() || std::holds_alternative<std::monostate>(found->second)) return nullptr;
  if (const T* value = std::get_if<T>(&found->second)) return value;
  throw CheckpointError({"adapter_config.json: '" + key + "' is of another type than this program reads",
                         {},
                         expected,
                         "look at the file, or save the adapter with a current version of its program"});
}

}  // namespace

AdapterFormat::~AdapterFormat() = default;

std::string ForeignAdapter::text(const std::string& key, const std::string& otherwise) const {
  const auto* value = entry<std::string>(*this, key, "a text");
  return value ? *value : otherwise;
}

int64_t ForeignAdapter::integer(const std::string& key, int64_t otherwise) const {
  const auto* value = entry<int64_t>(*this, key, "an integer");
  return value ? *value : otherwise;
}

double ForeignAdapter::real(const std::string& key, double otherwise) const {
  const auto found = config.find(key);
  if (found != config.end() && std::holds_alternative<int64_t>(found->second))
    return static_cast<double>(std::get<int64_t>(found->second));
  const auto* value = entry<double>(*this, key, "a number");
  return value ? *value : otherwise;
}

bool ForeignAdapter::flag(const std::string& key, bool otherwise) const {
  const auto* value = entry<bool>(*this, key, "true or false");
  return value ? *value : otherwise;
}

Names ForeignAdapter::names(const std::string& key) const {
  const auto found = config.find(key);
  if (found != config.end() && std::holds_alternative<std::string>(found->second))
    return {std::get<std::string>(found->second)};
  const auto* value = entry<Names>(*this, key, "a list of texts");
  return value ? *value : Names{};
}

std::map<std::string, double> ForeignAdapter::numbers(const std::string& key) const {
  const auto* value = entry<std::map<std::string, double>>(*this, key, "texts with numbers");
  return value ? *value : std::map<std::string, double>{};
}

const Tensor& ForeignAdapter::tensor(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found != tensors.end()) return found->second;
  std::string there;
  for (const auto& [other, tensor] : tensors) there += (there.empty() ? "" : ", ") + other;
  throw CheckpointError({"the adapter has no tensor " + name, there.empty() ? "no tensors at all" : there, name,
                         "look whether the file belongs to this kind of backbone"});
}

}  // namespace peftbench
