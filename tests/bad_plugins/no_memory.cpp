#include "bad_plugin.h"

#include <ATen/ops/empty.h>

namespace {
struct Greedy final : bad::Nothing {
  using Nothing::Nothing;
  void plan(const peftbench::BackboneSpec&, peftbench::PlanBuilder&) override {
    at::empty({int64_t{1} << 46}, at::TensorOptions().dtype(at::kFloat));
  }
};
void register_method(peftbench::MethodRegistrar& registrar) { registrar.method<Greedy>(); }
}  // namespace
PEFTBENCH_PLUGIN(no_memory, "1", "", "", register_method);
