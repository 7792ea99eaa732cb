#pragma once

#include "formats/layer.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace peftbench::formats {

// The contents of a pickle as a tree of symbols: calls are recorded, never executed.
struct PickleNode {
  enum class Kind {
    none,
    boolean,
    integer,
    real,
    text,
    global,  // text: "module.name"
    tuple,
    list,
    dict,        // items: key, value, key, value …
    call,        // items: what is called, its arguments (a tuple)
    persistent,  // items: the id, which names something outside the pickle
  };
  Kind kind = Kind::none;
  int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<const PickleNode*> items;
};

// Owns the nodes. Flat, so that a deeply nested pickle uses no stack.
struct Pickle {
  std::deque<PickleNode> nodes;
  const PickleNode* root = nullptr;
};

// Reads protocol 2 and the few operations that PyTorch writes. `allowed` is called for each global, "module.name".
// Throws CheckpointError; `origin` names the file.
Pickle parse_pickle(std::string_view bytes, const std::function<bool(const std::string&)>& allowed,
                    const std::string& origin);

}  // namespace peftbench::formats
