#pragma once

#include "text/layer.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace peftbench::text {

// Finds tokens that are one id anywhere in a text.
class TokenMatcher {
 public:
  struct Match {
    std::size_t begin = 0, size = 0;
    std::int64_t id = 0;
  };
  void add(const std::string& content, std::int64_t id);
  bool empty() const { return ids_.empty(); }
  // The leftmost match from `from` on; of several there, the longest.
  std::optional<Match> next(std::string_view text, std::size_t from) const;
  // Adds the ids of the tokens in `text` in order; `plain(part)` adds those of what is between them.
  template <class Plain>
  void encode(std::string_view text, std::vector<std::int64_t>& ids, const Plain& plain) const {
    std::size_t begin = 0;
    while (const auto match = next(text, begin)) {
      plain(text.substr(begin, match->begin - begin));
      ids.push_back(match->id);
      begin = match->begin + match->size;
    }
    plain(text.substr(begin));
  }

 private:
  std::unordered_map<std::string, std::int64_t> ids_;
  std::string first_bytes_;           // of any token
  std::vector<std::size_t> lengths_;  // of tokens, longest first, each once
};

}  // namespace peftbench::text
