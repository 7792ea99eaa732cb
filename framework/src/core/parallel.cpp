#include "core/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace peftbench::core {

void in_parallel(std::size_t count, int threads, const std::function<void(std::size_t)>& work, std::size_t at_a_time) {
  const std::size_t most = (count + at_a_time - 1) / at_a_time;
  const std::size_t helpers = std::min(most, static_cast<std::size_t>(std::max(threads, 1)));
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::size_t failed = count;
  std::exception_ptr failure;
  const auto run = [&] {
    for (std::size_t first = next.fetch_add(at_a_time); first < count; first = next.fetch_add(at_a_time)) {
      for (std::size_t i = first; i < std::min(count, first + at_a_time); ++i) {
        try {
          work(i);
        } catch (...) {
          const std::lock_guard lock(mutex);
          if (i < failed) failed = i, failure = std::current_exception();
          return;
        }
      }
    }
  };
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < helpers; ++i) others.emplace_back(run);
  run();
  others.clear();  // joins them
  if (failure) std::rethrow_exception(failure);
}

}  // namespace peftbench::core
