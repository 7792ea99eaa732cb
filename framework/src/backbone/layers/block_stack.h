#pragma once

#include "backbone/layer.h"
#include "backbone/layers/block.h"

#include <utility>
#include <vector>

namespace peftbench::backbone {

// An encoder or a decoder: its input's site, its blocks, and what follows them.
class BlockStack {
 public:
  BlockStack(InputSite site, std::vector<Block> blocks, BlockEntrance exit, RmsNorm final_norm)
      : site_(site), blocks_(std::move(blocks)), exit_(exit), final_norm_(std::move(final_norm)) {}

  // What the blocks begin with: embedded tokens, changed by the plan, after dropout.
  Embedded enter(const Tensor& ids, const Tensor& embeddings, const Rows& rows) const;
  // [N, D] → [N, D] after the final norm and dropout.
  Tensor operator()(const Tensor& entered, const StackPass& pass) const;
  std::size_t layers() const { return blocks_.size(); }

 private:
  InputSite site_;
  std::vector<Block> blocks_;
  BlockEntrance exit_;
  RmsNorm final_norm_;
};

}  // namespace peftbench::backbone
