#pragma once

#include "data/task_spec.h"

#include <cstdint>
#include <string>
#include <vector>

namespace peftbench {

// What keeps rows together, and where each row comes from.
struct RowKeys {
  std::vector<std::string> keys;  // rows that share one belong together, over any chain of rows
};

enum class Split : std::uint8_t { train, validation, test };

struct SplitWants {
  bool validation, test;  // which are to be taken from these rows
};

// Where each row goes: whole groups, drawn by the seed, until a split has the rows it wants. Depends on the seed
// and the rows alone, not on the machine. Throws ConfigError where a split would stay empty.
std::vector<Split> split_rows(const std::vector<RowKeys>& rows, const SplitSpec& spec, SplitWants wants);

}  // namespace peftbench
