#pragma once

#include <peftbench/exchange.h>
#include <peftbench/export.h>
#include <peftbench/plan.h>
#include <peftbench/spec.h>
#include <peftbench/values.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace peftbench {

// A method is a function from a backbone's sizes to a plan.
class PEFTBENCH_API Method {
 public:
  virtual ~Method();
  virtual void plan(const BackboneSpec& backbone, PlanBuilder& plan) = 0;
};

enum class Capability {
  merges,               // its linear hooks can be merged into the weights
  identity_at_init,     // with the default init, the first forward pass equals the frozen backbone's
  classification_only,  // needs a task with label words
};

// One parameter of a method, for the output of `methods NAME` and the checks of --set.
struct ParameterSchema {
  std::string name;
  Value standard;  // the default; its type is the parameter's
  std::string help;
  std::optional<std::pair<double, double>> range;  // of a number, inclusive
  Names choices;                                   // allowed values of a text or of the entries of a list; empty: any
};

// The declaration of a method. The host parses, validates, documents and hashes the values.
class PEFTBENCH_API MethodSchema {
 public:
  MethodSchema& param(std::string name, bool standard, std::string help);
  MethodSchema& param(std::string name, int standard, std::string help);
  MethodSchema& param(std::string name, int64_t standard, std::string help);
  MethodSchema& param(std::string name, double standard, std::string help);
  MethodSchema& param(std::string name, const char* standard, std::string help);
  MethodSchema& param(std::string name, Names standard, std::string help);
  // These apply to the last declared parameter. The host checks the schema when it loads the plugin, and refuses a
  // default outside its range or choices, or a duplicate name.
  MethodSchema& range(double low, double high);
  MethodSchema& at_least(double low);
  MethodSchema& choices(Names names);

  MethodSchema& capability(Capability capability);
  // Training settings of the method's paper, only keys of `train.`: recommend("train.steps", "300"). Users can override
  // them.
  MethodSchema& recommend(std::string key, std::string value);

  // The adapter format of another program, for `peft-bench export`, `import` and `forward --adapter`.
  template <class Format>
  MethodSchema& format() {
    return format(std::make_shared<const Format>());
  }
  MethodSchema& format(std::shared_ptr<const AdapterFormat> format);

  const std::vector<ParameterSchema>& parameters() const { return parameters_; }
  const std::vector<Capability>& capabilities() const { return capabilities_; }
  const std::vector<std::pair<std::string, std::string>>& recommendations() const { return recommendations_; }
  const std::vector<std::shared_ptr<const AdapterFormat>>& formats() const { return formats_; }
  bool can(Capability capability) const;

 private:
  MethodSchema& add(std::string name, Value standard, std::string help);
  ParameterSchema& last(const char* caller);  // Throws ConfigError before the first parameter
  std::vector<ParameterSchema> parameters_;
  std::vector<Capability> capabilities_;
  std::vector<std::pair<std::string, std::string>> recommendations_;
  std::vector<std::shared_ptr<const AdapterFormat>> formats_;
};

using MethodFactory = std::function<std::unique_ptr<Method>(const Values&)>;

// Passed to a plugin, which registers its method: r.method<Lora>().param(…)…
class PEFTBENCH_API MethodRegistrar {
 public:
  template <class M>
  MethodSchema& method() {
    return add([](const Values& values) { return std::make_unique<M>(values); });
  }
  MethodSchema& add(MethodFactory factory);  // Throws ConfigError if called twice

  const MethodSchema& schema() const { return schema_; }
  const MethodFactory& factory() const { return factory_; }

 private:
  MethodSchema schema_;
  MethodFactory factory_;
};

}  // namespace peftbench
