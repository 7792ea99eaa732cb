#include "pretrain/example_pool.h"

#include <utility>

namespace peftbench::pretrain {

std::vector<EncodedExample> draw_packed(const ExamplePool& pool, std::int64_t budget, std::int64_t& cursor) {
  std::vector<EncodedExample> drawn;
  while (true) {
    EncodedExample next = pool.at(cursor);
    budget -= static_cast<std::int64_t>(next.input.size());
    if (budget < 0 && !drawn.empty()) return drawn;
    drawn.push_back(std::move(next));
    ++cursor;
  }
}

}  // namespace peftbench::pretrain
