// Bottleneck adapters beside the sublayers of a frozen T5.
//
//   y = s + c · drop(f(z)),   f(z) = W_up σ(W_down z + b_down) + b_up,   W_down ∈ R^{m×D}, W_up ∈ R^{D×m}
//
// s is the sublayer's output (after its dropout) and y what is added to the residual stream x. What the adapter reads:
//
//   output    z = s         Houlsby et al. 2019: A(s) = s + f(s)
//   sum       z = x + s     Pfeiffer et al. 2021, as their own library runs it in T5 (its original_ln_before)
//   input     z = norm(x)   He et al. 2022, parallel: what the sublayer itself read
//   residual  z = x         parallel, as AdapterHub runs it in T5
//
// W_up begins at zero, so a tuned model begins as the frozen one.
#include <peftbench/plugin.h>

#include <ATen/ops/gelu.h>
#include <ATen/ops/silu.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

namespace pb = peftbench;

namespace {

enum class Reads { output, sum, input, residual };

using Activate = std::function<pb::Tensor(const pb::Tensor&)>;

struct Bottleneck {
  pb::Parameter down, down_bias, up, up_bias;
};

class Adapter final : public pb::SublayerHook {
 public:
  Adapter(Bottleneck weights, Reads reads, Activate activate, double scale, double dropout)
      : weights_(std::move(weights)), reads_(reads), activate_(std::move(activate)), scale_(scale), dropout_(dropout) {}

  pb::Tensor apply(const pb::SublayerCall& call) const override {
    const pb::Tensor inner = activate_(pb::linear(read(call), weights_.down(), weights_.down_bias()));
    pb::Tensor change = pb::linear(inner, weights_.up(), weights_.up_bias());
    if (dropout_ > 0) change = call.dropout(change, dropout_);
    return call.output + (scale_ == 1 ? change : change * scale_);
  }

 private:
  pb::Tensor read(const pb::SublayerCall& call) const {
    switch (reads_) {
      case Reads::output:
        return call.output;
      case Reads::sum:
        return call.residual + call.output;
      case Reads::input:
        return call.input;
      case Reads::residual:
        break;
    }
    return call.residual;
  }

  Bottleneck weights_;
  Reads reads_;
  Activate activate_;
  double scale_, dropout_;
};

// What a kind is, where the user says nothing else.
struct Kind {
  pb::Names sites;
  std::string reads, activation;
  double scale;
  bool train_norms;
};

Kind kind_of(const std::string& name) {
  if (name == "houlsby") return {{"self", "cross", "ffn"}, "output", "gelu", 1, true};
  if (name == "pfeiffer") return {{"ffn"}, "sum", "relu", 1, false};
  return {{"ffn"}, "input", "relu", 4, false};  // parallel: the scaled one of He et al. 2022
}

Reads reads_of(const std::string& name) {
  return name == "output"  ? Reads::output
         : name == "sum"   ? Reads::sum
         : name == "input" ? Reads::input
                           : Reads::residual;
}

// GELU in its tanh form, as the code of Houlsby et al. and T5 v1.1 have it.
Activate activation_of(const std::string& name) {
  if (name == "relu") return [](const pb::Tensor& x) { return at::relu(x); };
  if (name == "swish") return [](const pb::Tensor& x) { return at::silu(x); };
  return [](const pb::Tensor& x) { return at::gelu(x, "tanh"); };
}

struct Inits {
  pb::Init down, up;
};

Inits inits_of(const std::string& name) {
  if (name == "houlsby") return {pb::init::truncated_normal(1e-3), pb::init::truncated_normal(1e-3)};
  if (name == "adapterhub") return {pb::init::normal(0, 0.02), pb::init::normal(0, 0.02)};
  return {pb::init::kaiming_uniform(), pb::init::zeros()};  // zero_up: He et al. 2022, after LoRA
}

class Adapters final : public pb::Method {
 public:
  explicit Adapters(const pb::Values& values)
      : kind_(kind_of(values.text("kind"))),
        bottleneck_(values.integer("bottleneck")),
        init_(values.text("init")),
        dropout_(values.real("dropout")) {
    const auto take = [&](const char* key, std::string& into) {
      if (values.text(key) != "auto") into = values.text(key);
    };
    take("reads", kind_.reads);
    take("activation", kind_.activation);
    if (!values.names("sites").empty()) kind_.sites = values.names("sites");
    if (values.real("scale") > 0) kind_.scale = values.real("scale");
    if (values.text("train_norms") != "auto") kind_.train_norms = values.text("train_norms") == "yes";
  }

