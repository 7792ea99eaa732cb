#include "plugin/layer.h"

#include <peftbench/error.h>
#include <peftbench/method.h>

#include <algorithm>
#include <limits>

namespace peftbench {

using namespace plugin;

Method::~Method() = default;

MethodSchema& MethodSchema::add(std::string name, Value standard, std::string help) {
  parameters_.push_back({std::move(name), std::move(standard), std::move(help), std::nullopt, {}});
  return *this;
}

ParameterSchema& MethodSchema::last(const char* caller) {
  if (parameters_.empty()) {
    throw ConfigError(Problem{.what = std::string(caller) + "() is called before the first .param()",
                              .expected = "a call after the .param() that it describes",
                              .remedy = "move it after that .param()"});
  }
  return parameters_.back();
}

MethodSchema& MethodSchema::param(std::string name, bool standard, std::string help) {
  return add(std::move(name), standard, std::move(help));
}
MethodSchema& MethodSchema::param(std::string name, int standard, std::string help) {
  return add(std::move(name), static_cast<int64_t>(standard), std::move(help));
}
MethodSchema& MethodSchema::param(std::string name, int64_t standard, std::string help) {
  return add(std::move(name), standard, std::move(help));
}
MethodSchema& MethodSchema::param(std::string name, double standard, std::string help) {
  return add(std::move(name), standard, std::move(help));
}
MethodSchema& MethodSchema::param(std::string name, const char* standard, std::string help) {
  return add(std::move(name), std::string(standard), std::move(help));
}
MethodSchema& MethodSchema::param(std::string name, Names standard, std::string help) {
  return add(std::move(name), std::move(standard), std::move(help));
}

MethodSchema& MethodSchema::range(double low, double high) {
  last("range").range = {low, high};
  return *this;
}
MethodSchema& MethodSchema::at_least(double low) {
  last("at_least").range = {low, std::numeric_limits<double>::infinity()};
  return *this;
}
MethodSchema& MethodSchema::choices(Names names) {
  last("choices").choices = std::move(names);
  return *this;
}

MethodSchema& MethodSchema::space(Space space) {
  last("space").space = std::move(space);
  return *this;
}
MethodSchema& MethodSchema::space(std::string key, Space space) {
  spaces_.emplace_back(std::move(key), std::move(space));
  return *this;
}

MethodSchema& MethodSchema::capability(Capability capability) {
  if (!can(capability)) capabilities_.push_back(capability);
  return *this;
}
MethodSchema& MethodSchema::recommend(std::string key, std::string value) {
  recommendations_.emplace_back(std::move(key), std::move(value));
  return *this;
}
MethodSchema& MethodSchema::format(std::shared_ptr<const AdapterFormat> format) {
  formats_.push_back(std::move(format));
  return *this;
}
bool MethodSchema::can(Capability capability) const {
  return std::find(capabilities_.begin(), capabilities_.end(), capability) != capabilities_.end();
}

MethodSchema& MethodRegistrar::add(MethodFactory factory) {
  if (factory_) {
    throw ConfigError(Problem{.what = "the library registers a second method",
                              .expected = "one method per library",
                              .remedy = "move the second one into its own library"});
  }
  factory_ = std::move(factory);
  return schema_;
}

}  // namespace peftbench
