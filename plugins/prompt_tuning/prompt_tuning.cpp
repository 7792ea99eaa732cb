// Prompt tuning: Lester, Al-Rfou, Constant 2021, "The Power of Scale for Parameter-Efficient Prompt Tuning".
//
//   Pr(Y | [P_e; X_e]; θ, θ_P),   P_e ∈ R^{P×D} trained, θ frozen                                       §2
//
// The rows of P_e stand before the embedded input, before the encoder's input dropout. Every token sees the prompt and
// the prompt sees every token; relative positions run over the joined sequence, the prompt at 0 … P−1. The decoder is
// left as it is, but for a longer sequence to attend to. All of this is what pb::prepend does.
#include "formats.h"

#include <peftbench/plugin.h>

#include <ATen/ops/isfinite.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randperm.h>

#include <algorithm>
#include <string>
#include <vector>

namespace pb = peftbench;

namespace {

class SoftPrompt final : public pb::InputHook {
 public:
  explicit SoftPrompt(pb::Parameter prompt) : prompt_(std::move(prompt)) {}
  pb::Embedded apply(const pb::InputCall& call) const override { return pb::prepend(call.input(), prompt_()); }

 private:
  pb::Parameter prompt_;
};

// §2.2, "sampled vocabulary": embeddings of the most common tokens, which T5's vocabulary has first (ids 0, 1 and 2 are
// among them, as in the released code). Without replacement, unless there are fewer of them than rows.
pb::Tensor sample_vocabulary(pb::InitContext& context, int64_t rows, int64_t population) {
  if (population > context.vocab_size()) {
    context.warn("init_vocabulary=" + std::to_string(population) +
                 " exceeds the size of the vocabulary; the prompt is sampled from all " +
                 std::to_string(context.vocab_size()) + " rows");
    population = context.vocab_size();
  }
  const at::TensorOptions integers = at::TensorOptions(at::kLong);
  const pb::Tensor ids = rows <= population ? at::randperm(population, context.generator(), integers).narrow(0, 0, rows)
                                            : at::randint(0, population, {rows}, context.generator(), integers);
  return context.embedding_rows({ids.const_data_ptr<int64_t>(), ids.const_data_ptr<int64_t>() + rows});
}

// §2.2, "class label": row i is the mean of the embeddings of label i's sub-tokens. Rows beyond the labels are sampled.
pb::Tensor from_labels(pb::InitContext& context, const pb::Shape& shape, int64_t population, const pb::Names& words) {
  pb::Tensor prompt = sample_vocabulary(context, shape[0], population);
  const pb::Names labels = words.empty() ? context.labels() : words;
  if (labels.empty()) {
    context.warn(
        "init=class_label, but the task has no label words: all rows of the prompt are sampled from the vocabulary "
        "(use init_words to set other words)");
  }
  const auto used = std::min<int64_t>(shape[0], static_cast<int64_t>(labels.size()));
  for (int64_t i = 0; i < used; ++i) {
    const std::vector<int64_t> ids = context.tokenize(labels[i]);
    if (ids.empty()) {
      context.warn("label '" + labels[i] + "' has no tokens: row " + std::to_string(i) + " of the prompt is sampled");
      continue;
    }
    prompt[i].copy_(context.embedding_rows(ids).mean(0));
  }
  if (used < static_cast<int64_t>(labels.size())) {
    context.warn("the prompt has " + std::to_string(shape[0]) + " rows for " + std::to_string(labels.size()) +
                 " labels: those after '" + labels[used - 1] + "' are not used");
  }
  return prompt;
}

// A row for each sub-token of a text that a person would write before the input; what is left is sampled.
pb::Tensor from_text(pb::InitContext& context, const pb::Shape& shape, int64_t population, const std::string& text) {
  const std::vector<int64_t> ids = context.tokenize(text);
  const auto tokens = static_cast<int64_t>(ids.size());
  if (tokens > shape[0] || tokens == 0) {
    throw pb::ConfigError(pb::Problem{
        tokens == 0 ? "init_text has no tokens" : "init_text is longer than the prompt",
        std::to_string(tokens) + " tokens", "1 … " + std::to_string(shape[0]) + ", the prompt's length",
        tokens == 0 ? "set it to a text with words" : "set length=" + std::to_string(tokens) + " or shorten the text"});
  }
  pb::Tensor prompt = sample_vocabulary(context, shape[0], population);
  prompt.narrow(0, 0, tokens).copy_(context.embedding_rows(ids));
  return prompt;
}

// A prompt trained before: our adapter's, Hugging Face's or a released .npy.
pb::Tensor from_file(pb::InitContext& context, const pb::Shape& shape, const std::string& path) {
  pb::Tensor prompt = context.read_tensor(path, "encoder.input.prompt|prompt_embeddings");
  // Hugging Face's default for encoder-decoders saves 2P rows; its forward pass reads the first P alone.
  if (prompt.dim() == 2 && prompt.size(0) == 2 * shape[0] && prompt.size(1) == shape[1]) {
    context.warn("the prompt in " + path + " has " + std::to_string(prompt.size(0)) + " rows: the first " +
                 std::to_string(shape[0]) + " are used; Hugging Face's forward pass ignores the others too");
    prompt = prompt.narrow(0, 0, shape[0]).clone();
  }
  if (prompt.sizes() != at::IntArrayRef(shape)) {
    const auto show = [](at::IntArrayRef sizes) {
      std::string text;
      for (const int64_t size : sizes) text += (text.empty() ? "[" : ", ") + std::to_string(size);
      return (text.empty() ? "[" : text) + "]";
    };
    const bool other_length = prompt.dim() == 2 && prompt.size(1) == shape[1];
    throw pb::ConfigError(pb::Problem{"the prompt in " + path + " does not fit", show(prompt.sizes()),
                                      show(shape) + ", length × d_model of the backbone",
                                      other_length ? "set length=" + std::to_string(prompt.size(0))
                                                   : "use a prompt that was trained for this size of backbone"});
  }
  if (!at::isfinite(prompt).all().item<bool>()) {
    throw pb::ConfigError(
        pb::Problem{.what = "the prompt in " + path + " has values that are not finite", .remedy = "use another file"});
  }
  return prompt;
}

class PromptTuning final : public pb::Method {
 public:
  explicit PromptTuning(const pb::Values& values)
      : length_(values.integer("length")),
        population_(values.integer("init_vocabulary")),
        init_(values.text("init")),
        text_(values.text("init_text")),
        file_(values.text("init_file")),
        words_(values.names("init_words")) {
    needed("init_text", text_, "text");
    needed("init_file", file_, "file");
    if (!words_.empty() && init_ != "class_label") unused("init_words", "class_label");
  }

