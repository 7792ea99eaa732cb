#include "eval/target_tree.h"

#include <peftbench/error.h>

#include <map>
#include <utility>

namespace peftbench::eval {

TargetTree::TargetTree(const std::vector<std::vector<std::int64_t>>& targets, std::int64_t start)
    : nodes{{start}, {-1}} {
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> places, children;  // by node and id
  for (const auto& target : targets) {
    if (target.empty()) throw Error("a target without tokens cannot be scored");
    std::int64_t node = 0;
    auto& path = paths.emplace_back();
    for (std::size_t t = 0; t < target.size(); ++t) {
      const auto [place, first] = places.try_emplace({node, target[t]}, std::ssize(tokens));
      if (first) tokens.push_back({node, target[t]});
      path.push_back(place->second);
      if (t + 1 == target.size()) break;  // nothing follows its last token
      const auto [child, fresh] = children.try_emplace({node, target[t]}, nodes.size());
      if (fresh) {
        nodes.ids.push_back(target[t]);
        nodes.parents.push_back(node);
      }
      node = child->second;
    }
  }
}

}  // namespace peftbench::eval
