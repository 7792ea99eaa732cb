#pragma once

#include "backbone/token_tree.h"
#include "eval/layer.h"

#include <cstdint>
#include <vector>

namespace peftbench::eval {

// Targets of the same inputs as a tree, so that what they have in common is decoded once.
struct TargetTree {
  // `start`: the decoder's. Throws Error for an empty target.
  TargetTree(const std::vector<std::vector<std::int64_t>>& targets, std::int64_t start);

  backbone::TokenTree nodes;
  struct Token {
    std::int64_t node, id;  // the token `id` after a node
  };
  std::vector<Token> tokens;                     // each once
  std::vector<std::vector<std::int64_t>> paths;  // of each target, places in `tokens`
};

}  // namespace peftbench::eval
