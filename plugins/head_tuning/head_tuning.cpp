// Head tuning: the language-model head gives way to a new random classifier, as in classic fine-tuning.
//
//   Pr(c | x) = softmax(W h + b)_c,   h ∈ R^D the decoder's state at its start token, W ∈ R^{C×D}
//
// h is what leaves the decoder's final norm, not scaled. The decoder reads its start token and nothing else, so of its
// self-attention only values and outputs matter: over one key the softmax is 1 whatever q, k and the position bias are.
#include <peftbench/plugin.h>

#include <ATen/ops/index_select.h>

#include <string>
#include <utility>

namespace pb = peftbench;

namespace {

class ClassHead final : public pb::HeadHook {
 public:
  ClassHead(pb::Parameter weight, pb::Parameter bias) : weight_(std::move(weight)), bias_(std::move(bias)) {}

  pb::Tensor apply(const pb::HeadCall& call) const override {
    const pb::Tensor first = call.layout.first_rows().to(call.hidden.device());
    return pb::linear(call.hidden.index_select(0, first), weight_(), bias_());
  }
  bool scores_classes() const override { return true; }

 private:
  pb::Parameter weight_, bias_;
};

// Tensors of which no value can change a class score: trained, they would get no gradient.
bool matters(const pb::TensorRole& role) {
  if (role.kind == pb::TensorKind::lm_head) return false;
  if (role.stack == pb::Stack::encoder || role.sublayer != pb::Sublayer::self) return true;
  // The decoder sees one token, which can only attend to itself.
  return role.kind != pb::TensorKind::position_bias && role.map != "q" && role.map != "k";
}

class HeadTuning final : public pb::Method {
 public:
  explicit HeadTuning(const pb::Values& values) : classes_(values.integer("classes")), train_(values.text("train")) {}

  void plan(const pb::BackboneSpec& backbone, pb::PlanBuilder& plan) override {
    const int64_t classes = number_of_classes(plan.task());
    const pb::HeadSite site = backbone.head();
    const pb::Parameter weight = plan.parameter(site, "weight", {classes, backbone.d_model}, pb::init::normal(0, 0.02));
    const pb::Parameter bias = plan.parameter(site, "bias", {classes}, pb::init::zeros());
    plan.claim<ClassHead>(site, weight, bias);
    if (train_ == "head") return;
    for (const pb::ParameterSite& tensor : backbone.parameters()) {
      if (matters(tensor.role)) plan.train(tensor);
    }
  }

 private:
  int64_t number_of_classes(const pb::TaskShape& task) const {
    const auto labels = static_cast<int64_t>(task.labels.size());
    if (labels == 0 && classes_ == 0) {
      throw pb::ConfigError(pb::Problem{.what = "the number of classes is unknown",
                                        .found = "no task with label words, and classes=0",
                                        .remedy = "choose a classification task, or set classes=2"});
    }
    if (labels > 0 && classes_ > 0 && labels != classes_) {
      throw pb::ConfigError(pb::Problem{"classes differs from the number of label words of the task",
                                        std::to_string(classes_), std::to_string(labels), "remove classes"});
    }
    return labels > 0 ? labels : classes_;
  }

  int64_t classes_;
  std::string train_;
};

void register_head_tuning(pb::MethodRegistrar& registrar) {
  registrar.method<HeadTuning>()
      .param("train", "model", "model: all parameters and the head; head: only the head, on frozen states")
      .choices({"model", "head"})
      .param("classes", 0, "rows of the head; 0: the number of label words of the task")
      .at_least(0)
      .capability(pb::Capability::classification_only)
      // Classic fine-tuning of a pre-trained encoder: Devlin et al. 2019, §A.3, the middle of their rates.
      .recommend("train.optimizer", "adamw")
      .recommend("train.learning_rate", "3e-5")
      .recommend("train.schedule", "linear")
      .recommend("train.warmup_steps", "100")
      .recommend("train.steps", "1000")
      .recommend("train.clip_norm", "1")
      .recommend("train.adamw.weight_decay", "0.01")
      .recommend("train.batch_size", "32")
      .recommend("train.dropout", "0.1")
      .space("train.learning_rate", pb::space::log(1e-5, 1e-3));
}

}  // namespace

PEFTBENCH_PLUGIN(head_tuning, "1.0.0", "A new classification head, trained with the whole model or alone",
                 "Devlin et al. 2019, arXiv:1810.04805", register_head_tuning);
