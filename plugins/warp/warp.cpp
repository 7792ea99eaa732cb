// WARP: Hambardzumyan, Khachatrian, May 2021, "WARP: Word-level Adversarial ReProgramming".
//
//   Pr(c | x) ∝ exp(v_c · s·h(T_P(x)) + b_c),   P ∈ R^{P×D}, V ∈ R^{C×D}, b ∈ R^C trained, θ frozen      §3
//
// T_P writes P's rows and one mask before, between and after the segments of x. T5 has neither a mask nor a state of
// its own there: <extra_id_0> stands at the mask's place, and h is the decoder's first state after the final norm, the
// one that writes the answer's first token; s = D^-½ where the backbone scales that state before lm_head, else 1. V's
// first rows are those of lm_head, so that the first scores are the backbone's own logits of the label words.
#include <peftbench/plugin.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

namespace pb = peftbench;

namespace {

constexpr const char* mask = "<extra_id_0>";

class Around final : public pb::LayoutHook {
 public:
  explicit Around(pb::SlotTemplate text) : text_(std::move(text)) {}
  std::vector<pb::Piece> arrange(const pb::LayoutCall& call) const override {
    return text_.arrange(call.example.input);
  }

 private:
  pb::SlotTemplate text_;
};

class Prompt final : public pb::InputHook {
 public:
  explicit Prompt(pb::Parameter rows) : rows_(std::move(rows)) {}
  pb::Embedded apply(const pb::InputCall& call) const override {
    if (!call.layout.has_slots()) {
      throw pb::ConfigError(pb::Problem{
          "warp places its prompts within the text, but these inputs are token ids", "token ids without a template",
          "examples of a task", "evaluate the run on its task; token ids do not tell where the prompts belong"});
    }
    return {pb::replace_slots(call.embeddings, call.layout, rows_()), call.layout};
  }

 private:
  pb::Parameter rows_;
};

class Verbalizer final : public pb::HeadHook {
 public:
  Verbalizer(pb::Parameter rows, std::optional<pb::Parameter> bias, double scale)
      : rows_(std::move(rows)), bias_(std::move(bias)), scale_(scale) {}
  pb::Tensor apply(const pb::HeadCall& call) const override {  // [N, D] → [B, C]
    const pb::Tensor state = call.hidden.index_select(0, call.layout.last_rows().to(call.hidden.device()));
    const pb::Tensor scores = pb::linear(scale_ == 1 ? state : state * scale_, rows_());
    return bias_ ? scores + (*bias_)() : scores;
  }
  bool scores_classes() const override { return true; }

 private:
  pb::Parameter rows_;
  std::optional<pb::Parameter> bias_;
  double scale_;
};

// All rows are the embedding of the mask, as in the authors' runs.
pb::Tensor mask_rows(pb::InitContext& context, const pb::Shape& shape) {
  const std::vector<int64_t> ids = context.tokenize(mask);
  if (ids.size() != 1) {
    throw pb::ConfigError(pb::Problem{"the vocabulary has no " + std::string(mask), std::to_string(ids.size()) + " ids",
                                      "one id", "set prompt_init=table_normal"});
  }
  return context.embedding_rows(ids).expand(shape).clone();
}

// The authors' prompt_better_init: as the numbers of the embedding table are spread.
pb::Init table_normal_rows(std::string table_name) {
  return [table_name = std::move(table_name)](pb::InitContext& context, const pb::Shape& shape) {
    const pb::Tensor table = context.frozen(table_name);
    pb::Tensor rows = at::zeros(shape);
    rows.normal_(0, 1, context.generator());
    return rows * table.std() + table.mean();
  };
}

// Row c: mean of the output rows of label c's tokens. T5's lm_head has no bias, so b begins at 0.
pb::Init label_word_rows(std::string head, std::vector<std::string> labels) {
  return [head = std::move(head), labels = std::move(labels)](pb::InitContext& context, const pb::Shape& shape) {
    pb::Tensor rows = at::zeros(shape);
    const pb::Tensor table = context.frozen(head);
    for (std::size_t c = 0; c < labels.size(); ++c) {
      const std::vector<int64_t> ids = context.tokenize(labels[c]);
      if (ids.empty())
        context.warn("label '" + labels[c] + "' has no tokens: its row of the verbalizer is initialised with 0");
      for (const int64_t id : ids) {
        rows[static_cast<int64_t>(c)].add_(table[id], 1.0 / static_cast<double>(ids.size()));
      }
    }
    return rows;
  };
}

// [n] before the first field, [n] after it, the mask, then [n] and each further field, and [n] at the end: with two
// fields the places of the authors' 20 prompts.
std::string default_template(const std::vector<std::string>& fields, int64_t n) {
  const std::string slots = n > 0 ? "[" + std::to_string(n) + "] " : "";
  std::vector<std::string> names;  // a field that a task shows twice is shown once
  for (const std::string& field : fields) {
    if (std::find(names.begin(), names.end(), field) == names.end()) names.push_back(field);
  }
  if (names.empty()) names = {"input"};
  std::string text = slots + "{" + names.front() + "} " + slots + mask + " " + slots;
  for (std::size_t i = 1; i < names.size(); ++i) text += "{" + names[i] + "} " + slots;
  text.pop_back();
  return text;
}

class Warp final : public pb::Method {
 public:
  explicit Warp(const pb::Values& values)
      : segment_(values.integer("segment")),
        template_(values.text("template")),
        prompt_init_(values.text("prompt_init")),
        verbalizer_init_(values.text("verbalizer_init")),
        bias_(values.flag("bias")) {
    if (!template_.empty() && template_.find(mask) == std::string::npos) {
      throw pb::ConfigError(pb::Problem{"warp's template does not contain the mask", template_,
                                        std::string(mask) + " at the position of the answer",
                                        "for example: [5] {input} [5] " + std::string(mask) + " [5]"});
    }
  }

