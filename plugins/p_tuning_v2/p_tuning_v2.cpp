// P-tuning v2: Liu et al. 2022, "P-Tuning v2: Prompt Tuning Can Be Comparable to Fine-tuning Universally".
//
//   K' = [Drop(P_K) ; K],  V' = [Drop(P_V) ; V]   in every layer, after projection                        §3.2
//   scores = W h + b,  W ∈ R^{C×D}                with a classification head                              §3.3
//
// What distinguishes it from prefix tuning: prompts of every layer are trained themselves, without a perceptron before
// them, with dropout on them, and a new linear head may score the classes in place of the language model's words. Each
// attention's prompt is one tensor [P, 2L·H·K]: keys and values of layer 0, of layer 1, ….
#include <peftbench/plugin.h>

#include <ATen/ops/index_select.h>
#include <ATen/ops/tanh.h>

#include <algorithm>
#include <string>
#include <vector>

namespace pb = peftbench;

namespace {

// One attention of all layers of a stack.
struct Attention {
  const char* word;  // of the parameter `attentions`
  pb::Stack stack;
  pb::Sublayer sublayer;

  std::string name() const { return std::string(pb::name_of(stack)) + "." + std::string(pb::name_of(sublayer)); }
};
constexpr Attention all_attentions[] = {{"encoder", pb::Stack::encoder, pb::Sublayer::self},
                                        {"decoder", pb::Stack::decoder, pb::Sublayer::self},
                                        {"cross", pb::Stack::decoder, pb::Sublayer::cross}};

class DeepPrompt final : public pb::KvHook {
 public:
  DeepPrompt(pb::Parameter prompt, const pb::KvSite& site, double dropout)
      : prompt_(std::move(prompt)), site_(site), dropout_(dropout) {}

  pb::KvPrefix prefix(const pb::CallContext& context) const override {
    return {context.dropout(columns(0), dropout_), context.dropout(columns(1), dropout_)};
  }

 private:
  pb::Tensor columns(int64_t values) const {  // [P, H·K] of the keys or values of this layer → [H, P, K]
    const int64_t width = site_.heads * site_.head_size;
    const pb::Tensor own = prompt_().narrow(1, (2 * site_.layer + values) * width, width);
    return own.reshape({own.size(0), site_.heads, site_.head_size}).transpose(0, 1);
  }

  pb::Parameter prompt_;
  pb::KvSite site_;
  double dropout_;
};

// Scores of the classes from the decoder's state at its start token, where T5 has what [CLS] is in BERT.
class ClassHead final : public pb::HeadHook {
 public:
  ClassHead(pb::Parameter weight, pb::Parameter bias) : weight_(std::move(weight)), bias_(std::move(bias)) {}

  pb::Tensor apply(const pb::HeadCall& call) const override {  // [N, D] → [B, C]
    const pb::Tensor rows = call.layout.first_rows().to(call.hidden.device());
    return pb::linear(call.hidden.index_select(0, rows), weight_(), bias_());
  }
  bool scores_classes() const override { return true; }

 private:
  pb::Parameter weight_, bias_;
};

class PTuningV2 final : public pb::Method {
 public:
  explicit PTuningV2(const pb::Values& values)
      : attentions_(values.names("attentions")),
        length_(values.integer("length")),
        hidden_(values.integer("hidden")),
        mlp_(values.text("reparametrisation") == "mlp"),
        classes_(values.text("head") == "classification"),
        dropout_(values.real("prefix_dropout")),
        deviation_(values.real("init_deviation")) {
    if (attentions_.empty()) {
      throw pb::ConfigError(pb::Problem{.what = "no attention gets a prompt",
                                        .found = "attentions=",
                                        .expected = "one or more of encoder, decoder and cross"});
    }
  }

  void plan(const pb::BackboneSpec& backbone, pb::PlanBuilder& plan) override {
    for (const Attention& attention : all_attentions) {
      if (std::find(attentions_.begin(), attentions_.end(), attention.word) == attentions_.end()) continue;
      const int64_t width = 2 * backbone.layers(attention.stack) * backbone.inner();
      const pb::Parameter prompt = make(plan, attention, backbone.d_model, width);
      for (const pb::KvSite& site : backbone.key_values(attention.stack, attention.sublayer)) {
        plan.claim<DeepPrompt>(site, prompt, site, dropout_);
      }
    }
    if (classes_) claim_head(backbone, plan);
  }

