// The allocation functions of this program, which count and pass on to those of glibc. LibTorch finds these as well.
#include "allocations.h"

#include <atomic>
#include <cerrno>
#include <cstddef>

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
#define PEFTBENCH_COUNTS_ALLOCATIONS 1
#endif

#ifndef PEFTBENCH_COUNTS_ALLOCATIONS
std::optional<std::int64_t> peftbench::speed::allocations() { return std::nullopt; }
#else

namespace peftbench::speed {
namespace {

std::atomic<std::int64_t> calls{0};

void count() { calls.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

std::optional<std::int64_t> allocations() { return calls.load(std::memory_order_relaxed); }

}  // namespace peftbench::speed

extern "C" {

void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t number, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
  peftbench::speed::count();
  return __libc_malloc(size);
}

void* calloc(std::size_t number, std::size_t size) {
  peftbench::speed::count();
  return __libc_calloc(number, size);
}

void* realloc(void* old, std::size_t size) {
  peftbench::speed::count();
  return __libc_realloc(old, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) {
  peftbench::speed::count();
  return __libc_memalign(alignment, size);
}

int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  peftbench::speed::count();
  void* found = __libc_memalign(alignment, size);
  if (found == nullptr) return ENOMEM;
  *memory = found;
  return 0;
}
}
#endif
