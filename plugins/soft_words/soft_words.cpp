// Mixtures of soft words: Qin, Eisner 2021, "Learning How To Ask: Querying LMs with Mixtures of Soft Prompts".
//
//   p(y | x) = Σ_r π_r p(y | x, t_r),     h^l at word i of prompt t_r  ←  h^l + Δ_{r,i}^l,   l = 0 … max_layer    §3
//
// A prompt t_r is made of real words with vectors that stay as they are. What is trained is added to them: Δ^0 to the
// embeddings, Δ^l to what layer l of the encoder gives. All begin at 0, so the first prompt is the words themselves.
// The text's own tokens and the mask <extra_id_0> are left alone. π comes from EM: the E step's responsibilities
// ρ_r ∝ π_r p(y | x, t_r) of a training step's examples, then the M step π ← (1−η) π + η · mean ρ.
#include <peftbench/plugin.h>

#include <ATen/ops/log.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace pb = peftbench;

namespace {

// One prompt: where its slots stand, and the words of each run of slots.
struct Prompt {
  pb::SlotTemplate text;
  std::vector<std::pair<int64_t, std::string>> words;
};

pb::ConfigError fault(const std::string& prompt, const std::string& what) {
  return pb::ConfigError(pb::Problem{.what = "the prompt '" + prompt + "' " + what,
                                     .expected = "[n: words], n slots initialised with these words",
                                     .remedy = "for example: {input} [2: It was] <extra_id_0>."});
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(' '), last = text.find_last_not_of(' ');
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

// `[n: words]` becomes `[n]` of a SlotTemplate, and the words are kept beside it.
Prompt parse(const std::string& prompt) {
  std::string plain;
  std::vector<std::pair<int64_t, std::string>> words;
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    std::size_t end = i + 1;
    while (end < prompt.size() && std::isdigit(static_cast<unsigned char>(prompt[end]))) ++end;
    const bool slots = prompt[i] == '[' && end > i + 1 && end < i + 7 && end < prompt.size();
    if (slots && prompt[end] == ']') throw fault(prompt, "has slots without words");
    if (!slots || prompt[end] != ':') {
      plain += prompt[i];
      continue;
    }
    const std::size_t close = prompt.find(']', end);
    const std::string text = close == std::string::npos ? "" : trimmed(prompt.substr(end + 1, close - end - 1));
    const int64_t count = std::stoll(prompt.substr(i + 1, end - i - 1));
    if (text.empty() || count == 0) throw fault(prompt, "has slots without words");
    words.emplace_back(count, text);
    plain += "[" + std::to_string(count) + "]";
    i = close;
  }
  if (words.empty()) throw fault(prompt, "has no soft words");
  return {pb::SlotTemplate(plain), std::move(words)};
}

std::vector<Prompt> parse_all(const std::string& prompts) {
  std::vector<Prompt> result;
  for (std::size_t begin = 0; begin <= prompts.size();) {
    const std::size_t end = std::min(prompts.find('|', begin), prompts.size());
    result.push_back(parse(trimmed(prompts.substr(begin, end - begin))));
    begin = end + 1;
  }
  return result;
}

// The vectors of all prompts' words, one prompt after another.
pb::Init word_vectors(const std::vector<Prompt>& prompts) {
  std::vector<std::pair<int64_t, std::string>> words;
  for (const Prompt& prompt : prompts) words.insert(words.end(), prompt.words.begin(), prompt.words.end());
  return [words = std::move(words)](pb::InitContext& context, const pb::Shape&) {
    std::vector<int64_t> ids;
    for (const auto& [count, text] : words) {
      const std::vector<int64_t> tokens = context.tokenize(text);
      const auto found = static_cast<int64_t>(tokens.size());
      if (found == 0 || found > count) {
        throw pb::ConfigError(pb::Problem{"the soft words '" + text + "' do not fit their slots",
                                          std::to_string(found) + " tokens", "1 … " + std::to_string(count),
                                          "write [" + std::to_string(std::max<int64_t>(found, 1)) + ": " + text + "]"});
      }
      for (int64_t i = 0; i < count; ++i) ids.push_back(tokens[static_cast<std::size_t>(i % found)]);
    }
    return context.embedding_rows(ids);
  };
}

// Rows of the parameters, in which the prompts stand one after another, by the slots of a batch.
class Paths {
 public:
  explicit Paths(const std::vector<Prompt>& prompts) {
    for (const Prompt& prompt : prompts) {
      first_.push_back(rows_);
      rows_ += prompt.text.slots();
    }
  }
  int64_t rows() const { return rows_; }

