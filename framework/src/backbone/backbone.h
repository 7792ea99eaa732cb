#pragma once

#include "backbone/layer.h"
#include "backbone/quantization.h"
#include "backbone/run_context.h"
#include "backbone/wiring.h"
#include "core/enum_names.h"
#include "core/files.h"
#include "plan/compiled_plan.h"

#include <peftbench/spec.h>

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

enum class Precision { float32, bfloat16 };  // of the frozen weights; norms, softmax, logits and parameters are fp32
}  // namespace peftbench::backbone

template <>
struct peftbench::EnumNames<peftbench::backbone::Precision> {
  static constexpr std::string_view names[] = {"float32", "bfloat16"};
};

namespace peftbench::backbone {

struct LoadOptions {
  Precision precision = Precision::float32;
  Quantization quantization = Quantization::none;  // of the blocks' linear maps; they compute in `precision`
};

struct DecodeCache;  // backbone/decode_cache.h

// A frozen T5. Const after loading: all changes of a method are in its plan.
class Backbone {
 public:
  // From a Hugging Face folder. Throws CheckpointError naming every missing, unexpected or misshapen tensor.
  static std::shared_ptr<const Backbone> load(const fs::path& folder, const LoadOptions& options = {});
  // From tensors by their Hugging Face names (tests, pre-training). Those already of the right type are shared.
  static std::shared_ptr<const Backbone> from_tensors(BackboneSpec spec, TensorMap tensors,
                                                      const LoadOptions& options = {});

  const BackboneSpec& spec() const { return spec_; }
  Precision precision() const { return options_.precision; }
  Quantization quantization() const { return options_.quantization; }
  std::string checksum() const;  // SHA-256 over names and bytes of all tensors
  // As stored, by ParameterSite index; a quantised weight is dequantised for the caller, in `precision`.
  Tensor frozen(int parameter_index) const;
  // Null if the tensor is not quantised.
  const std::shared_ptr<const QuantizedWeight>& quantized(int parameter_index) const {
    return quantized_[static_cast<std::size_t>(parameter_index)];
  }
  int64_t rows(int parameter_index) const;                       // first size of the tensor
  Tensor embedding_rows(const std::vector<int64_t>& ids) const;  // [n, D] fp32
  int64_t bytes() const;                                         // memory of the weights
  const Wiring& wiring() const { return wiring_; }

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
  // Teacher forcing: `input` is the shifted target, decoder start first.
  DecoderState decode(const EncoderState& encoder, const PackedTokens& input, const CompiledPlan& plan,
                      const RunContext& context) const;
  // [N, V] fp32, or [B, C] if the plan's head scores classes.
  Tensor head(const DecoderState& state, const CompiledPlan& plan, const RunContext& context) const;

  // One step of decoding for the unfinished sequences: their next ids [B], decoder start first → logits [B, V].
  std::unique_ptr<DecodeCache> begin_decoding(const EncoderState& encoder) const;
  Tensor decode_step(DecodeCache& cache, const Tensor& ids, const CompiledPlan& plan, const RunContext& context) const;

 private:
  Backbone() = default;
  static std::shared_ptr<const Backbone> make(BackboneSpec spec, TensorMap tensors, const LoadOptions& options,
                                              const std::string& origin);
  BackboneSpec spec_;
  LoadOptions options_;
  std::vector<Tensor> tensors_;                                    // by ParameterSite index; undefined if quantised
  std::vector<std::shared_ptr<const QuantizedWeight>> quantized_;  // by ParameterSite index
  Wiring wiring_;                                                  // wire(spec_)
};

}  // namespace peftbench::backbone
