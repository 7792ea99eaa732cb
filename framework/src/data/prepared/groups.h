#pragma once

#include "data/layer.h"
#include "data/prepared/text_list.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace peftbench::data {

// Rows that are scored together (TextExample::group): metrics need complete groups.

// These places of the list, the rows of a group side by side where its first one stands. A list whose first row has no
// group has none.
std::vector<std::uint32_t> side_by_side(const TextList& list, std::vector<std::uint32_t> places);

// How many of the first `limit` examples there are without cutting a group, which stand side by side: fewer, or all of
// the first group where that alone is larger. 0: all.
std::size_t whole_groups(const TextList& list, std::int64_t limit);

}  // namespace peftbench::data
