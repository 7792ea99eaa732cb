// P-tuning (v1): Liu, Zheng, Du, Ding, Qian, Yang, Tang 2021, "GPT Understands, Too".
//
//   input  {h_0 … h_i, e(x), h_{i+1} … h_P, …}     pseudo tokens among words, as a template says
//   h_i = MLP(BiLSTM(E)_i),   E ∈ R^{P×D}           E, LSTM and MLP trained; P vectors h_i stored
//
// The h_i take the place of word vectors before the encoder's input dropout. The language model is frozen (LAMA) or
// tuned along at a tenth of the prompt's rate (few-shot SuperGLUE).
#include <peftbench/plugin.h>

#include <ATen/ops/lstm.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace pb = peftbench;

namespace {

constexpr const char* stored_prompt = "encoder.input.prompt";

std::string in_front(int64_t tokens) { return "[" + std::to_string(tokens) + "] {input}"; }

// All pseudo tokens first, then the input as it is: what needs no text, and all that Hugging Face's form knows.
bool is_in_front(const pb::SlotTemplate& layout) {
  if (!layout.fields().empty()) return false;
  const std::vector<pb::Piece> pieces = layout.arrange({pb::Piece::of_text("input", "input")});
  const auto words = [](const pb::Piece& piece) { return piece.kind != pb::Piece::Kind::slots; };
  return std::find_if(pieces.begin(), pieces.end(), words) == pieces.end() - 1 && pieces.back().name == "input";
}

class PlacePseudoTokens final : public pb::LayoutHook {
 public:
  explicit PlacePseudoTokens(pb::SlotTemplate layout) : layout_(std::move(layout)) {}
  std::vector<pb::Piece> arrange(const pb::LayoutCall& call) const override {
    return layout_.arrange(call.example.input);
  }

 private:
  pb::SlotTemplate layout_;
};

class PrependPseudoTokens final : public pb::InputHook {
 public:
  explicit PrependPseudoTokens(pb::Parameter prompt) : prompt_(std::move(prompt)) {}
  pb::Embedded apply(const pb::InputCall& call) const override { return pb::prepend(call.input(), prompt_()); }

 private:
  pb::Parameter prompt_;
};

class FillPseudoTokens final : public pb::InputHook {
 public:
  FillPseudoTokens(pb::Parameter prompt, std::string layout) : prompt_(std::move(prompt)), layout_(std::move(layout)) {}
  pb::Embedded apply(const pb::InputCall& call) const override {
    if (!call.layout.has_slots()) {
      throw pb::ConfigError(pb::Problem{
          "p_tuning cannot place its pseudo tokens in token ids", "ids without slots",
          "texts formatted with the template '" + layout_ + "'",
          "use text input, or train with the template '" + in_front(prompt_.shape()[0]) + "', which needs no text"});
    }
    return {pb::replace_slots(call.embeddings, call.layout, prompt_()), call.layout};
  }

 private:
  pb::Parameter prompt_;
  std::string layout_;
};

// What turns E into the pseudo tokens' vectors, by its sizes.
struct EncoderForm {
  bool recurrent = true;  // BiLSTM, then two linear maps with a ReLU between; else three linear maps
  int64_t rows = 0;       // of E; those after the prompt's are dead
  int64_t hidden = 0;     // of each direction of the LSTM, or of the maps
  int64_t layers = 2;     // of the LSTM
  int64_t inner = 0;      // between the two maps after the LSTM
};

class PromptEncoder {
 public:
  PromptEncoder(pb::PlanBuilder& plan, const pb::InputSite& site, const EncoderForm& form) : form_(form) {
    const int64_t d = plan.backbone().d_model;
    embedding_ = declare(plan, site, "embedding", {form.rows, d}, pb::init::normal(0, 1));
    if (form.recurrent) {
      declare_lstm(plan, site, d);
      declare_linear(plan, site, "mlp.0", 2 * form.hidden, form.inner);
      declare_linear(plan, site, "mlp.2", form.inner, d);
    } else {
      declare_linear(plan, site, "mlp.0", d, form.hidden);
      declare_linear(plan, site, "mlp.2", form.hidden, form.hidden);
      declare_linear(plan, site, "mlp.4", form.hidden, d);
    }
  }

  const std::vector<pb::Parameter>& parameters() const { return all_; }