 private:
  // The prompt [P, width]: trained itself, or what a multilayer perceptron makes of embeddings [P, D].
  pb::Parameter make(pb::PlanBuilder& plan, const Attention& attention, int64_t d_model, int64_t width) const {
    const pb::Init normal = pb::init::normal(0, deviation_);
    if (!mlp_) return plan.parameter(attention, "prompt", {length_, width}, normal);
    const pb::Parameter rows = plan.parameter(attention, "rows", {length_, d_model}, normal);
    const pb::Parameter w1 = plan.parameter(attention, "hidden.weight", {hidden_, d_model}, normal);
    const pb::Parameter b1 = plan.parameter(attention, "hidden.bias", {hidden_}, pb::init::zeros());
    const pb::Parameter w2 = plan.parameter(attention, "output.weight", {width, hidden_}, normal);
    const pb::Parameter b2 = plan.parameter(attention, "output.bias", {width}, pb::init::zeros());
    return plan.derived(attention, "prompt", {length_, width}, {rows, w1, b1, w2, b2},
                        [=] { return pb::linear(at::tanh(pb::linear(rows(), w1(), b1())), w2(), b2()); });
  }

  void claim_head(const pb::BackboneSpec& backbone, pb::PlanBuilder& plan) const {
    const auto classes = static_cast<int64_t>(plan.task().labels.size());
    if (classes < 2) {
      throw pb::ConfigError(pb::Problem{"head=classification needs a task with label words",
                                        std::to_string(classes) + " label words", "a task with two label words or more",
                                        "set head=verbalizer, with which the language model generates the answer"});
    }
    const pb::HeadSite site = backbone.head();
    const pb::Parameter weight =
        plan.parameter(site, "weight", {classes, backbone.d_model}, pb::init::normal(0, deviation_));
    plan.claim<ClassHead>(site, weight, plan.parameter(site, "bias", {classes}, pb::init::zeros()));
  }

  pb::Names attentions_;
  int64_t length_, hidden_;
  bool mlp_, classes_;
  double dropout_, deviation_;
};

void register_p_tuning_v2(pb::MethodRegistrar& registrar) {
  registrar.method<PTuningV2>()
      .param("length", 8, "prompt length P: keys and values before those of the sequence in every layer")
      .range(1, 1e6)
      .space(pb::space::log(4, 64))
      .param("attentions", pb::Names{"encoder"},
             "attentions with a prompt: self-attention of encoder and decoder, cross-attention")
      .choices({"encoder", "decoder", "cross"})
      .param(
          "head", "verbalizer",
          "verbalizer: the frozen language model generates the label; classification: a new linear map to the classes")
      .choices({"verbalizer", "classification"})
      .param("prefix_dropout", 0.1, "dropout on the prompt during training")
      .range(0, 0.99)
      .param("reparametrisation", "direct",
             "trained parameters: direct, the prompt itself; mlp, an MLP that computes it")
      .choices({"direct", "mlp"})
      .param("hidden", 512, "mlp: width of its hidden layer")
      .range(1, 1e6)
      .param("init_deviation", 0.02, "standard deviation of the initial values; biases are initialised with 0")
      .at_least(0)
      // BoolQ with RoBERTa-large, as released: 100 epochs of 9,427 examples.
      .recommend("train.optimizer", "adamw")
      .recommend("train.learning_rate", "7e-3")
      .recommend("train.schedule", "linear")
      .recommend("train.adamw.weight_decay", "0")
      .recommend("train.clip_norm", "1")
      .recommend("train.dropout", "0.1")
      .recommend("train.batch_size", "32")
      .recommend("train.steps", "29500")
      .recommend("train.evaluate_every", "295")
      .space("train.learning_rate", pb::space::log(1e-3, 0.1));
}

}  // namespace

PEFTBENCH_PLUGIN(p_tuning_v2, "1.0.0", "Trained keys and values in every layer, without reparametrisation",
                 "Liu et al. 2022, arXiv:2110.07602", register_p_tuning_v2);
