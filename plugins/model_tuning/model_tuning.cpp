// Model tuning: all of the backbone's tensors are trained, from their pre-trained values.
//
//   max_θ Σ log Pr_θ(y | x)
//
// The baseline of Lester et al. 2021, after Raffel et al. 2020. On a mixture task it is multi-task tuning.
#include <peftbench/plugin.h>

namespace pb = peftbench;

namespace {

class ModelTuning final : public pb::Method {
 public:
  explicit ModelTuning(const pb::Values&) {}

  void plan(const pb::BackboneSpec& backbone, pb::PlanBuilder& plan) override {
    for (const pb::ParameterSite& site : backbone.parameters()) plan.train(site);  // a tied table once
  }
};

void register_model_tuning(pb::MethodRegistrar& registrar) {
  registrar.method<ModelTuning>()
      .capability(pb::Capability::identity_at_init)
      // Lester et al. 2021: T5's own fine-tuning. 2^16 tokens a batch are 128 inputs of 512.
      .recommend("train.optimizer", "adafactor")
      .recommend("train.learning_rate", "1e-3")
      .recommend("train.schedule", "constant")
      .recommend("train.adafactor.multiply_by_parameter_scale", "true")
      .recommend("train.adafactor.weight_decay_rate", "0")
      .recommend("train.batch_size", "128")
      .recommend("train.dropout", "0.1")
      .space("train.learning_rate", pb::space::log(1e-4, 0.01));
}

}  // namespace

PEFTBENCH_PLUGIN(model_tuning, "1.0.0", "All parameters of the backbone: fine-tuning, single-task or on a mixture",
                 "Raffel et al. 2020, arXiv:1910.10683", register_model_tuning);