  pb::TokenLayout in(const pb::TokenLayout& layout) const {
    if (!layout.has_slots()) {
      throw pb::ConfigError(pb::Problem{
          "soft words are placed within the text, but these inputs are token ids", "token ids without a template",
          "examples of a task", "evaluate the run on its task; token ids do not tell where the prompt belongs"});
    }
    if (first_.size() == 1) return layout;
    std::vector<int64_t> shift;  // of each sequence
    for (const int64_t replica : layout.replicas) shift.push_back(first_.at(static_cast<std::size_t>(replica)));
    pb::TokenLayout moved = layout;
    const pb::Tensor of_rows = at::tensor(shift).to(layout.device).index_select(0, layout.sequence_of_rows());
    moved.slots = at::where(layout.slots >= 0, layout.slots + of_rows, layout.slots);
    return moved;
  }

 private:
  std::vector<int64_t> first_;
  int64_t rows_ = 0;
};

class Templates final : public pb::LayoutHook {
 public:
  explicit Templates(const std::vector<Prompt>& prompts) {
    for (const Prompt& prompt : prompts) templates_.push_back(prompt.text);
  }
  std::vector<pb::Piece> arrange(const pb::LayoutCall& call) const override {
    return templates_.at(static_cast<std::size_t>(call.replica)).arrange(call.example.input);
  }

 private:
  std::vector<pb::SlotTemplate> templates_;
};

class Embeddings final : public pb::InputHook {
 public:
  Embeddings(Paths places, pb::Parameter words, pb::Parameter delta)
      : places_(std::move(places)), words_(std::move(words)), delta_(std::move(delta)) {}
  pb::Embedded apply(const pb::InputCall& call) const override {
    pb::TokenLayout numbered = places_.in(call.layout);
    pb::Tensor embeddings = pb::replace_slots(call.embeddings, numbered, words_() + delta_());
    return {std::move(embeddings), std::move(numbered)};
  }

 private:
  Paths places_;
  pb::Parameter words_, delta_;
};

class LayerDelta final : public pb::BlockHook {
 public:
  explicit LayerDelta(pb::Parameter delta) : delta_(std::move(delta)) {}
  pb::Tensor apply(const pb::BlockCall& call) const override {
    return pb::add_at_slots(call.hidden, call.layout, delta_());  // numbered by Embeddings
  }

 private:
  pb::Parameter delta_;
};

// The E step's sums of the training step that runs; nothing is left of them between two steps.
struct Responsibilities {
  pb::Tensor sum;  // [r]
};

class Mixture final : public pb::ReplicaHook {
 public:
  Mixture(pb::Parameter weights, std::shared_ptr<Responsibilities> gathered)
      : weights_(std::move(weights)), gathered_(std::move(gathered)) {}
  int64_t replicas() const override { return weights_.shape().front(); }
  pb::Tensor combine(const pb::ReplicaCall& call) const override {
    const pb::Tensor joint = call.log_likelihoods + at::log(weights_());  // [B, r]
    if (call.training && gathered_) {
      const pb::Tensor sum = at::softmax(joint.detach(), 1).sum(0);
      gathered_->sum = gathered_->sum.defined() ? gathered_->sum + sum : sum;
    }
    return at::logsumexp(joint, {1});
  }
  std::vector<double> votes() const override {
    const pb::Tensor weights = weights_().cpu().contiguous();
    return {weights.const_data_ptr<float>(), weights.const_data_ptr<float>() + weights.numel()};
  }

