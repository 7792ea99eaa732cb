// (IA)³: Liu et al. 2022, "Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning".
//
//   softmax(Q (l_k ⊙ K)ᵀ / √d) (l_v ⊙ V)      in every self- and cross-attention                             §3.3
//   (l_ff ⊙ γ(W₁x)) W₂                        in every feed-forward layer
//
// l_k, l_v ∈ R^{H·d_kv} and l_ff ∈ R^{d_ff} are trained and begin as ones. K = W_k x, so l_k ⊙ K scales the output of
// k. With ReLU (v1.0) l_ff scales the input of wo, after the activation. In gated layers (v1.1) the authors scale the
// output of the linear branch wi_1, which is the same: l ⊙ (γ(W₀x) · W₁x) = γ(W₀x) · (l ⊙ W₁x).
#include "huggingface.h"
#include "scaling.h"

#include <peftbench/plugin.h>

namespace pb = peftbench;

namespace {

// W'= diag(l) W
class ScaledOutput final : public pb::LinearHook {
 public:
  explicit ScaledOutput(pb::Parameter scale) : scale_(std::move(scale)) {}
  pb::Tensor apply(const pb::LinearCall& call) const override { return call.base() * scale_(); }
  std::optional<pb::Tensor> merged(const pb::Tensor& weight) const override { return weight * scale_().unsqueeze(1); }

 private:
  pb::Parameter scale_;
};

// W' = W diag(l)
class ScaledInput final : public pb::LinearHook {
 public:
  explicit ScaledInput(pb::Parameter scale) : scale_(std::move(scale)) {}
  pb::Tensor apply(const pb::LinearCall& call) const override { return call.base(call.x() * scale_()); }
  std::optional<pb::Tensor> merged(const pb::Tensor& weight) const override { return weight * scale_(); }

 private:
  pb::Parameter scale_;
};

class Ia3 final : public pb::Method {
 public:
  explicit Ia3(const pb::Values& values) : values_(values) {}

  void plan(const pb::BackboneSpec& backbone, pb::PlanBuilder& plan) override {
    for (const ia3::Scaling& scaling : ia3::scalings(values_, backbone)) {
      const pb::LinearSite& site = scaling.site;
      const pb::Parameter scale = plan.parameter(site, "scale", {scaling.size()}, pb::init::ones());
      if (scaling.input) {
        plan.claim<ScaledInput>(site, scale);
      } else {
        plan.claim<ScaledOutput>(site, scale);
      }
    }
  }

 private:
  pb::Values values_;
};

void register_ia3(pb::MethodRegistrar& registrar) {
  registrar.method<Ia3>()
      .param("targets", pb::Names{"k", "v"}, "linear maps whose output is scaled")
      .choices({"q", "k", "v", "o", "wi", "wi_0", "wi_1", "wo", "lm_head"})
      .param("ffn", "auto",
             "scaled part of the feed-forward layers: the input of wo, the output of wi_1, or none; auto: wi_1's "
             "output if it exists, as in the paper, else wo's input")
      .choices({"auto", "wo_input", "wi_1_output", "none"})
      .capability(pb::Capability::merges)
      .capability(pb::Capability::identity_at_init)
      .format<ia3::HuggingFaceIa3>()
      // T-Few's recipe and its released configuration; its scoring is configs/suites/t_few.yaml.
      .recommend("train.optimizer", "adafactor")
      .recommend("train.learning_rate", "3e-3")
      .recommend("train.adafactor.multiply_by_parameter_scale", "true")
      .recommend("train.adafactor.weight_decay_rate", "0")
      .recommend("train.schedule", "linear")
      .recommend("train.warmup_steps", "60")
      .recommend("train.steps", "1000")
      .recommend("train.batch_size", "8")
      .recommend("train.clip_norm", "1.0")
      .recommend("train.unlikelihood_weight", "1")
      .recommend("train.length_normalised_weight", "1")
      .recommend("train.evaluate_every", "100")
      .space("train.learning_rate", pb::space::log(3e-4, 0.03));
}

}  // namespace

PEFTBENCH_PLUGIN(ia3, "1.0.0", "Trained factors on keys, values and feed-forward activations",
                 "Liu et al. 2022, arXiv:2205.05638", register_ia3);