  // [rows, D], dead rows included.
  pb::Tensor operator()() const {
    pb::Tensor x = embedding_();
    if (form_.recurrent) {
      const pb::Tensor start = at::zeros({2 * form_.layers, 1, form_.hidden}, x.options().requires_grad(false));
      std::vector<pb::Tensor> weights;
      for (const pb::Parameter& parameter : lstm_) weights.push_back(parameter());
      x = std::get<0>(at::lstm(x.unsqueeze(1), {start, start}, weights, /*has_biases=*/true, form_.layers,
                               /*dropout=*/0, /*train=*/true, /*bidirectional=*/true, /*batch_first=*/false))
              .squeeze(1);
    }
    for (std::size_t i = 0; i < maps_.size(); ++i) {
      x = pb::linear(x, maps_[i].first(), maps_[i].second());
      if (i + 1 < maps_.size()) x = at::relu(x);
    }
    return x;
  }

 private:
  pb::Parameter declare(pb::PlanBuilder& plan, const pb::InputSite& site, const std::string& name, pb::Shape shape,
                        pb::Init init) {
    all_.push_back(plan.parameter(site, name, std::move(shape), std::move(init)));
    return all_.back();
  }

  // First values of torch.nn.LSTM and torch.nn.Linear, which all three programs leave as they are.
  static pb::Init uniform_over(int64_t size) {
    const double bound = 1 / std::sqrt(static_cast<double>(size));
    return pb::init::uniform(-bound, bound);
  }
  void declare_lstm(pb::PlanBuilder& plan, const pb::InputSite& site, int64_t d) {
    const int64_t gates = 4 * form_.hidden;
    for (int64_t layer = 0; layer < form_.layers; ++layer) {
      for (const char* direction : {"", "_reverse"}) {
        const std::string end = "_l" + std::to_string(layer) + direction;
        const auto add = [&](const std::string& name, pb::Shape shape) {
          lstm_.push_back(declare(plan, site, "lstm." + name + end, std::move(shape), uniform_over(form_.hidden)));
        };
        add("weight_ih", {gates, layer == 0 ? d : 2 * form_.hidden});
        add("weight_hh", {gates, form_.hidden});
        add("bias_ih", {gates});
        add("bias_hh", {gates});
      }
    }
  }
  void declare_linear(pb::PlanBuilder& plan, const pb::InputSite& site, const std::string& name, int64_t in,
                      int64_t out) {
    const pb::Parameter weight = declare(plan, site, name + ".weight", {out, in}, uniform_over(in));
    maps_.emplace_back(weight, declare(plan, site, name + ".bias", {out}, uniform_over(in)));
  }

  EncoderForm form_;
  pb::Parameter embedding_;
  std::vector<pb::Parameter> lstm_, all_;
  std::vector<std::pair<pb::Parameter, pb::Parameter>> maps_;
};

class PTuning final : public pb::Method {
 public:
  explicit PTuning(const pb::Values& values)
      : text_(values.text("template")),
        layout_(text_),
        encoder_(values.text("encoder")),
        hidden_(values.integer("encoder_hidden")),
        layers_(values.integer("encoder_layers")),
        dead_tokens_(values.flag("dead_tokens")),
        joint_(values.text("mode") == "joint"),
        backbone_rate_(values.real("backbone_rate")) {
    if (layout_.slots() == 0) {
      throw pb::ConfigError(pb::Problem{"the template has no pseudo tokens", "'" + text_ + "'",
                                        "[n] at the position of n pseudo tokens", "for example: [6] {input} [3]"});
    }
    const bool huggingface = encoder_.starts_with("huggingface");
    if (hidden_ != 0 && !huggingface) fixed("encoder_hidden", encoder_ == "lama" ? "d_model / 2" : "d_model");
    if (layers_ != 2 && encoder_ != "huggingface_lstm") fixed("encoder_layers", "2");
  }

  void plan(const pb::BackboneSpec& backbone, pb::PlanBuilder& plan) override {
    layout_.check_fields(plan.task().fields);
    const pb::InputSite site = backbone.encoder_input();
    const int64_t tokens = layout_.slots();
    const PromptEncoder encoder(plan, site, form(backbone));
    const pb::Parameter prompt = plan.derived(site, "prompt", {tokens, backbone.d_model}, encoder.parameters(),
                                              [encoder, tokens] { return encoder().narrow(0, 0, tokens); });
    if (is_in_front(layout_)) {
      plan.claim<PrependPseudoTokens>(site, prompt);
    } else {
      plan.claim<PlacePseudoTokens>(backbone.layout(), layout_);
      plan.claim<FillPseudoTokens>(site, prompt, text_);
    }
    if (!joint_) return;
    for (const pb::ParameterSite& tensor : backbone.parameters())
      plan.scale_learning_rate(plan.train(tensor), backbone_rate_);
  }

