#pragma once

#include <peftbench/export.h>
#include <peftbench/tensor.h>

#include <string>
#include <string_view>
#include <vector>

namespace peftbench {

enum class Stack { encoder, decoder };
enum class Sublayer { self, cross, ffn };
enum class Activation { relu, gelu_tanh, gelu, silu };

PEFTBENCH_API std::string_view name_of(Stack stack);
PEFTBENCH_API std::string_view name_of(Sublayer sublayer);

// What a frozen tensor is in the network. Its name in a file follows from this and the architecture.
enum class TensorKind {
  embedding,      // the table of token embeddings [V, D]; also the head's, if tied
  lm_head,        // [V, D] of a head that is not tied
  norm,           // scale [D] before a sublayer
  final_norm,     // scale [D] after the last block of a stack
  position_bias,  // relative position bias [buckets, H]
  linear,         // [out, in] of a linear map of a block
};
struct TensorRole {
  TensorKind kind = TensorKind::linear;
  Stack stack = Stack::encoder;        // of all but embedding and lm_head
  int layer = -1;                      // −1 outside the blocks
  Sublayer sublayer = Sublayer::self;  // of norm and linear
  std::string map = {};                // of linear: q, k, v, o, wi, wi_0, wi_1, wo

  bool is_norm() const { return kind == TensorKind::norm || kind == TensorKind::final_norm; }
  bool operator==(const TensorRole&) const = default;
};

// Sites are the places of the backbone that a method may claim. A site is a name with sizes, without tensors, so a
// plan for an 11B model can be made on a laptop. `index` is the index of the site among those of its kind.

// A frozen linear map y = x Wᵀ, W [out, in]. `map` is q, k, v, o, wi (v1.0), wi_0, wi_1 (gated), wo, lm_head or
// embedding; for embedding, x is the token ids [N] and y the rows of its table [V, D].
struct LinearSite {
  int index = -1;
  Stack stack = Stack::encoder;
  int layer = -1;  // −1 for lm_head and embedding
  Sublayer sublayer = Sublayer::self;
  std::string map;
  int64_t in = 0, out = 0;
  bool tied = false;        // an lm_head whose tensor is the embedding table
  std::string tensor = {};  // name of its tensor in the Hugging Face model

  int64_t in_features() const { return in; }
  int64_t out_features() const { return out; }
  PEFTBENCH_API std::string name() const;  // encoder.3.self.q
  const std::string& tensor_name() const { return tensor; }
};

// The keys and values of one attention of one layer, to which a prefix may be added.
struct KvSite {
  int index = -1;
  Stack stack = Stack::encoder;
  int layer = 0;
  Sublayer sublayer = Sublayer::self;  // self or cross
  int64_t heads = 0, head_size = 0;    // H, d_kv

  PEFTBENCH_API std::string name() const;  // decoder.3.cross.kv
};

// The output of a sublayer, before it is added to the residual stream.
struct SublayerSite {
  int index = -1;
  Stack stack = Stack::encoder;
  int layer = 0;
  Sublayer sublayer = Sublayer::self;

  PEFTBENCH_API std::string name() const;  // encoder.3.ffn
};

// The input of block `layer`; layer L (one past the last) is the output of the last block, before
// the final norm.
struct BlockSite {
  int index = -1;
  Stack stack = Stack::encoder;
  int layer = 0;

  PEFTBENCH_API std::string name() const;  // encoder.3.block
};

// A frozen tensor that can be replaced by a trained one.
struct ParameterSite {
  int index = -1;
  std::string tensor;  // its name in the Hugging Face model
  Shape shape;
  TensorRole role = {};

  std::string name() const { return tensor; }
};

// The embedded input of a stack.
struct InputSite {
  Stack stack = Stack::encoder;
  PEFTBENCH_API std::string name() const;  // encoder.input
};

// Sites that exist only once.
struct LayoutSite {
  std::string name() const { return "layout"; }
};
struct HeadSite {
  std::string name() const { return "head"; }
};
struct ReplicaSite {
  std::string name() const { return "replicas"; }
};
struct LossSite {
  std::string name() const { return "loss"; }
};
struct StepSite {
  std::string name() const { return "step_end"; }
};

// Name and shape of a tensor of a backbone: the table used for loading, checking and counting.
struct TensorEntry {
  std::string name;
  Shape shape;
  TensorRole role = {};
  PEFTBENCH_API int64_t elements() const;
};

// Sizes of an encoder-decoder and the sites that follow from them.
struct PEFTBENCH_API BackboneSpec {
  std::string name;
  std::string architecture = "t5";  // the table of its tensors' names
  int64_t vocab_size = 0;           // V, rows of the embedding table
  int64_t d_model = 0;              // D
  int64_t d_kv = 0;                 // size of a head
  int64_t num_heads = 0;            // H
  int64_t d_ff = 0;                 // F
  int64_t encoder_layers = 0;       // L of the encoder
  int64_t decoder_layers = 0;       // L of the decoder
  bool gated = false;               // v1.1: wo(act(wi_0 x) · wi_1 x)
  bool tied = false;                // lm_head is the embedding table
  bool scale_logits = false;        // decoder output · D^-½ before lm_head
  Activation activation = Activation::relu;
  int64_t relative_buckets = 32;
  int64_t relative_max_distance = 128;
  bool bias_per_layer = false;   // each self-attention has a position bias; false: the first of a stack has it for all
  double attention_scale = 1.0;  // of q·k; T5 has it in its initial q
  double norm_epsilon = 1e-6;
  double dropout_rate = 0.1;
  int64_t pad_id = 0, eos_id = 1, decoder_start_id = 0;

  int64_t inner() const { return num_heads * d_kv; }
  int64_t layers(Stack stack) const { return stack == Stack::encoder ? encoder_layers : decoder_layers; }

  // All tensors, tied ones once. The order is that of the forward pass. Throws ConfigError for an unknown architecture.
  std::vector<TensorEntry> tensors() const;
  int64_t parameter_count() const;

  // Linear maps by name, over both stacks in order. Throws ConfigError for an unknown name.
  std::vector<LinearSite> linears(const std::vector<std::string>& maps) const;
  std::vector<LinearSite> linears() const;  // all, lm_head and embedding last
  // The valid names for `linears`, except lm_head and embedding: q k v o and wi wo, or wi_0 wi_1 wo.
  std::vector<std::string> linear_names() const;
  LinearSite lm_head() const;
  LinearSite embedding() const;

  std::vector<KvSite> key_values(Stack stack, Sublayer sublayer) const;
  std::vector<KvSite> key_values() const;  // encoder self, decoder self, decoder cross
  std::vector<SublayerSite> sublayers() const;
  std::vector<BlockSite> blocks(Stack stack) const;  // L + 1 of them
  std::vector<ParameterSite> parameters() const;
  ParameterSite parameter(std::string_view tensor_name) const;  // Throws ConfigError for an unknown name

  InputSite encoder_input() const { return {Stack::encoder}; }
  InputSite decoder_input() const { return {Stack::decoder}; }
  LayoutSite layout() const { return {}; }
  HeadSite head() const { return {}; }
  ReplicaSite replicas() const { return {}; }
  LossSite loss() const { return {}; }
  StepSite step_end() const { return {}; }
};

}  // namespace peftbench