  void plan(const pb::BackboneSpec& backbone, pb::PlanBuilder& plan) override {
    const pb::InputSite site = backbone.encoder_input();
    const pb::Parameter prompt = plan.parameter(site, "prompt", {length_, backbone.d_model}, first_value());
    plan.claim<SoftPrompt>(site, prompt);
  }

 private:
  pb::Init first_value() const {
    if (init_ == "random_uniform") return pb::init::uniform(-0.5, 0.5);  // §2.2; the released code draws from [0, 0.5)
    return [init = init_, population = population_, text = text_, file = file_, words = words_](
               pb::InitContext& context, const pb::Shape& shape) {
      if (init == "sampled_vocab") return sample_vocabulary(context, shape[0], population);
      if (init == "text") return from_text(context, shape, population, text);
      if (init == "file") return from_file(context, shape, file);
      return from_labels(context, shape, population, words);
    };
  }

  // A parameter that goes with one init: missing there, or given elsewhere, is a slip.
  void needed(const std::string& key, const std::string& value, const std::string& init) const {
    if (init_ == init && value.empty()) {
      throw pb::ConfigError(
          pb::Problem{.what = "init=" + init + " needs " + key, .remedy = "set " + key + "=…, or another init"});
    }
    if (init_ != init && !value.empty()) unused(key, init);
  }
  void unused(const std::string& key, const std::string& init) const {
    throw pb::ConfigError(pb::Problem{.what = key + " is given, but init=" + init_ + " does not use it",
                                      .remedy = "set init=" + init + ", or remove " + key});
  }

  int64_t length_, population_;
  std::string init_, text_, file_;
  pb::Names words_;
};

void register_prompt_tuning(pb::MethodRegistrar& registrar) {
  registrar.method<PromptTuning>()
      .param("length", 100, "rows of the prompt, P")
      .range(1, 1e6)
      .space(pb::space::log(5, 150))
      .param("init", "class_label", "initialisation of the prompt")
      .choices({"random_uniform", "sampled_vocab", "class_label", "text", "file"})
      .param("init_vocabulary", 5000, "sampled rows come from the first N (most common) tokens")
      .range(1, 1e6)
      .param("init_words", pb::Names{}, "class_label: words instead of the task's labels")
      .param("init_text", "", "text: one row per token, the remaining rows sampled")
      .param("init_file", "", "file: an adapter's folder, .safetensors or .npy with a prompt of the same shape")
      .format<prompt_tuning::HuggingFacePrompt>()
      .format<prompt_tuning::GooglePrompt>()
      // Lester et al. 2021, §3 and their released configuration.
      .recommend("train.optimizer", "adafactor")
      .recommend("train.learning_rate", "0.3")
      .recommend("train.schedule", "constant")
      .recommend("train.adafactor.multiply_by_parameter_scale", "false")
      .recommend("train.adafactor.weight_decay_rate", "1e-5")
      .recommend("train.adafactor.initial_step", "1100000")  // T5X goes on from the backbone's own step
      .recommend("train.z_loss", "1e-4")
      .recommend("train.batch_size", "32")
      .recommend("train.steps", "30000")
      .recommend("train.evaluate_every", "1000")
      .recommend("train.dropout", "0.1")
      .space("train.learning_rate", pb::space::log(0.03, 3));
}

}  // namespace

PEFTBENCH_PLUGIN(prompt_tuning, "1.0.0", "Trained vectors before the embedded input of the encoder",
                 "Lester, Al-Rfou, Constant 2021, arXiv:2104.08691", register_prompt_tuning);
