#pragma once

// The hooks of a method: one small class per kind of site, with one pure virtual function each. The backbone
// calls the hook at its site, with all inputs in one call struct. Letters: N rows of the
// packed batch, B sequences, D d_model, H heads, K d_kv, P prompt or prefix length, V vocabulary, C classes.
// Several threads may call a hook at once, each for its own part of a batch.
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

// The part common to all calls.
class PEFTBENCH_API CallContext {
 public:
  virtual ~CallContext();
  virtual bool training() const = 0;
  // x with entries zeroed with probability p and the rest scaled by 1/(1−p); x itself outside training. The masks
  // depend only on the run's seed and the step, so a resumed run draws the same ones.
  virtual Tensor dropout(const Tensor& x, double p) const = 0;
};

// Its references are valid only during the call: a hook must not store them.
struct Call {
  const CallContext& context;
  // Of the rows of this call (of one group, in a stacked plan). In the decoder only hooks at its input, its blocks and
  // the head may tell rows apart by their place in a sequence: for the others, where label words are ranked, a
  // sequence's rows are the tokens of all words.
  const TokenLayout& layout;

  bool training() const { return context.training(); }
  Tensor dropout(const Tensor& x, double p) const { return context.dropout(x, p); }
};

// layout: an example's pieces → its pieces, with slots, literal text or in-context examples added or moved.
struct LayoutCall {
  const TextExample& example;
  const std::vector<TextExample>& training_set;       // to sample in-context examples from; may be empty
  std::function<int64_t(const std::string&)> tokens;  // number of ids of a text
  int64_t max_tokens;                                 // of the input, including EOS
  int64_t replica = 0;                                // number of the copy of the example; 0 without replicas
  uint64_t seed = 0;                                  // the run's seed; the same on every machine
};
class PEFTBENCH_API LayoutHook {
 public:
  virtual ~LayoutHook();
  virtual std::vector<Piece> arrange(const LayoutCall& call) const = 0;
  // Extracts the answer from a generated text, if the layout asks for more than the answer (a chain of thought).
  virtual std::string answer(const std::string& generated) const;
};

// encoder.input, decoder.input: embedded tokens → the same, possibly longer (use `prepend`). Runs before the
// stack's input dropout. Rows of slots are zeros and must be filled by the method that inserted them.
struct InputCall : Call {
  const Tensor& tokens;      // [N] int64; pad id for a slot
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
  PrefixBias bias = PrefixBias::before_sequence;  // ignored in cross-attention, which has no bias
};
class PEFTBENCH_API KvHook {
 public:
  virtual ~KvHook();
  virtual KvPrefix prefix(const CallContext& context) const = 0;
};

// linear, lm_head, embedding: x [N, in] → y [N, out].
struct LinearCall : Call {
  const Tensor& input;                              // [N, in]; token ids [N] at the embedding
  const std::function<Tensor()>& base_output;       // computed at most once
  const std::function<Tensor(const Tensor&)>& map;  // the frozen map of another x
  const Tensor& x() const { return input; }
  Tensor base() const { return base_output(); }
  Tensor base(const Tensor& other) const { return map(other); }
};
class PEFTBENCH_API LinearHook {
 public:
  virtual ~LinearHook();
  virtual Tensor apply(const LinearCall& call) const = 0;
  // The weight [out, in] with the same effect without a hook, if there is one. Must work on meta tensors: the
  // ledger calls it to count what remains after merging.
  virtual std::optional<Tensor> merged(const Tensor& weight) const;
};

// sublayer: what is added to the residual stream.
struct SublayerCall : Call {
  const Tensor& residual;  // [N, D] before the sublayer
  const Tensor& input;     // [N, D] normalised input of the sublayer
  const Tensor& output;    // [N, D] after the sublayer's dropout
};
class PEFTBENCH_API SublayerHook {
 public:
  virtual ~SublayerHook();
  virtual Tensor apply(const SublayerCall& call) const = 0;
};

// block: the input of a block, or the output of the last one.
struct BlockCall : Call {
  const Tensor& hidden;  // [N, D]
};
class PEFTBENCH_API BlockHook {
 public:
  virtual ~BlockHook();
  virtual Tensor apply(const BlockCall& call) const = 0;
};

// parameter: a replacement of a frozen tensor, computed once per step.
class PEFTBENCH_API ParameterHook {
 public:
  virtual ~ParameterHook();
  virtual Tensor value(const Tensor& frozen) const = 0;  // same shape
};

// head: decoder states → logits over the vocabulary, or scores of the task's classes.
struct HeadCall : Call {
  const Tensor& hidden;                          // [N, D] after the final norm and dropout, before any scaling
  const std::function<Tensor()>& frozen_logits;  // [N, V], computed at the first call
  Tensor logits() const { return frozen_logits(); }
};
class PEFTBENCH_API HeadHook {
 public:
  virtual ~HeadHook();
  virtual Tensor apply(const HeadCall& call) const = 0;  // [N, V]; [B, C] if scores_classes()
  virtual bool scores_classes() const { return false; }
  // With class scores: the decoder input after the start token.
  virtual std::vector<int64_t> decoder_tokens() const { return {}; }
};

// replicas: each sequence runs r times, and the r results are combined into one.
struct ReplicaCall {
  const Tensor& log_likelihoods;  // [B, r]
  bool training = false;          // false for a validation loss
};
class PEFTBENCH_API ReplicaHook {
 public:
  virtual ~ReplicaHook();
  virtual int64_t replicas() const = 0;
  virtual Tensor combine(const ReplicaCall& call) const;  // [B]; logmeanexp by default
  virtual std::vector<double> votes() const;  // weights of the replicas' generated answers; equal by default
};

// loss: replaces the loss that is minimised.
struct LossCall {
  const Tensor& loss;            // scalar: the loss without the hook
  const Tensor& log_likelihood;  // [B] Σ log p(target token) of each sequence
  const Tensor& target_lengths;  // [B] tokens of each target, including EOS
};
class PEFTBENCH_API LossHook {
 public:
  virtual ~LossHook();
  virtual Tensor apply(const LossCall& call) const = 0;
};

// step_end: called after the optimizer's step; may set buffers.
struct StepCall {
  int64_t step;  // 1 after the first step
  int64_t steps;
};
class PEFTBENCH_API StepHook {
 public:
  virtual ~StepHook();
  virtual void step_end(const StepCall& call) = 0;
};

}  // namespace peftbench
