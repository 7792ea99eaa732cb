#include "huggingface.h"

#include <peftbench/error.h>

#include <ATen/ops/equal.h>

#include <vector>

namespace pb = peftbench;

namespace prefix_huggingface {
namespace {

// Name of the prefix in a plan, and peft's.
constexpr const char* prefix_name = "decoder.self.prefix";
constexpr const char* foreign_name = "prompt_embeddings";

std::string show(at::IntArrayRef sizes) {
  std::string text;
  for (const int64_t size : sizes) text += (text.empty() ? "[" : ", ") + std::to_string(size);
  return (text.empty() ? "[" : text) + "]";
}

void must_be(const pb::ForeignAdapter& adapter, const char* key, int64_t expected, const char* what) {
  const int64_t found = adapter.integer(key, expected);
  if (found == expected) return;
  throw pb::CheckpointError(
      pb::Problem{"peft's prefix was made for another backbone", std::string(key) + " " + std::to_string(found),
                  std::to_string(expected) + ", " + what, "use the backbone that it was trained on"});
}

// A prefix with slots of its own for every layer, in peft's slots. Those that peft never reads are zeros.
pb::Tensor as_slots(const pb::Tensor& prefix, const pb::BackboneSpec& backbone) {
  const int64_t width = backbone.inner(), layers = backbone.encoder_layers;
  const pb::Tensor out = at::zeros({prefix.size(0), 2 * layers * width});
  std::vector<int64_t> owner(static_cast<std::size_t>(layers), -1);  // by pair of slots
  for (int64_t layer = 0; layer < backbone.decoder_layers; ++layer) {
    const int64_t slot = key_slot(layer, layers);
    const pb::Tensor own = prefix.narrow(1, 2 * layer * width, 2 * width),
                     place = out.narrow(1, slot * width, 2 * width);
    int64_t& other = owner[static_cast<std::size_t>(slot / 2)];
    if (other >= 0 && !at::equal(own, place)) {
      throw pb::ConfigError(
          pb::Problem{"peft's format cannot express the prefixes of decoder layers " + std::to_string(other) + " and " +
                          std::to_string(layer) + ": with " + std::to_string(layers) + " layers both read its slots " +
                          std::to_string(slot) + " and " + std::to_string(slot + 1),
                      "different values", "equal ones",
                      "train with compatibility=huggingface, attentions=decoder for a prefix that peft can run"});
    }
    other = layer;
    place.copy_(own);
  }
  return out;
}

}  // namespace

void check(const pb::BackboneSpec& backbone) {
  if (backbone.inner() != backbone.d_model) {
    throw pb::ConfigError(pb::Problem{
        "peft cannot run prefixes on this backbone: it assumes a head size of d_model / heads",
        "d_model " + std::to_string(backbone.d_model) + ", " + std::to_string(backbone.num_heads) + " heads of " +
            std::to_string(backbone.d_kv),
        "heads · d_kv = d_model", "use compatibility=none, which uses the real d_kv and works only in peft-bench"});
  }
  if (backbone.decoder_layers > backbone.encoder_layers) {
    throw pb::ConfigError(pb::Problem{
        "peft cannot run prefixes on this backbone: it has slots for the encoder's layers only",
        std::to_string(backbone.decoder_layers) + " decoder layers, " + std::to_string(backbone.encoder_layers) +
            " encoder layers",
        "at most as many decoder layers as encoder layers", "use compatibility=none, which works only in peft-bench"});
  }
}

bool Format::recognises(const pb::ForeignAdapter& adapter) const {
  const auto type = adapter.config.find("peft_type");
  return type != adapter.config.end() && std::holds_alternative<std::string>(type->second) &&
         std::get<std::string>(type->second) == "PREFIX_TUNING";
}

std::optional<pb::Names> Format::entries() const {
  // How the prefix was computed in training is of no matter: what came of it is stored.
  return pb::Names{"num_virtual_tokens",  "token_dim",           "num_transformer_submodules",
                   "num_attention_heads", "num_layers",          "modules_to_save",
                   "init_weights",        "encoder_hidden_size", "prefix_projection"};
}

pb::ImportedAdapter Format::read(const pb::ForeignAdapter& adapter, const pb::BackboneSpec& backbone) const {
  if (adapter.tensors.size() > 1 || !adapter.names("modules_to_save").empty()) {
    throw pb::CheckpointError(
        pb::Problem{"the adapter contains more than its prefix", std::to_string(adapter.tensors.size()) + " tensors",
                    "only prompt_embeddings, without modules_to_save", "use an adapter without other trained modules"});
  }
  must_be(adapter, "token_dim", backbone.d_model, "d_model");
  must_be(adapter, "num_layers", backbone.encoder_layers, "layers of the encoder");
  must_be(adapter, "num_attention_heads", backbone.num_heads, "heads");
  check(backbone);
  const int64_t submodules = adapter.integer("num_transformer_submodules", 2);
  if (submodules != 2) {
    throw pb::CheckpointError(
        pb::Problem{"num_transformer_submodules is not that of an encoder-decoder", std::to_string(submodules),
                    "2: with 1, cross-attention in peft reads the decoder's own keys, and batches with padding fail",
                    "train it with peft's default for SEQ_2_SEQ_LM"});
  }
  const pb::Tensor& prefix = adapter.tensor(foreign_name);
  const int64_t length = adapter.integer("num_virtual_tokens", prefix.dim() > 0 ? prefix.size(0) : 0);
  const pb::Shape expected{length, 2 * backbone.encoder_layers * backbone.d_model};
  if (prefix.sizes() != at::IntArrayRef(expected)) {
    throw pb::CheckpointError(pb::Problem{"prompt_embeddings does not fit", show(prefix.sizes()),
                                          show(expected) + ", num_virtual_tokens × 2 · layers · d_model",
                                          "use the backbone that it was trained on"});
  }
  pb::ImportedAdapter result;
  result.values.set("length", length);
  result.values.set("attentions", pb::Names{"decoder"});
  result.values.set("compatibility", std::string("huggingface"));
  // Also where it was trained with prefix_projection: peft saves what the projection gave.
  result.values.set("reparametrisation", std::string("direct"));
  result.tensors.emplace(prefix_name, prefix);
  return result;
}

pb::ForeignAdapter Format::write(const pb::Values& values, const pb::BackboneSpec& backbone,
                                 const std::map<std::string, pb::Tensor>& stored) const {
  for (const std::string& attention : values.names("attentions")) {
    if (attention == "decoder") continue;
    throw pb::ConfigError(
        pb::Problem{.what = attention == "cross" ? "peft's format cannot express the prefix of cross-attention"
                                                 : "peft's format cannot express the prefix of the encoder",
                    .expected = "a prefix only in the decoder's self-attention",
                    .remedy = "train with attentions=decoder, or keep the adapter in peft-bench's format"});
  }
  check(backbone);
  const pb::Tensor& prefix = stored.at(prefix_name);
  pb::ForeignAdapter result;
  result.config["peft_type"] = std::string("PREFIX_TUNING");
  result.config["num_virtual_tokens"] = prefix.size(0);
  result.config["token_dim"] = backbone.d_model;
  result.config["num_layers"] = backbone.encoder_layers;
  result.config["num_attention_heads"] = backbone.num_heads;
  result.config["num_transformer_submodules"] = int64_t{2};
  result.config["encoder_hidden_size"] = backbone.d_model;
  result.config["prefix_projection"] = false;
  result.config["init_weights"] = std::monostate();
  result.tensors[foreign_name] = values.text("compatibility") == "huggingface" ? prefix : as_slots(prefix, backbone);
  return result;
}

}  // namespace prefix_huggingface
