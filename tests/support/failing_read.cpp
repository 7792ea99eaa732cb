// Preloaded: the read number FAILING_READ of the file FAILING_FILE, and all after it, report an error of the disk.
// Reads of that file give at most 4,096 bytes, as a read may, so that a small file takes several.
#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

bool fails(int file, size_t& size) {
  static int count = 0;
  const char *wanted = std::getenv("FAILING_FILE"), *which = std::getenv("FAILING_READ");
  if (!wanted || !which) return false;
  std::array<char, 4096> path{};
  const ssize_t length = ::readlink(("/proc/self/fd/" + std::to_string(file)).c_str(), path.data(), path.size());
  if (length < 0 || std::string_view(path.data(), static_cast<size_t>(length)) != wanted) return false;
  if (size > 4096) size = 4096;
  return ++count >= std::atoi(which);
}

template <class Function>
Function real(Function, const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" __attribute__((visibility("default"))) ssize_t read(int file, void* into, size_t size) {
  static const auto next = real(&read, "read");
  if (!fails(file, size)) return next(file, into, size);
  errno = EIO;
  return -1;
}

extern "C" __attribute__((visibility("default"))) ssize_t pread64(int file, void* into, size_t size, off64_t at) {
  static const auto next = real(&pread64, "pread64");
  if (!fails(file, size)) return next(file, into, size, at);
  errno = EIO;
  return -1;
}
