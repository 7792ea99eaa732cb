#include "data/prepared/groups.h"

#include <algorithm>
#include <string>
#include <unordered_map>

namespace peftbench::data {

std::vector<std::uint32_t> side_by_side(const TextList& list, std::vector<std::uint32_t> places) {
  if (list.empty() || list.front().group.empty()) return places;
  std::unordered_map<std::string, std::uint32_t> numbers;
  std::vector<std::uint32_t> group_of;  // of each row of the list
  group_of.reserve(list.size());
  for (const TextExample& example : list)
    group_of.push_back(numbers.try_emplace(example.group, static_cast<std::uint32_t>(numbers.size())).first->second);
  std::vector<std::uint32_t> rank(numbers.size(), 0);  // when each group is met first; 0: not yet
  std::uint32_t met = 0;
  for (const std::uint32_t place : places)
    if (std::uint32_t& first = rank[group_of[place]]; first == 0) first = ++met;
  std::stable_sort(places.begin(), places.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return rank[group_of[a]] < rank[group_of[b]]; });
  return places;
}

std::size_t whole_groups(const TextList& list, std::int64_t limit) {
  const std::size_t all = list.size();
  if (limit <= 0 || static_cast<std::size_t>(limit) >= all) return all;
  const auto cuts = [&](std::size_t count) {  // between two rows of a group
    const std::string group = list[count].group;
    return !group.empty() && list[count - 1].group == group;
  };
  const auto wanted = static_cast<std::size_t>(limit);
  std::size_t count = wanted;
  while (count > 0 && cuts(count)) --count;  // down to 0 where the first group is larger
  if (count > 0) return count;
  for (count = wanted; count < all && cuts(count);) ++count;
  return count;
}

}  // namespace peftbench::data
