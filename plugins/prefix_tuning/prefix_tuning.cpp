// Prefix tuning: Li and Liang 2021, "Prefix-Tuning: Optimizing Continuous Prompts for Generation".
//
//   K' = [P_K ; K],  V' = [P_V ; V]   in every layer, after projection                                    §4.2
//   [P_K ; P_V] of all layers = W₂ tanh(W₁ P' + b₁) + b₂,   P' ∈ R^{P×D}   while training                 §4.3
//
// Three prefixes that share nothing, as in the authors' code for BART: of the encoder's self-attention, of the
// decoder's self-attention and of cross-attention. Each is one tensor [P, 2L·H·K]: keys and values of layer 0, of layer
// 1, …; a "slot" is H·K columns of it.
#include "huggingface.h"

#include <peftbench/plugin.h>

#include <ATen/ops/tanh.h>

#include <algorithm>
#include <cmath>
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

class Prefix final : public pb::KvHook {
 public:
  Prefix(pb::Parameter prefix, const pb::KvSite& site, int64_t key_slot, int64_t value_slot, double dropout)
      : prefix_(std::move(prefix)),
        heads_(site.heads),
        head_size_(site.head_size),
        key_slot_(key_slot),
        value_slot_(value_slot),
        dropout_(dropout) {}

  pb::KvPrefix prefix(const pb::CallContext& context) const override {
    return {context.dropout(slot(key_slot_), dropout_), context.dropout(slot(value_slot_), dropout_)};
  }

 private:
  pb::Tensor slot(int64_t number) const {  // [P, H·K] → [H, P, K]
    const pb::Tensor columns = prefix_().narrow(1, number * heads_ * head_size_, heads_ * head_size_);
    return columns.reshape({columns.size(0), heads_, head_size_}).transpose(0, 1);
  }

  pb::Parameter prefix_;
  int64_t heads_, head_size_, key_slot_, value_slot_;
  double dropout_;
};

// U(−1/√in, 1/√in): what torch gives weights and biases of a linear map.
pb::Init linear_default(int64_t in) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(in));
  return pb::init::uniform(-bound, bound);
}

class PrefixTuning final : public pb::Method {
 public:
  explicit PrefixTuning(const pb::Values& values)
      : attentions_(values.names("attentions")),
        length_(values.integer("length")),
        hidden_(values.integer("hidden")),
        mlp_(values.text("reparametrisation") == "mlp"),
        huggingface_(values.text("compatibility") == "huggingface"),
        dropout_(values.real("prefix_dropout")),
        deviation_(values.real("init_deviation")) {
    if (attentions_.empty()) {
      throw pb::ConfigError(pb::Problem{.what = "no attention gets a prefix",
                                        .found = "attentions=",
                                        .expected = "one or more of encoder, decoder and cross"});
    }
    if (huggingface_ && !(has("decoder") && !has("encoder") && !has("cross"))) {
      throw pb::ConfigError(
          pb::Problem{"compatibility=huggingface: peft applies a prefix only to the decoder's self-attention",
                      "attentions=" + joined(), "attentions=decoder",
                      "set attentions=decoder, or compatibility=none for the prefixes of Li and Liang"});
    }
  }

  void plan(const pb::BackboneSpec& backbone, pb::PlanBuilder& plan) override {
    if (huggingface_) prefix_huggingface::check(backbone);
    for (const Attention& attention : all_attentions) {
      if (!has(attention.word)) continue;
      // peft makes as many slots as the encoder has layers, whatever the decoder has.
      const int64_t layers = huggingface_ ? backbone.encoder_layers : backbone.layers(attention.stack);
      const pb::Parameter prefix = make(plan, attention, backbone.d_model, 2 * layers * backbone.inner());
      for (const pb::KvSite& site : backbone.key_values(attention.stack, attention.sublayer)) {
        const int64_t key = huggingface_ ? prefix_huggingface::key_slot(site.layer, layers) : 2 * site.layer;
        plan.claim<Prefix>(site, prefix, site, key, key + 1, dropout_);
      }
    }
  }

 private:
  bool has(const std::string& word) const {
    return std::find(attentions_.begin(), attentions_.end(), word) != attentions_.end();
  }
  std::string joined() const {
    std::string text;
    for (const std::string& word : attentions_) text += (text.empty() ? "" : ",") + word;
    return text;
  }

  // The prefix [P, width]: trained itself, or what a multilayer perceptron makes of P' [P, D].
  pb::Parameter make(pb::PlanBuilder& plan, const Attention& attention, int64_t d_model, int64_t width) const {
    const pb::Init normal = pb::init::normal(0, deviation_);
    if (!mlp_) return plan.parameter(attention, "prefix", {length_, width}, normal);
    const pb::Parameter rows = plan.parameter(attention, "rows", {length_, d_model}, normal);
    const pb::Parameter w1 = plan.parameter(attention, "hidden.weight", {hidden_, d_model}, linear_default(d_model));
    const pb::Parameter b1 = plan.parameter(attention, "hidden.bias", {hidden_}, linear_default(d_model));
    const pb::Parameter w2 = plan.parameter(attention, "output.weight", {width, hidden_}, linear_default(hidden_));
    const pb::Parameter b2 = plan.parameter(attention, "output.bias", {width}, linear_default(hidden_));
    return plan.derived(attention, "prefix", {length_, width}, {rows, w1, b1, w2, b2},
                        [=] { return pb::linear(at::tanh(pb::linear(rows(), w1(), b1())), w2(), b2()); });
  }

  pb::Names attentions_;
  int64_t length_, hidden_;
  bool mlp_, huggingface_;
  double dropout_, deviation_;
};

void register_prefix_tuning(pb::MethodRegistrar& registrar) {
  registrar.method<PrefixTuning>()
      .param("length", 10, "prefix length P: keys and values before those of the sequence")
      .range(1, 1e6)
      .space(pb::space::log(4, 64))
      .param("attentions", pb::Names{"encoder", "decoder", "cross"},
             "attentions with a prefix: self-attention of encoder and decoder, cross-attention")
      .choices({"encoder", "decoder", "cross"})
      .param("reparametrisation", "mlp",
             "trained parameters: mlp, an MLP that computes the prefix, or direct, the prefix itself")
      .choices({"mlp", "direct"})
      .param("hidden", 512, "mlp: width of its hidden layer, k")
      .range(1, 1e6)
      .param("prefix_dropout", 0.0, "dropout on the prefix during training")
      .range(0, 0.99)
      .param("init_deviation", 1.0, "standard deviation of the initial P' (mlp) or of the initial prefix (direct)")
      .at_least(0)
      .param("compatibility", "none",
             "huggingface: all slots of peft's tensor, including unused ones; for comparison and import")
      .choices({"none", "huggingface"})
      .format<prefix_huggingface::Format>()
      // Li and Liang 2021, §5.3 and appendix A: table-to-text; 10 epochs of E2E's 42,000 examples.
      .recommend("train.optimizer", "adamw")
      .recommend("train.learning_rate", "5e-5")
      .recommend("train.schedule", "linear")
      .recommend("train.warmup_steps", "100")
      .recommend("train.adamw.weight_decay", "0")
      .recommend("train.clip_norm", "1")
      .recommend("train.batch_size", "5")
      .recommend("train.steps", "84000")
      .recommend("train.evaluate_every", "1000")
      .space("train.learning_rate", pb::space::log(1e-5, 1e-3));
}

}  // namespace

PEFTBENCH_PLUGIN(prefix_tuning, "1.0.0", "Trained keys and values before those of every attention",
                 "Li, Liang 2021, arXiv:2101.00190", register_prefix_tuning);