 private:
  pb::Parameter weights_;
  std::shared_ptr<Responsibilities> gathered_;  // null where the weights are fixed
};

class MStep final : public pb::StepHook {
 public:
  MStep(pb::Parameter weights, std::shared_ptr<Responsibilities> gathered, double power)
      : weights_(std::move(weights)), gathered_(std::move(gathered)), power_(power) {}
  void step_end(const pb::StepCall& call) override {
    if (!gathered_->sum.defined()) return;
    const double rate = std::pow(static_cast<double>(call.step) + 1, -power_);
    weights_.set(weights_() * (1 - rate) + gathered_->sum / gathered_->sum.sum() * rate);
    gathered_->sum = pb::Tensor();
  }

 private:
  pb::Parameter weights_;
  std::shared_ptr<Responsibilities> gathered_;
  double power_;
};

class SoftWords final : public pb::Method {
 public:
  explicit SoftWords(const pb::Values& values)
      : prompts_(parse_all(values.text("prompts"))),
        max_layer_(values.integer("max_layer")),
        fixed_(values.text("weights") == "fixed"),
        power_(values.real("em_power")) {}

  void plan(const pb::BackboneSpec& backbone, pb::PlanBuilder& plan) override {
    const Paths places(prompts_);
    const pb::Shape shape{places.rows(), backbone.d_model};
    for (const Prompt& prompt : prompts_) prompt.text.check_fields(plan.task().fields);
    plan.claim<Templates>(backbone.layout(), prompts_);
    const pb::InputSite input = backbone.encoder_input();
    const pb::Parameter words = plan.buffer(input, "words", shape, word_vectors(prompts_));
    plan.claim<Embeddings>(input, places, words, plan.parameter(input, "delta", shape, pb::init::zeros()));
    for (const pb::BlockSite& block : backbone.blocks(pb::Stack::encoder)) {
      if (block.layer == 0 || block.layer > max_layer_) continue;  // layer 0's is the input's
      plan.claim<LayerDelta>(block, plan.parameter(block, "delta", shape, pb::init::zeros()));
    }
    if (prompts_.size() > 1) add_mixture(backbone, plan);
  }

 private:
  void add_mixture(const pb::BackboneSpec& backbone, pb::PlanBuilder& plan) const {
    const auto count = static_cast<int64_t>(prompts_.size());
    const pb::Parameter weights =
        plan.buffer(backbone.replicas(), "weights", {count}, pb::init::constant(1 / static_cast<double>(count)));
    const auto gathered = fixed_ ? nullptr : std::make_shared<Responsibilities>();
    plan.claim<Mixture>(backbone.replicas(), weights, gathered);
    if (!fixed_) plan.claim<MStep>(backbone.step_end(), weights, gathered, power_);
  }

  std::vector<Prompt> prompts_;
  int64_t max_layer_;
  bool fixed_;
  double power_;
};

void register_soft_words(pb::MethodRegistrar& registrar) {
  registrar.method<SoftWords>()
      .param("prompts", "{input} [2: It was] <extra_id_0>.",
             "prompts with [n: words] for n soft words; several prompts, separated by |, form a mixture")
      .param("max_layer", 24, "number of encoder layers, from the first, whose outputs are changed; 0: only embeddings")
      .at_least(0)
      .param("weights", "em", "mixture weights of the prompts: by EM, or equal and fixed")
      .choices({"em", "fixed"})
      .param("em_power", 0.7, "step size of the M step after step t: (t+1)^-this")
      .range(0.5, 1)
      // The authors' configuration: at most 16 epochs of some 25 batches, patience of 4 epochs.
      .recommend("train.optimizer", "adamw")
      .recommend("train.learning_rate", "1e-3")
      .recommend("train.adamw.weight_decay", "0")
      .recommend("train.schedule", "constant")
      .recommend("train.steps", "400")
      .recommend("train.batch_size", "32")
      .recommend("train.evaluate_every", "25")
      .recommend("train.patience", "4")
      .recommend("train.dropout", "0")
      .space("train.learning_rate", pb::space::log(1e-4, 0.01));
}

}  // namespace

PEFTBENCH_PLUGIN(soft_words, "1.0.0", "Trained offsets to the words of text prompts, layer by layer; mixtures by EM",
                 "Qin, Eisner 2021, arXiv:2104.06599", register_soft_words);
