#include "architectures/t5/t5.h"

#include "architectures/config_keys.h"

#include <cmath>
#include <optional>

namespace peftbench::architectures {
namespace {

// Hugging Face's names of activations. "gelu" in "gated-gelu" is from before the two were told apart.
struct ActivationName {
  std::string_view name;
  Activation activation;
};
constexpr ActivationName activation_names[] = {
    {"relu", Activation::relu}, {"gelu_new", Activation::gelu_tanh}, {"gelu_pytorch_tanh", Activation::gelu_tanh},
    {"gelu", Activation::gelu}, {"silu", Activation::silu},          {"swish", Activation::silu}};
constexpr std::string_view old_gated_gelu = "gated-gelu";
constexpr std::string_view gated_prefix = "gated-";

std::optional<Activation> activation_of(std::string_view name) {
  for (const ActivationName& known : activation_names)
    if (known.name == name) return known.activation;
  return std::nullopt;
}

std::string name_of(Activation activation) {
  for (const ActivationName& known : activation_names)
    if (known.activation == activation) return std::string(known.name);
  return {};
}

// feed_forward_proj is the older key; dense_act_fn and is_gated_act, where they are, decide.
void read_feed_forward(ConfigKeys& keys, bool mt5, BackboneSpec& spec) {
  const std::string form = keys.text("feed_forward_proj").value_or(mt5 ? std::string(old_gated_gelu) : "relu");
  const bool gated = form.starts_with(gated_prefix);
  const std::string name = form == old_gated_gelu ? "gelu_new" : gated ? form.substr(gated_prefix.size()) : form;
  const std::optional<Activation> of_form = activation_of(name);
  if (!of_form) keys.complain("feed_forward_proj", "relu, gelu, silu, gated-gelu, gated-silu or gated-relu");
  spec.activation = of_form.value_or(Activation::relu);
  if (const std::optional<std::string> own = keys.text("dense_act_fn")) {
    const std::optional<Activation> activation = activation_of(*own);
    if (!activation) keys.complain("dense_act_fn", "relu, gelu_new, gelu or silu");
    spec.activation = activation.value_or(spec.activation);
  }
  spec.gated = keys.flag("is_gated_act").value_or(gated);
}

// The ids that decoding begins and ends with. As in transformers, those of generation_config.json decide over it.
void read_ids(ConfigKeys& keys, ConfigKeys& generation, BackboneSpec& spec) {
  spec.pad_id = keys.id("pad_token_id", 0);
  const std::optional<int64_t> stop = generation.id("eos_token_id");
  spec.eos_id = stop ? *stop : keys.id("eos_token_id", 1);
  const std::optional<int64_t> start = keys.id("decoder_start_token_id");
  std::optional<int64_t> first = generation.id("decoder_start_token_id");
  if (start && first && *start != *first) {
    generation.complain("decoder_start_token_id",
                        "that of config.json, " + std::to_string(*start) + ": training uses one, generation the other");
  }
  if (!start && !first) first = generation.id("bos_token_id");
  spec.decoder_start_id = start.value_or(first.value_or(spec.pad_id));
}

BackboneSpec read_config(std::string_view model_type, ConfigKeys& keys, ConfigKeys& generation) {
  const bool mt5 = model_type == "mt5";
  BackboneSpec spec;
  spec.vocab_size = keys.size("vocab_size");
  spec.d_model = keys.size("d_model");
  spec.d_kv = keys.size("d_kv");
  spec.num_heads = keys.size("num_heads");
  spec.d_ff = keys.size("d_ff");
  spec.encoder_layers = keys.size("num_layers");
  spec.decoder_layers = keys.size("num_decoder_layers", spec.encoder_layers);
  spec.relative_buckets = keys.size("relative_attention_num_buckets", 32);
  spec.relative_max_distance = keys.size("relative_attention_max_distance", 128);
  spec.norm_epsilon = keys.real("layer_norm_epsilon", 1e-6, 0, 1);
  spec.dropout_rate = keys.real("dropout_rate", 0.1, 0, 0.999);
  read_ids(keys, generation, spec);
  read_feed_forward(keys, mt5, spec);
  // Files written since transformers 5 say "tied" of every T5; only the scale tells v1.0 from v1.1. mT5 has none.
  const bool ties = keys.flag("tie_word_embeddings").value_or(!mt5);
  spec.scale_logits = keys.flag("scale_decoder_outputs").value_or(ties && !mt5);
  spec.tied = ties && spec.scale_logits;
  return spec;
}

std::vector<ConfigEntry> write_config(const BackboneSpec& spec) {
  const std::string activation = name_of(spec.activation);
  // T5Config splits it at '-'.
  const std::string form = !spec.gated                                ? activation
                           : spec.activation == Activation::gelu_tanh ? std::string(old_gated_gelu)
                                                                      : std::string(gated_prefix) + activation;
  return {
      {"architectures", std::vector<std::string>{"T5ForConditionalGeneration"}},
      {"model_type", std::string("t5")},
      {"vocab_size", spec.vocab_size},
      {"d_model", spec.d_model},
      {"d_kv", spec.d_kv},
      {"num_heads", spec.num_heads},
      {"d_ff", spec.d_ff},
      {"num_layers", spec.encoder_layers},
      {"num_decoder_layers", spec.decoder_layers},
      {"feed_forward_proj", form},
      {"dense_act_fn", activation},
      {"is_gated_act", spec.gated},
      {"is_encoder_decoder", true},
      {"relative_attention_num_buckets", spec.relative_buckets},
      {"relative_attention_max_distance", spec.relative_max_distance},
      {"layer_norm_epsilon", spec.norm_epsilon},
      {"dropout_rate", spec.dropout_rate},
      {"tie_word_embeddings", spec.tied},
      {"scale_decoder_outputs", spec.scale_logits},
      {"pad_token_id", spec.pad_id},
      {"eos_token_id", spec.eos_id},
      {"decoder_start_token_id", spec.decoder_start_id},
  };
}

// Mesh TensorFlow's and T5X's scales: attention is not divided by √K, so q is.
double initial_deviation(const BackboneSpec& spec, const TensorRole& role) {
  const auto d = static_cast<double>(spec.d_model);
  if (role.kind == TensorKind::embedding) return 1;
  if (role.map == "q") return 1 / std::sqrt(d * static_cast<double>(spec.d_kv));
  if (role.map == "o") return 1 / std::sqrt(static_cast<double>(spec.inner()));
  if (role.map == "wo") return 1 / std::sqrt(static_cast<double>(spec.d_ff));
  return 1 / std::sqrt(d);
}

}  // namespace

const Architecture& t5_architecture() {
  static const Architecture t5 = {
      .name = "t5",
      .model_types = {"t5", "mt5"},
      .names = {.embedding = "shared.weight",
                .lm_head = "lm_head.weight",
                .norm = "{stack}.block.{layer}.layer.{place}.layer_norm.weight",
                .final_norm = "{stack}.final_layer_norm.weight",
                .position_bias = "{stack}.block.{layer}.layer.0.SelfAttention.relative_attention_bias.weight",
                .linear = "{stack}.block.{layer}.layer.{place}.{module}.{map}.weight",
                .self = "SelfAttention",
                .cross = "EncDecAttention",
                .ffn = "DenseReluDense",  // named so for every activation
                .embedding_copies = {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"},
                .unused = {"decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"}},
      .read_config = read_config,
      .write_config = write_config,
      .initial_deviation = initial_deviation};
  return t5;
}

}  // namespace peftbench::architectures
