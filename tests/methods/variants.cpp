#include "methods/variants.h"
#include "support/layers.h"

#include <algorithm>
#include <ostream>
#include <stdexcept>

namespace peftbench::support {

using namespace layers;

namespace {

std::vector<std::string> joined(std::vector<std::string> names, const std::vector<std::string>& more) {
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

}  // namespace

const std::vector<Variant>& variants() {
  using enum Overfit;
  // ReLU units that none of eight examples wakes, rows of tables and buckets of distance that none of them has.
  const std::vector<std::string> asleep = {"DenseReluDense.wi.", "DenseReluDense.wo.", "shared.weight",
                                           "relative_attention_bias"};
  static const std::vector<Variant> table = {
      {"prompt_tuning", "prompt_tuning", {{"length", "12"}}, 0.3, by_half},
      {"template", "template", {{"targets", "q,v,o,wo"}}, 0.05},

      {"prefix_tuning_mlp", "prefix_tuning", {{"length", "6"}, {"hidden", "16"}}, 1e-2, by_half},
      {"prefix_tuning_direct", "prefix_tuning", {{"length", "6"}, {"reparametrisation", "direct"}}, 0.1, by_half},
      {"prefix_tuning_huggingface",
       "prefix_tuning",
       {{"length", "6"}, {"reparametrisation", "direct"}, {"compatibility", "huggingface"}, {"attentions", "decoder"}},
       0.1,
       by_half,
       {"prefix"},    // peft's dead slots
       {"trained"}},  // peft needs heads · d_kv = d_model
      {"p_tuning_lama", "p_tuning", {{"template", "[4] {input} [3]"}}, 1e-2, by_half, {"mlp"}},
      {"p_tuning_fewshot",
       "p_tuning",
       {{"template", "[2] {text} [2] It was"}, {"encoder", "fewshot"}},
       1e-2,
       by_half,
       {"mlp"}},
      {"p_tuning_huggingface_lstm", "p_tuning", {{"encoder", "huggingface_lstm"}}, 1e-2, by_half, {"mlp"}},
      {"p_tuning_huggingface_mlp", "p_tuning", {{"encoder", "huggingface_mlp"}}, 1e-2, by_half, {"mlp", "embedding"}},
      {"p_tuning_joint", "p_tuning", {{"mode", "joint"}}, 1e-3, to_nothing, joined(asleep, {"mlp"})},
      {"p_tuning_v2", "p_tuning_v2", {{"attentions", "encoder,decoder,cross"}, {"prefix_dropout", "0"}}, 0.1, by_half},
      {"p_tuning_v2_mlp", "p_tuning_v2", {{"reparametrisation", "mlp"}, {"hidden", "16"}}, 1e-2, by_half},
      {"p_tuning_v2_classification",
       "p_tuning_v2",
       {{"head", "classification"}, {"prefix_dropout", "0"}},
       0.1,
       by_half},
      {"warp", "warp", {{"segment", "3"}}, 0.1, by_half},
      {"vpt_shallow", "vpt", {{"length", "8"}, {"depth", "shallow"}}, 0.3, by_half},
      {"vpt_deep", "vpt", {{"length", "8"}}, 0.1, by_half},
      {"vpt_classification", "vpt", {{"length", "8"}, {"head", "classification"}}, 0.1, by_half},
      {"soft_words", "soft_words", {}, 0.1, by_half},
      {"soft_words_mixture",
       "soft_words",
       {{"prompts", "{input} [2: It was] <extra_id_0>. | [3: the answer is] <extra_id_0>: {text}"}},
       0.1,
       by_half},

      {"adapter_houlsby", "adapter", {{"bottleneck", "8"}}},
      {"adapter_pfeiffer", "adapter", {{"bottleneck", "8"}, {"kind", "pfeiffer"}}, 1e-2, to_nothing, {"ffn"}},
      {"adapter_parallel", "adapter", {{"bottleneck", "8"}, {"kind", "parallel"}}, 1e-2, to_nothing, {"ffn"}},
      {"lora", "lora", {{"rank", "4"}}},
      {"lora_all_linear",
       "lora",
       {{"rank", "4"}, {"targets", "all-linear"}, {"rslora", "true"}},
       3e-3,
       to_nothing,
       {"ffn"}},
      {"ia3", "ia3", {}, 0.1, to_nothing, {"ffn.wo"}},
      {"ia3_wo_input", "ia3", {{"ffn", "wo_input"}}, 0.1, to_nothing, {"ffn.wo"}},
      {"norm_tuning", "norm_tuning", {}, 0.05},
      {"model_tuning", "model_tuning", {}, 1e-3, to_nothing, asleep},
      {"head_tuning_model", "head_tuning", {}, 1e-3, to_nothing, asleep},
      {"head_tuning_head", "head_tuning", {{"train", "head"}}, 0.3},

      {"prompt_design", "prompt_design", {{"shots", "2"}}, 0, none},
  };
  return table;
}

const Variant& variant_called(const std::string& name) {
  const auto found = std::find_if(variants().begin(), variants().end(), [&](const auto& v) { return v.name == name; });
  if (found == variants().end()) throw std::out_of_range("no variant " + name);
  return *found;
}

void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

}  // namespace peftbench::support
