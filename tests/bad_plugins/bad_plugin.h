#pragma once

#include <peftbench/plugin.h>

namespace bad {

// A method that does nothing, for libraries whose fault lies elsewhere.
class Nothing : public peftbench::Method {
 public:
  explicit Nothing(const peftbench::Values&) {}
  void plan(const peftbench::BackboneSpec&, peftbench::PlanBuilder&) override {}
};

inline void register_nothing(peftbench::MethodRegistrar& registrar) { registrar.method<Nothing>(); }

// A hook that does nothing.
class Unchanged final : public peftbench::LinearHook {
 public:
  peftbench::Tensor apply(const peftbench::LinearCall& call) const override { return call.base(); }
};

}  // namespace bad

// A header that does not come from PEFTBENCH_PLUGIN(…).
#define FORGED_HEADER(...)                                                                        \
  extern "C" {                                                                                    \
  __attribute__((visibility("default"))) extern const ::peftbench::PluginHeader peftbench_plugin; \
  __attribute__((used)) const ::peftbench::PluginHeader peftbench_plugin = {__VA_ARGS__};         \
  }
