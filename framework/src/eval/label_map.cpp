#include "eval/label_map.h"

#include <peftbench/error.h>

#include <algorithm>

namespace peftbench::eval {

LabelMap::LabelMap(const std::vector<std::string>& pairs) {
  for (const std::string& pair : pairs) {
    const std::size_t colon = pair.find(':');
    if (colon == 0 || colon == std::string::npos || pair.find(':', colon + 1) != std::string::npos)
      throw ConfigError({"invalid entry in eval.label_map", "'" + pair + "'", "from:to, such as duplicate:equivalent",
                         "write one ':' between the two words"});
    std::string from = pair.substr(0, colon);
    if (std::any_of(pairs_.begin(), pairs_.end(), [&](const auto& other) { return other.first == from; }))
      throw ConfigError(
          {.what = "eval.label_map maps a word twice", .found = "'" + from + "'", .expected = "each word once"});
    pairs_.emplace_back(std::move(from), pair.substr(colon + 1));
  }
  std::stable_sort(pairs_.begin(), pairs_.end(),
                   [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
}

std::string LabelMap::apply(const std::string& text) const {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const auto found = std::find_if(pairs_.begin(), pairs_.end(), [&](const auto& pair) {
      return text.compare(at, pair.first.size(), pair.first) == 0;
    });
    if (found == pairs_.end()) {
      result += text[at++];
    } else {
      result += found->second;
      at += found->first.size();
    }
  }
  return result;
}

}  // namespace peftbench::eval
