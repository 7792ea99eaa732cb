#pragma once

#include "data/layer.h"
#include "data/task/task_spec.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace peftbench::data {

// What keeps rows together.
struct RowKeys {
  std::vector<std::string> keys;  // rows that share one belong together, over any chain of rows
};

// The keys of many rows as 64-bit hashes: 12 bytes a key, whatever the rows hold. Two keys that happen to have one hash
// (of 100 million, a chance of 1 in 4,000) keep two rows together that need not be, and harm nothing else.
class KeyTable {
 public:
  void add(const RowKeys& keys);  // of the next row, of at most 2³² − 1
  std::size_t rows() const { return rows_; }
  void drop(const std::vector<bool>& rows);  // removes these rows and renumbers the others
  // For each row, the first row of its connected group. Gives the keys' memory back.
  std::vector<std::uint32_t> take_groups();

 private:
  using Entry = std::array<std::uint32_t, 3>;  // the hash in two halves, the row: without padding
  std::deque<Entry> entries_;                  // a vector that grows needs twice the room
  std::size_t rows_ = 0;
};

enum class Split : std::uint8_t { train, validation, test };

struct SplitWants {
  bool validation, test;  // which are to be taken from these rows
};

// The split of each row: complete groups, sampled with the seed, until a split has enough rows. Depends only on the
// seed and the rows, not on the machine. Throws ConfigError if a split would stay empty.
std::vector<Split> split_rows(KeyTable keys, const SplitSpec& spec, SplitWants wants);

}  // namespace peftbench::data