  void plan(const pb::BackboneSpec& backbone, pb::PlanBuilder& plan) override {
    const Inits inits = inits_of(init_);
    const int64_t d = backbone.d_model, m = bottleneck_;
    for (const pb::SublayerSite& site : backbone.sublayers()) {
      const std::string place(pb::name_of(site.sublayer));
      if (std::find(kind_.sites.begin(), kind_.sites.end(), place) == kind_.sites.end()) continue;
      const Bottleneck weights{
          plan.parameter(site, "down", {m, d}, inits.down), plan.parameter(site, "down_bias", {m}, pb::init::zeros()),
          plan.parameter(site, "up", {d, m}, inits.up), plan.parameter(site, "up_bias", {d}, pb::init::zeros())};
      // Houlsby's weight decay leaves biases and norms out.
      plan.scale_weight_decay(weights.down_bias, 0);
      plan.scale_weight_decay(weights.up_bias, 0);
      plan.claim<Adapter>(site, weights, reads_of(kind_.reads), activation_of(kind_.activation), kind_.scale, dropout_);
    }
    if (!kind_.train_norms) return;
    for (const pb::ParameterSite& site : backbone.parameters()) {
      if (site.role.is_norm()) plan.scale_weight_decay(plan.train(site), 0);
    }
  }

 private:
  Kind kind_;
  int64_t bottleneck_;
  std::string init_;
  double dropout_;
};

void register_adapter(pb::MethodRegistrar& registrar) {
  registrar.method<Adapters>()
      .param("kind", "houlsby", "preset for the parameters below; README.md has the table")
      .choices({"houlsby", "pfeiffer", "parallel"})
      .param("bottleneck", 64, "m, rows of W_down")
      .range(1, 1e6)
      .space(pb::space::log(8, 256))
      .param("sites", pb::Names{}, "sublayers with an adapter; empty: the kind's")
      .choices({"self", "cross", "ffn"})
      .param("reads", "auto", "input of the adapter: output, sum (residual + output), input (normed), or residual")
      .choices({"auto", "output", "sum", "input", "residual"})
      .param("activation", "auto", "activation between W_down and W_up")
      .choices({"auto", "gelu", "relu", "swish"})
      .param("scale", 0.0, "factor on the adapter's output; 0: the kind's")
      .at_least(0)
      .param("dropout", 0.0, "dropout on the adapter's output during training")
      .range(0, 0.9)
      .param("train_norms", "auto", "also train the scales of all RMSNorms")
      .choices({"auto", "yes", "no"})
      .param("init", "zero_up", "zero_up: the frozen model exactly; houlsby: both near 0; adapterhub: both N(0, 0.02)")
      .choices({"zero_up", "houlsby", "adapterhub"})
      .capability(pb::Capability::identity_at_init)
      // Houlsby et al. 2019 and their released code: Adam with decay of weights alone, clipped at 1, warmed up
      // over the first tenth and then linear to 0. The rate is the middle one of their sweep.
      .recommend("train.optimizer", "adamw")
      .recommend("train.learning_rate", "3e-4")
      .recommend("train.schedule", "linear")
      .recommend("train.warmup_steps", "100")
      .recommend("train.steps", "1000")
      .recommend("train.clip_norm", "1")
      .recommend("train.adamw.epsilon", "1e-6")
      .recommend("train.adamw.weight_decay", "0.01")
      .recommend("train.batch_size", "32")
      .recommend("train.dropout", "0.1")
      .space("train.learning_rate", pb::space::log(3e-5, 3e-3));
}

}  // namespace

PEFTBENCH_PLUGIN(adapter, "1.0.0", "Bottleneck layers in the sublayers: Houlsby, Pfeiffer and parallel adapters",
                 "Houlsby et al. 2019, arXiv:1902.00751; Pfeiffer et al. 2021, arXiv:2005.00247", register_adapter);
