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

// Where `peft-bench search` looks for the value of a parameter or of a training setting.
struct Space {
  enum class Kind { uniform, log, choices };
  Kind kind = Kind::uniform;
  double low = 0, high = 0;  // of uniform and log, inclusive; an integer takes the whole numbers between them
  Names values = {};         // of choices, each as --set takes it
};
namespace space {
inline Space uniform(double low, double high) { return {Space::Kind::uniform, low, high, {}}; }
inline Space log(double low, double high) { return {Space::Kind::log, low, high, {}}; }  // uniform in the logarithm
inline Space choices(Names values) { return {Space::Kind::choices, 0, 0, std::move(values)}; }
}  // namespace space

// One parameter of a method, for the output of `methods NAME` and the checks of --set.
struct ParameterSchema {
  std::string name;
  Value standard;  // the default; its type is the parameter's
  std::string help;
  std::optional<std::pair<double, double>> range;  // of a number, inclusive
  Names choices;                                   // allowed values of a text or of the entries of a list; empty: any
  std::optional<Space> space = {};                 // absent: not searched
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
  MethodSchema& space(Space space);
  // The same for a training setting, only keys of `train.`: space("train.learning_rate", pb::space::log(1e-4, 1e-2)).
  // Without a space of its own, the learning rate is searched from a tenth to ten times its value.
  MethodSchema& space(std::string key, Space space);

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
  const std::vector<std::pair<std::string, Space>>& spaces() const { return spaces_; }  // of training settings
  const std::vector<std::shared_ptr<const AdapterFormat>>& formats() const { return formats_; }
  bool can(Capability capability) const;

 private:
  MethodSchema& add(std::string name, Value standard, std::string help);
  ParameterSchema& last(const char* caller);  // Throws ConfigError before the first parameter
  std::vector<ParameterSchema> parameters_;
  std::vector<Capability> capabilities_;
  std::vector<std::pair<std::string, std::string>> recommendations_;
  std::vector<std::pair<std::string, Space>> spaces_;
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
