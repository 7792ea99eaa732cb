#pragma once

#include "backbone/layer.h"
#include "backbone/precision.h"
#include "backbone/run_context.h"
#include "backbone/token_tree.h"
#include "core/files.h"
#include "plan/compiled_plan.h"

#include <peftbench/spec.h>

#include <c10/core/Device.h>

#include <memory>
#include <string>
#include <vector>

namespace peftbench::backbone {

// Token ids of a batch, concatenated.
struct PackedTokens {
  Tensor ids;          // [N] int64
  TokenLayout layout;  // with the slots of a layout hook
  static PackedTokens of(const std::vector<std::vector<int64_t>>& sequences, std::vector<int64_t> groups = {},
                         std::vector<int64_t> replicas = {});
};

struct EncoderState {
  Tensor hidden;       // [N, D] after the final norm
  TokenLayout layout;  // longer than the input's if a hook added rows
};

struct DecoderState {
  Tensor hidden;  // [N, D] after the final norm and dropout
  TokenLayout layout;
};

struct LoadOptions {
  Precision precision = Precision::float32;
  Quantization quantization = Quantization::none;  // of the blocks' linear maps; they compute in `precision`
  c10::Device device = c10::kCPU;                  // where the weights are, and all is computed
  Backend backend = Backend::reference;            // fast: on the CPU alone
};

void require_backend(Backend backend, c10::Device device);  // Throws ConfigError where it cannot run

class AttentionScores;  // backbone/layers/attention_scores.h
struct DecodeCache;     // backbone/decode_cache.h
class FrozenTensor;     // backbone/layers/frozen_tensor.h
struct KeptKeys;        // backbone/layers/block.h
struct Network;         // backbone/network.h
struct Pass;            // backbone/layers/rows.h
class Rows;             // backbone/layers/rows.h

// A frozen encoder-decoder. Const after loading: all changes of a method are in its plan.
class Backbone {
 public:
  ~Backbone();
  // From a Hugging Face folder. Throws CheckpointError naming every missing, unexpected or misshapen tensor.
  static std::shared_ptr<const Backbone> load(const fs::path& folder, const LoadOptions& options = {});
  // From tensors by their Hugging Face names (tests, pre-training). Those already of the right type are shared.
  static std::shared_ptr<const Backbone> from_tensors(BackboneSpec spec, TensorMap tensors,
                                                      const LoadOptions& options = {});

  const BackboneSpec& spec() const { return spec_; }
  Precision precision() const { return options_.precision; }
  Quantization quantization() const { return options_.quantization; }
  c10::Device device() const { return options_.device; }
  Backend backend() const { return options_.backend; }
  std::string checksum() const;  // SHA-256 over names and bytes of all tensors
  // As stored, by ParameterSite index; a quantised weight is dequantised for the caller, in `precision`.
  Tensor frozen(int parameter_index) const;
  std::string form(int parameter_index) const;                   // how it is kept: Float, BFloat16, nf4, int8
  Tensor embedding_rows(const std::vector<int64_t>& ids) const;  // [n, D] fp32, on the device
  int64_t bytes() const;                                         // memory of the weights

  // Must be called before a forward pass with changed parameters of the plan: computes derived values and replacements
  // of frozen tensors.
  void refresh(const CompiledPlan& plan) const;

  // The embeddings [N, D] under the plan, which may train the table; rows of slots are zeros.
  Tensor look_up(const PackedTokens& input, const CompiledPlan& plan, const RunContext& context) const;
  // The input of a stack: the embeddings, changed by the plan.
  Embedded enter(Stack stack, const PackedTokens& input, const CompiledPlan& plan, const RunContext& context) const;
  // To run the encoder on embeddings instead of ids (`forward --grad`), pass them.
  EncoderState encode(const PackedTokens& input, const CompiledPlan& plan, const RunContext& context,
                      const Tensor& embeddings = {}) const;
  // Teacher forcing: `input` is the shifted target, decoder start first. `cross` (may be null) keeps the keys and
  // values of the encoder for the next inputs of the same sequences.
  DecoderState decode(const EncoderState& encoder, const PackedTokens& input, const CompiledPlan& plan,
                      const RunContext& context, KeptKeys* cross = nullptr) const;
  std::shared_ptr<KeptKeys> cross_keys() const;  // to be kept; nothing yet
  // The same of all paths of a tree at once, over every sequence of the encoder: [B·T, D]. A row's place in its
  // sequence is not its position: not for plans that claim the decoder's input or blocks. Throws Error if a hook adds
  // rows.
  DecoderState decode_tree(const EncoderState& encoder, const TokenTree& tree, const CompiledPlan& plan,
                           const RunContext& context) const;
  // [N, V] fp32, or [B, C] if the plan's head scores classes.
  Tensor head(const DecoderState& state, const CompiledPlan& plan, const RunContext& context) const;

  // One step of decoding for the unfinished sequences: their next ids [B], decoder start first → logits [B, V].
  std::unique_ptr<DecodeCache> begin_decoding(const EncoderState& encoder) const;
  Tensor decode_step(DecodeCache& cache, const Tensor& ids, const CompiledPlan& plan, const RunContext& context) const;

 private:
  Backbone(BackboneSpec spec, const LoadOptions& options, std::vector<std::shared_ptr<const FrozenTensor>> tensors);
  static std::shared_ptr<const Backbone> make(BackboneSpec spec, TensorMap tensors, const LoadOptions& options,
                                              const std::string& origin);
  Pass pass(const CompiledPlan& plan, const RunContext& context) const;
  Embedded enter(Stack stack, const PackedTokens& input, const Pass& pass, const Tensor& embeddings) const;
  // Teacher forcing; `kept` (may be null) receives keys and values for further steps.
  DecoderState decode(const EncoderState& encoder, const PackedTokens& input, const Pass& pass, KeptKeys* kept) const;
  DecoderState through_decoder(const EncoderState& encoder, const Tensor& entered, const Rows& rows,
                               AttentionScores& self, KeptKeys* kept) const;
  DecoderState first_step(DecodeCache& cache, const Tensor& ids, const Pass& pass) const;
  DecoderState next_step(DecodeCache& cache, const Tensor& ids, const Pass& pass) const;

  BackboneSpec spec_;
  LoadOptions options_;
  std::vector<std::shared_ptr<const FrozenTensor>> tensors_;  // by ParameterSite index
  std::unique_ptr<const Network> network_;                    // of these tensors
};

}  // namespace peftbench::backbone
