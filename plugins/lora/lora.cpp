// LoRA: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models".
//
//   h = W₀x + s · B A x,   A ∈ R^{r×in}, B ∈ R^{out×r} trained, W₀ frozen, s = α/r                      §4.1, eq. 3
//
// rsLoRA (Kalajdzievski 2023) takes s = α/√r. Dropout is on the x of the low-rank branch alone, as in loralib. After
// training W₀ + s·BA replaces W₀ and nothing is left to compute. W₀ is only ever used through call.base(), so a
// quantised backbone makes this QLoRA (Dettmers et al. 2023).
#include "huggingface.h"
#include "targets.h"

#include <peftbench/plugin.h>

#include <string>

namespace pb = peftbench;

namespace {

class LowRankUpdate final : public pb::LinearHook {
 public:
  LowRankUpdate(pb::Parameter a, pb::Parameter b, double scale, double dropout)
      : a_(std::move(a)), b_(std::move(b)), scale_(scale), dropout_(dropout) {}

  pb::Tensor apply(const pb::LinearCall& call) const override {
    return pb::add_low_rank(call.base(), call.dropout(call.x(), dropout_), a_(), b_(), scale_);
  }

  std::optional<pb::Tensor> merged(const pb::Tensor& weight) const override {
    return weight + scale_ * pb::matmul(b_(), a_());
  }

 private:
  pb::Parameter a_, b_;
  double scale_, dropout_;
};

class Lora final : public pb::Method {
 public:
  explicit Lora(const pb::Values& values) : values_(values) {}

  void plan(const pb::BackboneSpec& backbone, pb::PlanBuilder& plan) override {
    const double dropout = values_.real("dropout");
    for (const lora::Target& target : lora::targets(values_, backbone)) {
      const pb::LinearSite& site = target.site;
      const pb::Parameter a = plan.parameter(site, "A", {target.rank, site.in_features()}, first_a(target.rank));
      const pb::Parameter b = plan.parameter(site, "B", {site.out_features(), target.rank}, pb::init::zeros());
      plan.claim<LowRankUpdate>(site, a, b, target.scale, dropout);
    }
  }

 private:
  pb::Init first_a(int64_t rank) const {
    if (values_.text("init") == "gaussian") return pb::init::normal(0, 1.0 / static_cast<double>(rank));
    return pb::init::kaiming_uniform();
  }

  pb::Values values_;
};

void register_lora(pb::MethodRegistrar& registrar) {
  registrar.method<Lora>()
      .param("rank", 8, "rank r of all maps without an entry in rank_pattern")
      .range(1, 1e6)
      .space(pb::space::choices({"2", "4", "8", "16", "32"}))
      .param("alpha", 16.0, "the update is scaled by alpha / rank")
      .at_least(0)
      .param("rslora", false, "scale by alpha / √rank")
      .param("dropout", 0.0, "dropout on the input of the low-rank branch")
      .range(0, 0.999)
      .param("targets", pb::Names{"q", "v"},
             "linear maps: q, k, v, o, wi, wi_0, wi_1, wo, lm_head, all-linear, or patterns of names (README)")
      .param("rank_pattern", pb::Names{}, "pattern=rank, for maps with another rank; the first match applies")
      .param("alpha_pattern", pb::Names{}, "pattern=alpha, for maps with another alpha; the first match applies")
      .param("init", "kaiming_uniform",
             "initialisation of A: U(±1/√in) as in loralib, or N(0, 1/rank²); B is initialised with 0")
      .choices({"kaiming_uniform", "gaussian"})
      .capability(pb::Capability::merges)
      .capability(pb::Capability::identity_at_init)
      .format<lora::HuggingFaceLora>()
      // Hu et al. 2021, table 9 (RoBERTa-large, rank 8, alpha 16).
      .recommend("train.optimizer", "adamw")
      .recommend("train.learning_rate", "4e-4")
      .recommend("train.adamw.weight_decay", "0.1")
      .recommend("train.schedule", "linear")
      .recommend("train.warmup_steps", "600")
      .recommend("train.steps", "10000")
      .recommend("train.batch_size", "32")
      .recommend("train.evaluate_every", "500")
      .recommend("train.dropout", "0.1")
      .recommend("train.dropout_shape", "elementwise")
      .space("train.learning_rate", pb::space::log(4e-5, 0.01));
}

}  // namespace

PEFTBENCH_PLUGIN(lora, "1.0.0", "Low-rank update of frozen linear maps", "Hu et al. 2021, arXiv:2106.09685",
                 register_lora);