  void plan(const pb::BackboneSpec& backbone, pb::PlanBuilder& plan) override {
    const std::vector<std::string>& labels = plan.task().labels;
    if (labels.empty()) {
      throw pb::ConfigError(pb::Problem{"warp needs a task with label words", "a task without label words, or no task",
                                        "label words", "choose a classification task: `peft-bench tasks` lists them"});
    }
    const pb::SlotTemplate text(template_.empty() ? default_template(plan.task().fields, segment_) : template_);
    text.check_fields(plan.task().fields);
    plan.claim<Around>(backbone.layout(), text);
    const int64_t d = backbone.d_model;
    if (text.slots() > 0) {  // without prompts this is the authors' WARP_0
      const pb::InputSite input = backbone.encoder_input();
      plan.claim<Prompt>(input, plan.parameter(input, "prompt", {text.slots(), d}, prompt_value(backbone)));
    }
    const pb::HeadSite head = backbone.head();
    const auto classes = static_cast<int64_t>(labels.size());
    const double bound = 1 / std::sqrt(static_cast<double>(d));
    const bool words = verbalizer_init_ == "label_words";
    const pb::Parameter rows =
        plan.parameter(head, "verbalizer", {classes, d},
                       words ? label_word_rows(backbone.lm_head().tensor_name(), labels) : pb::init::kaiming_uniform());
    std::optional<pb::Parameter> bias;
    if (bias_) {
      bias = plan.parameter(head, "bias", {classes}, words ? pb::init::zeros() : pb::init::uniform(-bound, bound));
    }
    plan.claim<Verbalizer>(head, rows, bias, backbone.scale_logits ? bound : 1.0);
  }

 private:
  pb::Init prompt_value(const pb::BackboneSpec& backbone) const {
    if (prompt_init_ == "table_normal") return table_normal_rows(backbone.embedding().tensor_name());
    if (prompt_init_ == "normal") return pb::init::normal(0, 1);
    return mask_rows;
  }

  int64_t segment_;
  std::string template_, prompt_init_, verbalizer_init_;
  bool bias_;
};

void register_warp(pb::MethodRegistrar& registrar) {
  registrar.method<Warp>()
      .param("segment", 5, "prompt vectors at each place of the default template; 0: only the verbalizer (WARP_0)")
      .at_least(0)
      .space(pb::space::choices({"1", "2", "5", "10"}))
      .param("template", "", "positions of [n] prompts, {fields} and <extra_id_0>; empty: built from the task's fields")
      .param("prompt_init", "mask",
             "initialisation: the mask's embedding; N(mean, standard deviation of the embedding table); or N(0, 1)")
      .choices({"mask", "table_normal", "normal"})
      .param("verbalizer_init", "label_words",
             "initialisation: lm_head's rows of the label words' tokens, or U(±1/√d_model)")
      .choices({"label_words", "random"})
      .param("bias", true, "a trained bias for each class")
      .capability(pb::Capability::classification_only)
      // The authors' configuration: 30 epochs of batches of 8, which for their smaller tasks is some 10,000 steps; the
      // slanted triangle rises over 0.06 of them.
      .recommend("train.optimizer", "adamw")
      .recommend("train.learning_rate", "1e-3")
      .recommend("train.adamw.weight_decay", "0")
      .recommend("train.schedule", "linear")
      .recommend("train.steps", "10000")
      .recommend("train.warmup_steps", "600")
      .recommend("train.clip_norm", "1.0")
      .recommend("train.batch_size", "8")
      .recommend("train.evaluate_every", "500")
      .recommend("train.dropout", "0")
      .space("train.learning_rate", pb::space::log(1e-4, 0.03));
}

}  // namespace

PEFTBENCH_PLUGIN(warp, "1.0.0", "Prompts around the text's segments and a trained verbalizer; classification only",
                 "Hambardzumyan, Khachatrian, May 2021, arXiv:2101.00121", register_warp);
