#pragma once

// What a method may do at each kind of site: one small class a kind, one pure virtual function each. The backbone
// calls the hook where the site is, with everything the hook may need in one call struct. Letters: N rows of the
// packed batch, B sequences, D d_model, H heads, K d_kv, P prompt or prefix length, V vocabulary, C classes.
#include <peftbench/export.h>
#include <peftbench/layout.h>
#include <peftbench/parameter.h>
#include <peftbench/spec.h>
#include <peftbench/tensor.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace peftbench {

// What every call has in common.
class PEFTBENCH_API CallContext {
 public:
  virtual ~CallContext();
  virtual bool training() const = 0;
  // x with entries zeroed with probability p and the rest scaled by 1/(1−p); x itself outside training. The masks
  // come from the run's seed and the step, so a resumed run draws the same ones.
  virtual Tensor dropout(const Tensor& x, double p) const = 0;
};

// Refers to things that live as long as the call: a hook does not keep it.
struct Call {
  const CallContext& context;
  const TokenLayout& layout;  // of the rows that this call concerns (one group's, in a stacked plan)

  bool training() const { return context.training(); }
  Tensor dropout(const Tensor& x, double p) const { return context.dropout(x, p); }
};

// layout: an example's pieces → its pieces, with slots, literal text or in-context examples added or moved.
struct LayoutCall {
  const TextExample& example;
  const std::vector<TextExample>& training_set;       // to draw in-context examples from; may be empty
  std::function<int64_t(const std::string&)> tokens;  // how many ids a text takes
  int64_t max_tokens;                                 // of the input, EOS counted
  int64_t replica = 0;                                // which copy of the example this is; 0 without replicas
  uint64_t seed = 0;                                  // the run's: what is drawn from it is the same on every machine
};
class PEFTBENCH_API LayoutHook {
 public:
  virtual ~LayoutHook();
  virtual std::vector<Piece> arrange(const LayoutCall& call) const = 0;
  // The answer within a generated text, where the layout asks for more than an answer (a chain of thought).
  virtual std::string answer(const std::string& generated) const;
};

// encoder.input, decoder.input: embedded tokens → the same, longer allowed (use `prepend`). Runs before the
// stack's input dropout. Rows of slots arrive as zeros and must be filled by the hook that asked for them.
struct InputCall : Call {
  const Tensor& tokens;      // [N] int64; pad id where the row is a slot
  const Tensor& embeddings;  // [N, D]
  Embedded input() const { return {embeddings, layout}; }
};
class PEFTBENCH_API InputHook {
 public:
  virtual ~InputHook();
  virtual Embedded apply(const InputCall& call) const = 0;
};

// kv: a prefix for the keys and values of one attention of one layer, after projection. Not part of the decoding
// cache and never masked.
enum class PrefixBias {
  none,             // the relative bias of prefix columns is zero
  before_sequence,  // as if the prefix were the P positions before the sequence (T-Few, Hugging Face)
};
struct KvPrefix {
  Tensor keys;                                    // [H, P, K]
  Tensor values;                                  // [H, P, K]
  PrefixBias bias = PrefixBias::before_sequence;  // no meaning in cross-attention, which has no bias
};
class PEFTBENCH_API KvHook {
 public:
  virtual ~KvHook();
  virtual KvPrefix prefix(const CallContext& context) const = 0;
};

// linear, lm_head, embedding: x [N, in] → y [N, out].
struct LinearCall : Call {
  const Tensor& input;                              // [N, in]; token ids [N] at the embedding
  const std::function<Tensor()>& base_output;       // computed when first asked for
  const std::function<Tensor(const Tensor&)>& map;  // the frozen map of another x
  const Tensor& x() const { return input; }
  Tensor base() const { return base_output(); }
  Tensor base(const Tensor& other) const { return map(other); }
};
class PEFTBENCH_API LinearHook {
 public:
  virtual ~LinearHook();
  virtual Tensor apply(const LinearCall& call) const = 0;
  // The weight [out, in] that does the same without a hook, where there is one. Must work on meta tensors: the
  // ledger asks it to learn what is left after merging.
  virtual std::optional<Tensor> merged(const Tensor& weight) const;
};

// sublayer: what is added to the residual stream.
struct SublayerCall : Call {
  const Tensor& residual;  // [N, D] before the sublayer
  const Tensor& input;     // [N, D] normed: what the sublayer saw
  const Tensor& output;    // [N, D] after the sublayer's dropout
};
class PEFTBENCH_API SublayerHook {
 public:
  virtual ~SublayerHook();
  virtual Tensor apply(const SublayerCall& call) const = 0;
};

// block: the hidden states that enter a block, or leave the last one.
struct BlockCall : Call {
  const Tensor& hidden;  // [N, D]
};
class PEFTBENCH_API BlockHook {
 public:
  virtual ~BlockHook();
  virtual Tensor apply(const BlockCall& call) const = 0;
};

// parameter: a tensor in place of a frozen one, asked for once a step.
class PEFTBENCH_API ParameterHook {
 public:
  virtual ~ParameterHook();
  virtual Tensor value(const Tensor& frozen) const = 0;  // same shape
};

// head: decoder states → logits over the vocabulary, or scores of the task's classes.
struct HeadCall : Call {
  const Tensor& hidden;                          // [N, D] after the final norm and dropout, before any scaling
  const std::function<Tensor()>& frozen_logits;  // [N, V], computed when first asked for
  Tensor logits() const { return frozen_logits(); }
};
class PEFTBENCH_API HeadHook {
 public:
  virtual ~HeadHook();
  virtual Tensor apply(const HeadCall& call) const = 0;  // [N, V]; [B, C] if scores_classes()
  virtual bool scores_classes() const { return false; }
  // With class scores: what the decoder reads after its start token.
  virtual std::vector<int64_t> decoder_tokens() const { return {}; }
};

// replicas: each sequence runs r times and its r outcomes become one.
struct ReplicaCall {
  const Tensor& log_likelihoods;  // [B, r]
  bool training = false;          // false where a validation loss is computed
};
class PEFTBENCH_API ReplicaHook {
 public:
  virtual ~ReplicaHook();
  virtual int64_t replicas() const = 0;
  virtual Tensor combine(const ReplicaCall& call) const;  // [B]; logmeanexp by default
  virtual std::vector<double> votes() const;              // weight of each replica's generated answer; equal by default
};

// loss: what is minimised instead of the mean cross-entropy.
struct LossCall {
  const Tensor& loss;            // scalar: what would be minimised
  const Tensor& log_likelihood;  // [B] Σ log p(label token) of each sequence
  const Tensor& target_lengths;  // [B] tokens of each target, EOS counted
};
class PEFTBENCH_API LossHook {
 public:
  virtual ~LossHook();
  virtual Tensor apply(const LossCall& call) const = 0;
};

// step_end: after the optimizer's step; may set buffers.
struct StepCall {
  int64_t step;  // 1 after the first
  int64_t steps;
};
class PEFTBENCH_API StepHook {
 public:
  virtual ~StepHook();
  virtual void step_end(const StepCall& call) = 0;
};

}  // namespace peftbench