 private:
  EncoderForm form(const pb::BackboneSpec& backbone) const {
    const int64_t d = backbone.d_model, tokens = layout_.slots();
    if (encoder_ == "fewshot") return {true, tokens, d, 2, d};
    if (encoder_ == "lama") {
      if (d % 2 != 0) {
        throw pb::ConfigError(
            pb::Problem{"encoder=lama needs an even d_model: each LSTM direction has size d_model / 2",
                        "d_model " + std::to_string(d), "an even d_model", "set encoder=fewshot"});
      }
      return {true, tokens, d / 2, 2, d};
    }
    const int64_t hidden = hidden_ == 0 ? d : hidden_, rows = dead_tokens_ ? 2 * tokens : tokens;
    return {encoder_ == "huggingface_lstm", rows, hidden, layers_, 2 * hidden};
  }

  [[noreturn]] void fixed(const std::string& key, const std::string& value) const {
    throw pb::ConfigError(pb::Problem{.what = "encoder=" + encoder_ + " has a fixed value of " + key,
                                      .expected = value,
                                      .remedy = "remove " + key + ", or use one of Hugging Face's encoders"});
  }

  std::string text_;
  pb::SlotTemplate layout_;
  std::string encoder_;
  int64_t hidden_, layers_;
  bool dead_tokens_, joint_;
  double backbone_rate_;
};

// Hugging Face PEFT's P_TUNING: outputs of the encoder alone, before the sequence. It saves 2N rows for a T5 and reads
// the first N.
class HuggingFace final : public pb::AdapterFormat {
 public:
  std::string name() const override { return "huggingface"; }
  bool recognises(const pb::ForeignAdapter& adapter) const override { return adapter.text("peft_type") == "P_TUNING"; }
  std::optional<pb::Names> entries() const override {
    return pb::Names{"num_virtual_tokens",
                     "token_dim",
                     "num_transformer_submodules",
                     "num_attention_heads",
                     "num_layers",
                     "modules_to_save",
                     "encoder_dropout",
                     "encoder_hidden_size",
                     "encoder_num_layers",
                     "encoder_reparameterization_type"};
  }

  pb::ImportedAdapter read(const pb::ForeignAdapter& adapter, const pb::BackboneSpec& backbone) const override {
    if (adapter.tensors.size() > 1 || !adapter.names("modules_to_save").empty()) {
      throw pb::CheckpointError(pb::Problem{
          "the adapter contains more than its prompt", std::to_string(adapter.tensors.size()) + " tensors",
          "only prompt_embeddings, without modules_to_save", "use an adapter without other trained modules"});
    }
    const int64_t tokens = adapter.integer("num_virtual_tokens", 0);
    const pb::Tensor& rows = adapter.tensor("prompt_embeddings");
    const bool fits = tokens > 0 && rows.dim() == 2 && rows.size(1) == backbone.d_model &&
                      adapter.integer("token_dim", backbone.d_model) == backbone.d_model;
    const int64_t copies = adapter.integer("num_transformer_submodules", fits && rows.size(0) == 2 * tokens ? 2 : 1);
    if (!fits || (rows.size(0) != tokens && rows.size(0) != 2 * tokens) || rows.size(0) != copies * tokens) {
      std::string found;
      for (const int64_t size : rows.sizes()) found += (found.empty() ? "[" : ", ") + std::to_string(size);
      throw pb::CheckpointError(
          pb::Problem{"prompt_embeddings does not fit",
                      found + "] for num_virtual_tokens " + std::to_string(tokens) + " and " + std::to_string(copies) +
                          " num_transformer_submodules",
                      "[N, " + std::to_string(backbone.d_model) + "] or [2N, " + std::to_string(backbone.d_model) + "]",
                      "use the backbone that the adapter was trained on"});
    }
    pb::ImportedAdapter imported;
    const bool recurrent = adapter.word("encoder_reparameterization_type", "MLP") == "lstm";
    imported.values.set("template", in_front(tokens));
    imported.values.set("encoder", std::string(recurrent ? "huggingface_lstm" : "huggingface_mlp"));
    imported.values.set("encoder_hidden", adapter.integer("encoder_hidden_size", 0));
    if (recurrent) imported.values.set("encoder_layers", adapter.integer("encoder_num_layers", 2));
    imported.values.set("dead_tokens", rows.size(0) == 2 * tokens);
    imported.tensors.emplace(stored_prompt, rows.narrow(0, 0, tokens).contiguous());
    return imported;
  }

