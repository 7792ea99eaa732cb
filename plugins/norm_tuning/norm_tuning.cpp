// Norm tuning: a control of Houlsby et al. 2019, in which the layer norms alone are trained.
//
//   y = w ⊙ x · rsqrt(mean(x²) + ε),   w ∈ R^D trained, from its frozen value
//
// T5's RMSNorm has a scale and no bias. Every one is trained: before each sublayer and at the end of both stacks.
#include <peftbench/plugin.h>

namespace pb = peftbench;

namespace {

class NormTuning final : public pb::Method {
 public:
  explicit NormTuning(const pb::Values&) {}

  void plan(const pb::BackboneSpec& backbone, pb::PlanBuilder& plan) override {
    for (const pb::ParameterSite& site : backbone.parameters()) {
      if (site.role.is_norm()) plan.scale_weight_decay(plan.train(site), 0);
    }
  }
};

void register_norm_tuning(pb::MethodRegistrar& registrar) {
  registrar.method<NormTuning>()
      .capability(pb::Capability::identity_at_init)
      // As adapters are trained (Houlsby et al. 2019), at the highest rate of their sweep.
      .recommend("train.optimizer", "adamw")
      .recommend("train.learning_rate", "3e-3")
      .recommend("train.schedule", "linear")
      .recommend("train.warmup_steps", "100")
      .recommend("train.steps", "1000")
      .recommend("train.clip_norm", "1")
      .recommend("train.adamw.epsilon", "1e-6")
      .recommend("train.batch_size", "32")
      .recommend("train.dropout", "0.1")
      .space("train.learning_rate", pb::space::log(3e-4, 0.03));
}

}  // namespace

PEFTBENCH_PLUGIN(norm_tuning, "1.0.0", "The scales of all RMSNorms: the baseline for adapters",
                 "Houlsby et al. 2019, arXiv:1902.00751", register_norm_tuning);
