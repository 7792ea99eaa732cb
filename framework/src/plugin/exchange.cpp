#include "plugin/layer.h"

#include <peftbench/error.h>
#include <peftbench/exchange.h>

#include <algorithm>
#include <utility>

namespace peftbench {

using namespace plugin;
namespace {

// The entry as a T; null where it is absent.
template <class T>
const T* entry(const ForeignAdapter& adapter, const std::string& key, const char* expected) {
  const auto found = adapter.config.find(key);
  if (found == adapter.config.end() || std::holds_alternative<std::monostate>(found->second)) return nullptr;
  if (const T* value = std::get_if<T>(&found->second)) return value;
  throw CheckpointError(
      {.what = "adapter_config.json: '" + key + "' has the wrong type",
       .expected = expected,
       .remedy = "check the file, or save the adapter again with a current version of the program that made it"});
}

}  // namespace

AdapterFormat::~AdapterFormat() = default;
std::optional<Names> AdapterFormat::entries() const { return std::nullopt; }

std::string ForeignAdapter::text(const std::string& key, const std::string& otherwise) const {
  const auto* value = entry<std::string>(*this, key, "a string");
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
  const auto* value = entry<Names>(*this, key, "a list of strings");
  return value ? *value : Names{};
}

std::vector<int64_t> ForeignAdapter::integers(const std::string& key) const {
  const auto found = config.find(key);
  if (found != config.end()) {
    if (const auto* one = std::get_if<int64_t>(&found->second)) return {*one};
    if (const auto* none = std::get_if<Names>(&found->second); none && none->empty()) return {};  // []
  }
  const auto* value = entry<std::vector<int64_t>>(*this, key, "an integer or a list of integers");
  return value ? *value : std::vector<int64_t>{};
}

ForeignNumbers ForeignAdapter::numbers(const std::string& key) const {
  const auto* value = entry<ForeignNumbers>(*this, key, "a map from strings to numbers");
  return value ? *value : ForeignNumbers{};
}

std::string ForeignAdapter::word(const std::string& key, const std::string& otherwise) const {
  std::string word = text(key, otherwise);
  for (char& c : word)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return word;
}

bool ForeignAdapter::is_set(const std::string& key) const {
  const auto found = config.find(key);
  if (found == config.end()) return false;
  struct Visitor {
    bool operator()(std::monostate) const { return false; }
    bool operator()(bool value) const { return value; }
    bool operator()(int64_t value) const { return value != 0; }
    bool operator()(double value) const { return value != 0; }
    bool operator()(const std::string& value) const { return !value.empty() && value != "none"; }
    bool operator()(const Names& value) const { return !value.empty(); }
    bool operator()(const std::vector<int64_t>& value) const { return !value.empty(); }
    bool operator()(const ForeignNumbers& value) const { return !value.empty(); }
  };
  return std::visit(Visitor(), found->second);
}

Names ForeignAdapter::set_beyond(const Names& known) const {
  const Names everywhere = {"task_type", "peft_type",        "auto_mapping",  "peft_version", "base_model_name_or_path",
                            "revision",  "base_model_class", "inference_mode"};
  Names beyond;
  for (const auto& [key, value] : config) {
    const auto is = [&key = key](const std::string& name) { return name == key; };
    if (std::none_of(known.begin(), known.end(), is) && std::none_of(everywhere.begin(), everywhere.end(), is) &&
        is_set(key))
      beyond.push_back(key);
  }
  return beyond;
}

const Tensor& ForeignAdapter::tensor(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found != tensors.end()) return found->second;
  std::string there;
  for (const auto& [other, tensor] : tensors) there += (there.empty() ? "" : ", ") + other;
  throw CheckpointError({"the adapter has no tensor " + name, there.empty() ? "no tensors at all" : there, name,
                         "check that the file was made for this kind of backbone"});
}

}  // namespace peftbench
