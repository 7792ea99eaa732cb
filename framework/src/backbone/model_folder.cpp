#include "backbone/model_folder.h"

#include "backbone/load.h"
#include "core/write_files.h"
#include "formats/safetensors.h"
#include "text/added_tokens.h"

#include <nlohmann/json.hpp>

#include <string_view>

namespace peftbench::backbone {
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

std::string generation_config_json(const BackboneSpec& spec) {
  const nlohmann::ordered_json generation = {
      {"decoder_start_token_id", spec.decoder_start_id}, {"eos_token_id", spec.eos_id}, {"pad_token_id", spec.pad_id}};
  return generation.dump(2) + "\n";
}

TensorMap converted(const TensorMap& tensors, Precision precision) {
  const at::ScalarType type = precision == Precision::bfloat16 ? at::kBFloat16 : at::kFloat;
  TensorMap result;
  for (const auto& [name, tensor] : tensors) result.emplace(name, tensor.detach().to(type).contiguous());
  return result;
}

std::map<std::string, std::string> vocabulary_files(const fs::path& spiece_model) {
  std::map<std::string, std::string> files;
  if (file_exists(spiece_model)) files["spiece.model"] = read_text(spiece_model);
  for (const char* name : tokenizer_files)
    if (const fs::path beside = spiece_model.parent_path() / name; file_exists(beside)) files[name] = read_text(beside);
  return files;
}

fs::path write_model_folder(const fs::path& folder, const ModelFiles& files, const std::function<void()>& check) {
  make_folder(folder);
  retract_other(folder / "config.json", files.config);
  const fs::path weights = folder / weight_files.front();
  TensorMap dense;
  for (const auto& [name, tensor] : files.tensors) dense.emplace(name, tensor.detach().contiguous());
  write_safetensors(weights, dense, {{"format", "pt"}});
  for (const auto& [name, bytes] : files.others) write_atomically(folder / name, bytes);
  if (check) check();
  write_atomically(folder / "config.json", files.config);  // last: with it the folder is a model
  return weights;
}

}  // namespace peftbench::backbone
