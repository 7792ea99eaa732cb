// Visual prompt tuning on T5: Jia, Tang, Chen, Cardie, Belongie, Hariharan, Lim 2022, "Visual Prompt Tuning".
//
//   shallow:  [Z_1; E_1] = L_1([P_0; E_0]),              [Z_i; E_i] = L_i([Z_{i−1}; E_{i−1}])            §3.2, eq. 4–6
//   deep:     [_ ; E_i] = L_i([P_{i−1}; E_{i−1}])        i = 1 … L, P_i ∈ R^{P×D} trained                §3.2, eq. 7
//
// What the layer before wrote at the prompts' places is thrown away in the deep form, so keys and values of P_{i−1}
// still pass through the frozen norm and maps. Prompts stand in the encoder, before the text. An optional head scores
// classes on the decoder's first state, as the source's does on [CLS].
#include <peftbench/plugin.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <cmath>
#include <string>
#include <vector>

namespace pb = peftbench;

namespace {

// Writes the prompt to the first P slots; dropout has masks of its own in each sequence.
pb::Tensor write(const pb::Tensor& hidden, const pb::Call& call, const pb::TokenLayout& layout,
                 const pb::Tensor& prompt, double dropout) {
  if (!call.training() || dropout <= 0) return pb::replace_slots(hidden, layout, prompt);
  const int64_t rows = prompt.size(0), sequences = layout.sequences();
  pb::TokenLayout apart = layout;  // sequence b's slots are rows b·P … of a table with a copy for each sequence
  apart.slots = at::where(layout.slots >= 0, layout.slots + layout.sequence_of_rows() * rows, layout.slots);
  const pb::Tensor copies = prompt.unsqueeze(0).expand({sequences, rows, prompt.size(1)}).reshape({-1, prompt.size(1)});
  return pb::replace_slots(hidden, apart, call.dropout(copies, dropout));
}

class First final : public pb::InputHook {
 public:
  First(pb::Parameter prompt, double dropout) : prompt_(std::move(prompt)), dropout_(dropout) {}
  pb::Embedded apply(const pb::InputCall& call) const override {
    pb::Embedded joined = pb::prepend(call.input(), prompt_());
    if (call.training() && dropout_ > 0) {
      joined.embeddings = write(joined.embeddings, call, joined.layout, prompt_(), dropout_);
    }
    return joined;
  }

 private:
  pb::Parameter prompt_;
  double dropout_;
};

class Replaced final : public pb::BlockHook {
 public:
  Replaced(pb::Parameter prompt, double dropout) : prompt_(std::move(prompt)), dropout_(dropout) {}
  pb::Tensor apply(const pb::BlockCall& call) const override {
    return write(call.hidden, call, call.layout, prompt_(), dropout_);
  }

 private:
  pb::Parameter prompt_;
  double dropout_;
};

class ClassHead final : public pb::HeadHook {
 public:
  ClassHead(pb::Parameter weight, pb::Parameter bias, double scale)
      : weight_(std::move(weight)), bias_(std::move(bias)), scale_(scale) {}
  pb::Tensor apply(const pb::HeadCall& call) const override {  // [N, D] → [B, C]
    const pb::Tensor state = call.hidden.index_select(0, call.layout.last_rows().to(call.hidden.device()));
    return pb::linear(scale_ == 1 ? state : state * scale_, weight_(), bias_());
  }
  bool scores_classes() const override { return true; }

 private:
  pb::Parameter weight_, bias_;
  double scale_;
};

class Vpt final : public pb::Method {
 public:
  explicit Vpt(const pb::Values& values)
      : length_(values.integer("length")),
        deep_(values.text("depth") == "deep"),
        dropout_(values.real("prompt_dropout")),
        fan_in_(values.integer("init_fan_in")),
        head_(values.text("head") == "classification") {}

  void plan(const pb::BackboneSpec& backbone, pb::PlanBuilder& plan) override {
    const int64_t d = backbone.d_model;
    const double bound = std::sqrt(6.0 / static_cast<double>(fan_in_ + d));
    const pb::Init value = pb::init::uniform(-bound, bound);
    const pb::InputSite input = backbone.encoder_input();
    plan.claim<First>(input, plan.parameter(input, "prompt", {length_, d}, value), dropout_);
    for (const pb::BlockSite& block : backbone.blocks(pb::Stack::encoder)) {
      if (!deep_ || block.layer == 0 || block.layer == backbone.encoder_layers) continue;
      plan.claim<Replaced>(block, plan.parameter(block, "prompt", {length_, d}, value), dropout_);
    }
    if (head_) add_head(backbone, plan);
  }

 private:
  static void add_head(const pb::BackboneSpec& backbone, pb::PlanBuilder& plan) {
    const auto classes = static_cast<int64_t>(plan.task().labels.size());
    if (classes == 0) {
      throw pb::ConfigError(pb::Problem{"head=classification needs a task with label words",
                                        "a task without label words, or no task", "label words",
                                        "set head=none, or choose a classification task"});
    }
    const double bound = 1 / std::sqrt(static_cast<double>(backbone.d_model));
    // As in the released code: He's normal of the outputs for the weight, torch's for the bias.
    const double deviation = std::sqrt(2.0 / static_cast<double>(classes));
    const pb::HeadSite site = backbone.head();
    const pb::Parameter weight =
        plan.parameter(site, "weight", {classes, backbone.d_model}, pb::init::normal(0, deviation));
    const pb::Parameter bias = plan.parameter(site, "bias", {classes}, pb::init::uniform(-bound, bound));
    plan.claim<ClassHead>(site, weight, bias, backbone.scale_logits ? bound : 1.0);
  }

  int64_t length_;
  bool deep_;
  double dropout_;
  int64_t fan_in_;
  bool head_;
};

void register_vpt(pb::MethodRegistrar& registrar) {
  registrar.method<Vpt>()
      .param("length", 50, "rows of the prompt, P (deep: per layer)")
      .range(1, 1e6)
      .space(pb::space::log(5, 100))
      .param("depth", "deep", "shallow: one prompt before the input; deep: a new prompt before each encoder layer")
      .choices({"shallow", "deep"})
      .param("prompt_dropout", 0.1, "dropout on prompts during training")
      .range(0, 0.99)
      .param("init_fan_in", 768,
             "prompts are initialised from U(±√(6/(this + d_model))); 3·16² for the patches of ViT/16")
      .at_least(1)
      .param("head", "none",
             "none: the backbone generates the label; classification: a trained linear map to the classes")
      .choices({"none", "classification"})
      // The source: SGD with momentum 0.9, which is not here. AdamW takes its place, at a rate that is
      // this project's choice: its steps do not depend on the size of gradients. The cosine with a tenth of warm-up is
      // theirs.
      .recommend("train.optimizer", "adamw")
      .recommend("train.learning_rate", "1e-2")
      .recommend("train.adamw.weight_decay", "1e-4")
      .recommend("train.schedule", "cosine")
      .recommend("train.steps", "10000")
      .recommend("train.warmup_steps", "1000")
      .recommend("train.batch_size", "64")
      .recommend("train.evaluate_every", "500")
      .recommend("train.dropout", "0")
      .space("train.learning_rate", pb::space::log(1e-3, 0.1));
}

}  // namespace

PEFTBENCH_PLUGIN(vpt, "1.0.0", "Prompts before the encoder's input, or before each of its layers in place of the last",
                 "Jia et al. 2022, arXiv:2203.12119", register_vpt);
