#include "text/token_matcher.h"

#include <algorithm>

namespace peftbench::text {

void TokenMatcher::add(const std::string& content, std::int64_t id) {
  if (content.empty() || !ids_.emplace(content, id).second) return;
  if (first_bytes_.find(content.front()) == std::string::npos) first_bytes_ += content.front();
  const auto place = std::lower_bound(lengths_.begin(), lengths_.end(), content.size(), std::greater<>());
  if (place == lengths_.end() || *place != content.size()) lengths_.insert(place, content.size());
}

std::optional<TokenMatcher::Match> TokenMatcher::next(std::string_view text, std::size_t from) const {
  const auto candidate = [&](std::size_t start) {  // mostly '<' alone
    return first_bytes_.size() == 1 ? text.find(first_bytes_.front(), start) : text.find_first_of(first_bytes_, start);
  };
  for (auto at = candidate(from); at != std::string_view::npos; at = candidate(at + 1)) {
    for (const std::size_t length : lengths_) {
      if (length > text.size() - at) continue;
      const auto found = ids_.find(std::string(text.substr(at, length)));
      if (found != ids_.end()) return Match{at, length, found->second};
    }
  }
  return std::nullopt;
}

}  // namespace peftbench::text
