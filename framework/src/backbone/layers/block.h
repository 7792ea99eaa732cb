#pragma once

#include "backbone/layer.h"
#include "backbone/layers/attention.h"
#include "backbone/layers/feed_forward.h"
#include "backbone/layers/rms_norm.h"

#include <peftbench/spec.h>

#include <optional>
#include <utility>
#include <vector>

namespace peftbench::backbone {

// What decoding keeps between steps, by layer; of an empty list nothing is kept.
struct KeptKeys {
  std::vector<KeyValues> self, cross;
};

// What the blocks of a stack share in one pass.
struct StackPass {
  const Rows& rows;
  AttentionScores& self;
  const EncoderRows* encoder = nullptr;  // with cross-attention
  AttentionScores* cross = nullptr;      // with cross-attention
  KeptKeys* kept = nullptr;              // null: nothing is kept
};

// The site of a block's input, or of the output of the last block.
class BlockEntrance {
 public:
  explicit BlockEntrance(BlockSite site) : site_(site) {}
  Tensor operator()(const Tensor& hidden, const Rows& rows) const;  // [N, D] → [N, D]

 private:
  BlockSite site_;
};

// x + dropout(last(f(norm(x)))), with the hook of the sublayer's site on what is added.
class Residual {
 public:
  Residual(RmsNorm norm, SublayerSite site, Backend backend) : norm_(std::move(norm)), site_(site), backend_(backend) {}
  // f takes NormedRows.
  template <class Function>
  Tensor operator()(const Tensor& x, const Rows& rows, const Function& f, const Linear& last) const {
    const NormedRows normed(x, norm_, rows);
    const Tensor output = f(normed);
    if (backend_ == Backend::fast && !claimed(rows)) return added(x, output, rows, last);
    return x + hooked(x, normed(), rows.dropout(last(output, rows)), rows);
  }
  // The norm, where no plan has anything at it or at the sublayer's site, on the fast backend.
  std::optional<kernels::Norm> frozen(const Rows& rows) const {
    return claimed(rows) ? std::nullopt : norm_.frozen(rows);
  }

 private:
  Tensor hooked(const Tensor& residual, const Tensor& input, const Tensor& output, const Rows& rows) const;
  bool claimed(const Rows& rows) const;  // by any plan
  // x + dropout(last(y))
  static Tensor added(const Tensor& x, const Tensor& y, const Rows& rows, const Linear& last);
  RmsNorm norm_;
  SublayerSite site_;
  Backend backend_;
};

template <class Layer>
struct Sublayered {
  Residual residual;
  Layer layer;
};

class Block {
 public:
  Block(BlockEntrance entrance, Sublayered<Attention> self, std::optional<Sublayered<Attention>> cross,
        Sublayered<FeedForward> ffn)
      : entrance_(entrance), self_(std::move(self)), cross_(std::move(cross)), ffn_(std::move(ffn)) {}
  // `layer`: its number in the stack, by which keys are kept.
  Tensor operator()(const Tensor& hidden, const StackPass& pass, std::size_t layer) const;

 private:
  BlockEntrance entrance_;
  Sublayered<Attention> self_;
  std::optional<Sublayered<Attention>> cross_;  // in the decoder
  Sublayered<FeedForward> ffn_;
};

}  // namespace peftbench::backbone
