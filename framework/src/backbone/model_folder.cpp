#include "backbone/model_folder.h"
#include "core/write_files.h"

#include "backbone/safetensors.h"

#include <nlohmann/json.hpp>

#include <string_view>

namespace peftbench {
namespace {

std::string_view hugging_face_name(Activation activation) {
  switch (activation) {
    case Activation::relu:
      return "relu";
    case Activation::gelu_tanh:
      return "gelu_new";
    case Activation::gelu:
      return "gelu";
    case Activation::silu:
      break;
  }
  return "silu";
}

// The form that T5Config splits at '-'; "gated-gelu" is its old name for the tanh one.
std::string feed_forward_form(const BackboneSpec& spec) {
  if (!spec.gated) return std::string(hugging_face_name(spec.activation));
  return spec.activation == Activation::gelu_tanh ? "gated-gelu"
                                                  : "gated-" + std::string(hugging_face_name(spec.activation));
}

}  // namespace

std::string config_json(const BackboneSpec& spec, Precision precision) {
  const nlohmann::ordered_json json = {
      {"architectures", {"T5ForConditionalGeneration"}},
      {"model_type", "t5"},
      {"vocab_size", spec.vocab_size},
      {"d_model", spec.d_model},
      {"d_kv", spec.d_kv},
      {"num_heads", spec.num_heads},
      {"d_ff", spec.d_ff},
      {"num_layers", spec.encoder_layers},
      {"num_decoder_layers", spec.decoder_layers},
      {"feed_forward_proj", feed_forward_form(spec)},
      {"dense_act_fn", hugging_face_name(spec.activation)},
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
      {"dtype", enum_name(precision)},
  };
  return json.dump(2) + "\n";
}

void write_model_folder(const fs::path& folder, const BackboneSpec& spec, const TensorMap& tensors, Precision precision,
                        const fs::path& spiece_model) {
  const std::string text = config_json(spec, precision);
  make_folder(folder);
  retract_other(folder / "config.json", text);
  TensorMap kept;
  for (const auto& [name, tensor] : tensors) {
    kept.emplace(name, tensor.detach().to(precision == Precision::bfloat16 ? at::kBFloat16 : at::kFloat).contiguous());
  }
  write_safetensors(folder / "model.safetensors", kept, {{"format", "pt"}});
  write_atomically(folder / "spiece.model", read_text(spiece_model));
  const nlohmann::ordered_json generation = {
      {"decoder_start_token_id", spec.decoder_start_id}, {"eos_token_id", spec.eos_id}, {"pad_token_id", spec.pad_id}};
  write_atomically(folder / "generation_config.json", generation.dump(2) + "\n");
  write_atomically(folder / "config.json", text);  // last: with it the folder is a model
}

}  // namespace peftbench
