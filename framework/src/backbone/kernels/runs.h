#pragma once

#include "backbone/kernels/frozen_matrix.h"
#include "backbone/kernels/small_products.h"
#include "backbone/layer.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

// Work on packed rows in runs that stay in a core's cache.
namespace peftbench::backbone::kernels {

// Memory of one thread for a run of rows.
class Run {
 public:
  explicit Run(std::int64_t widths) : memory_(std::make_unique_for_overwrite<float[]>(size(widths))) {}
  float* floats(std::int64_t width) {
    float* taken = memory_.get() + used_;
    used_ += size(width);
    return taken;
  }
  void start() { used_ = 0; }
  ProductRows left;                   // of a product
  LeftMatrix of_weights{at::kFloat};  // of a sum over rows: weightsᵀ · rows
  RightMatrix of_rows{at::kFloat};

 private:
  static std::size_t size(std::int64_t width) { return static_cast<std::size_t>(width * ProductRows::most); }
  std::unique_ptr<float[]> memory_;
  std::size_t used_ = 0;
};

// Rows of a run: fewer than the most where there would not be a run for each thread.
inline std::int64_t run_length(std::int64_t rows) {
  const std::int64_t threads = at::in_parallel_region() ? 1 : at::get_num_threads();
  for (const std::int64_t length : {8, 16, 32, 48})
    if (length * threads >= rows) return length;
  return ProductRows::most;
}

// Calls visit(run, first row, count) for runs of `most` rows; a thread has memory for `widths` values a row.
template <class Visit>
void for_runs_of(std::int64_t most, std::int64_t rows, std::int64_t widths, const Visit& visit) {
  at::parallel_for(0, (rows + most - 1) / most, 1, [&](std::int64_t from, std::int64_t to) {
    Run run(widths);
    for (std::int64_t n = from; n < to; ++n) {
      run.start();
      visit(run, n * most, std::min(most, rows - n * most));
    }
  });
}

template <class Visit>
void for_runs(std::int64_t rows, std::int64_t widths, const Visit& visit) {
  for_runs_of(run_length(rows), rows, widths, visit);
}

// This many scores of attention fit in a core's cache with their gradient.
inline constexpr std::int64_t most_scores = std::int64_t{1} << 16;

// Calls work(number, scratch) for each task, with what make() gives each thread. Threads take the tasks in turn, since
// sequences differ in length.
template <class Make, class Work>
void in_turn(std::int64_t tasks, const Make& make, const Work& work) {
  std::atomic<std::int64_t> next{0};
  const std::int64_t threads = std::min<std::int64_t>(at::get_num_threads(), tasks);
  at::parallel_for(0, threads, 1, [&](std::int64_t, std::int64_t) {
    auto scratch = make();
    for (std::int64_t n = next++; n < tasks; n = next++) work(n, scratch);
  });
}

// Calls visit(first, count) for blocks of at most `most`.
template <class Visit>
void for_blocks(std::int64_t all, std::int64_t most, const Visit& visit) {
  for (std::int64_t first = 0; first < all; first += most) visit(first, std::min(most, all - first));
}

}  // namespace peftbench::backbone::kernels