  pb::ForeignAdapter write(const pb::Values& values, const pb::BackboneSpec& backbone,
                           const std::map<std::string, pb::Tensor>& stored) const override {
    if (values.text("mode") == "joint") {
      throw pb::ConfigError(pb::Problem{"Hugging Face's P_TUNING format contains only pseudo tokens",
                                        "mode=joint, which also trains the backbone", "mode=frozen",
                                        "train with mode=frozen to export the prompt"});
    }
    const pb::SlotTemplate layout(values.text("template"));
    if (!is_in_front(layout)) {
      throw pb::ConfigError(pb::Problem{"Hugging Face's P_TUNING format supports pseudo tokens only before the input",
                                        "template=" + values.text("template"), in_front(layout.slots()),
                                        "train with that template to export it"});
    }
    const std::string& encoder = values.text("encoder");
    const bool lama = encoder == "lama";  // Hugging Face's LSTM with half of d_model is LAMA's encoder
    const int64_t hidden = values.integer("encoder_hidden");
    pb::ForeignAdapter adapter;
    adapter.config["peft_type"] = std::string("P_TUNING");
    adapter.config["num_virtual_tokens"] = layout.slots();
    adapter.config["num_transformer_submodules"] = int64_t{1};  // no rows for a decoder that never reads them
    adapter.config["token_dim"] = backbone.d_model;
    adapter.config["num_layers"] = backbone.encoder_layers;
    adapter.config["num_attention_heads"] = backbone.num_heads;
    adapter.config["encoder_reparameterization_type"] = std::string(encoder == "huggingface_mlp" ? "MLP" : "LSTM");
    adapter.config["encoder_hidden_size"] = lama ? backbone.d_model / 2 : hidden == 0 ? backbone.d_model : hidden;
    adapter.config["encoder_num_layers"] = values.integer("encoder_layers");
    adapter.config["encoder_dropout"] = 0.0;
    adapter.tensors["prompt_embeddings"] = stored.at(stored_prompt);
    return adapter;
  }
};

void register_p_tuning(pb::MethodRegistrar& registrar) {
  registrar.method<PTuning>()
      .param("template", "[6] {input} [3]",
             "[n]: n pseudo tokens; {input} or {field}: the example; anything else: text")
      .param("encoder", "lama", "network that computes the pseudo tokens in training; its outputs are stored")
      .choices({"lama", "fewshot", "huggingface_lstm", "huggingface_mlp"})
      .param("encoder_hidden", 0, "huggingface_*: size of the encoder's hidden states; 0: d_model")
      .range(0, 1e6)
      .param("encoder_layers", 2, "huggingface_lstm: number of LSTM layers")
      .range(1, 1e6)
      .param("dead_tokens", true, "huggingface_*: compute twice as many tokens as used, like Hugging Face")
      .param("mode", "frozen", "frozen: only the prompt is trained; joint: also the backbone")
      .choices({"frozen", "joint"})
      .param("backbone_rate", 0.1, "joint: learning rate of the backbone as a fraction of the prompt's")
      .at_least(0)
      .format<HuggingFace>()
      // The released LAMA script: Adam, batches of 8, 100 epochs of about a thousand facts, patience of 20 epochs.
      .recommend("train.optimizer", "adamw")
      .recommend("train.learning_rate", "1e-5")
      .recommend("train.adamw.weight_decay", "5e-4")
      .recommend("train.schedule", "constant")
      .recommend("train.batch_size", "8")
      .recommend("train.steps", "12500")
      .recommend("train.evaluate_every", "125")
      .recommend("train.patience", "20")
      .space("train.learning_rate", pb::space::log(1e-6, 0.01));
}

}  // namespace

PEFTBENCH_PLUGIN(p_tuning, "1.0.0", "Pseudo tokens within the text, computed by an LSTM or MLP in training",
                 "Liu et al. 2021, arXiv:2103.10385", register_p_tuning);
