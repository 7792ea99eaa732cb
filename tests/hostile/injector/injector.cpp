// Loaded with LD_PRELOAD: counts calls of the system on files below one folder, and makes the N-th one fail, fall short
// or kill the process, as a full or broken disk or a power cut would. campaign.py says how it is driven.
//
//   INJECT_ROOT   the folder; calls on other files are let through and not counted
//   INJECT_LOG    a file outside of it that gets a line for each call that is counted: "NUMBER CALL PATH"
//   INJECT_AT     the number of the call that is to fail, over all processes together; none: only counts
//   INJECT_FAULT  ENOSPC, EIO, EACCES: fails so; short: half of the bytes; kill: SIGKILL before the call
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

thread_local bool inside = false;

struct Settings {
  char root[4096] = "";
  const char* log = nullptr;
  long at = -1;
  int number = 0;
  bool is_short = false, kills = false;

  Settings() {
    const char* given = std::getenv("INJECT_ROOT");
    log = std::getenv("INJECT_LOG");
    if (!given || !log || !::realpath(given, root)) root[0] = 0;
    if (const char* text = std::getenv("INJECT_AT")) at = std::atol(text);
    const char* fault = std::getenv("INJECT_FAULT");
    if (!fault) return;
    is_short = std::strcmp(fault, "short") == 0;
    kills = std::strcmp(fault, "kill") == 0;
    number = std::strcmp(fault, "ENOSPC") == 0 ? ENOSPC : std::strcmp(fault, "EACCES") == 0 ? EACCES : EIO;
  }
};

const Settings& settings() {
  static const Settings all;
  return all;
}

bool is_below(const char* path) {
  const std::size_t length = std::strlen(settings().root);
  return std::strncmp(path, settings().root, length) == 0 && (path[length] == '/' || path[length] == 0);
}

// The absolute path of a name; the last part need not be there.
bool resolve(int folder, const char* path, char* result) {
  char base[4096] = "";
  if (path[0] != '/') {
    char link[64];
    if (folder == AT_FDCWD)
      std::snprintf(link, sizeof link, "/proc/self/cwd");
    else
      std::snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    const ssize_t size = ::readlink(link, base, sizeof base - 1);
    if (size < 0) return false;
    base[size] = 0;
  }
  return std::snprintf(result, 4096, "%s%s%s", base, base[0] ? "/" : "", path) < 4096;
}

// Counts one call. True: it is the one that is to fail.
bool count(const char* call, const char* path) {
  const Settings& s = settings();
  const int log =
      static_cast<int>(::syscall(SYS_openat, AT_FDCWD, s.log, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (log < 0) return false;
  // The processes of one program count together: the lines are counted under a lock.
  while (::syscall(SYS_flock, log, LOCK_EX) != 0 && errno == EINTR) {
  }
  long number = 0;
  char block[1 << 14];
  for (ssize_t got; (got = ::syscall(SYS_read, log, block, sizeof block)) > 0;)
    for (ssize_t i = 0; i < got; ++i) number += block[i] == '\n';
  char line[4400];
  const int size = std::snprintf(line, sizeof line, "%ld %s %s\n", number, call, path);
  if (::syscall(SYS_write, log, line, static_cast<std::size_t>(size)) != size) std::abort();
  ::syscall(SYS_close, log);
  if (number != s.at) return false;
  if (s.kills) ::kill(::getpid(), SIGKILL);
  return true;
}

bool hits_path(const char* call, int folder, const char* path) {
  if (inside || settings().root[0] == 0 || !path) return false;
  inside = true;
  char whole[4096];
  const int before = errno;
  const bool hit = resolve(folder, path, whole) && is_below(whole) && count(call, whole);
  errno = before;
  inside = false;
  return hit;
}

bool hits_file(const char* call, int file) {
  if (inside || settings().root[0] == 0 || file < 0) return false;
  inside = true;
  char link[64], whole[4096];
  const int before = errno;
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t size = ::readlink(link, whole, sizeof whole - 1);
  bool hit = false;
  if (size > 0) {
    whole[size] = 0;
    hit = is_below(whole) && count(call, whole);
  }
  errno = before;
  inside = false;
  return hit;
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

// A call without bytes cannot fall short: it fails.
template <typename Result = int>
Result fail() {
  errno = settings().number;
  return static_cast<Result>(-1);
}

std::size_t part(std::size_t size) { return size > 1 ? size / 2 : size; }

mode_t mode_of(int flags, va_list& rest) { return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0; }

}  // namespace

#define NEXT(name) static const auto real = next<decltype(name)>(#name)

extern "C" {

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  NEXT(open);
  return hits_path("open", AT_FDCWD, path) ? fail() : real(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  NEXT(open64);
  return hits_path("open", AT_FDCWD, path) ? fail() : real(path, flags, mode);
}

int openat(int folder, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  NEXT(openat);
  return hits_path("open", folder, path) ? fail() : real(folder, path, flags, mode);
}

FILE* fopen(const char* path, const char* mode) {
  NEXT(fopen);
  if (hits_path("open", AT_FDCWD, path)) return fail<long>(), nullptr;
  return real(path, mode);
}

FILE* fopen64(const char* path, const char* mode) {
  NEXT(fopen64);
  if (hits_path("open", AT_FDCWD, path)) return fail<long>(), nullptr;
  return real(path, mode);
}

ssize_t read(int file, void* data, size_t size) {
  NEXT(read);
  if (!hits_file("read", file)) return real(file, data, size);
  return settings().is_short ? real(file, data, part(size)) : fail<ssize_t>();
}

ssize_t pread(int file, void* data, size_t size, off_t offset) {
  NEXT(pread);
  if (!hits_file("pread", file)) return real(file, data, size, offset);
  return settings().is_short ? real(file, data, part(size), offset) : fail<ssize_t>();
}

ssize_t pread64(int file, void* data, size_t size, off64_t offset) {
  NEXT(pread64);
  if (!hits_file("pread", file)) return real(file, data, size, offset);
  return settings().is_short ? real(file, data, part(size), offset) : fail<ssize_t>();
}

ssize_t write(int file, const void* data, size_t size) {
  NEXT(write);
  if (!hits_file("write", file)) return real(file, data, size);
  return settings().is_short ? real(file, data, part(size)) : fail<ssize_t>();
}

ssize_t writev(int file, const struct iovec* parts, int count) {
  NEXT(writev);
  if (!hits_file("write", file)) return real(file, parts, count);
  return settings().is_short && count > 0 ? ::write(file, parts[0].iov_base, part(parts[0].iov_len)) : fail<ssize_t>();
}

ssize_t pwrite(int file, const void* data, size_t size, off_t offset) {
  NEXT(pwrite);
  if (!hits_file("pwrite", file)) return real(file, data, size, offset);
  return settings().is_short ? real(file, data, part(size), offset) : fail<ssize_t>();
}

int fsync(int file) {
  NEXT(fsync);
  return hits_file("fsync", file) ? fail() : real(file);
}

int fdatasync(int file) {
  NEXT(fdatasync);
  return hits_file("fdatasync", file) ? fail() : real(file);
}

int rename(const char* from, const char* to) {
  NEXT(rename);
  return hits_path("rename", AT_FDCWD, to) ? fail() : real(from, to);
}

int mkdir(const char* path, mode_t mode) {
  NEXT(mkdir);
  return hits_path("mkdir", AT_FDCWD, path) ? fail() : real(path, mode);
}

void* mmap(void* address, size_t size, int protection, int flags, int file, off_t offset) {
  // The loader maps before there is anything to ask for the next one.
  if (file < 0 || !hits_file("mmap", file))
    return reinterpret_cast<void*>(::syscall(SYS_mmap, address, size, protection, flags, file, offset));
  errno = settings().number == ENOSPC ? ENOMEM : settings().number;
  return MAP_FAILED;
}

void* mmap64(void* address, size_t size, int protection, int flags, int file, off64_t offset) {
  return mmap(address, size, protection, flags, file, offset);
}

int ftruncate(int file, off_t size) {
  NEXT(ftruncate);
  return hits_file("ftruncate", file) ? fail() : real(file, size);
}

int ftruncate64(int file, off64_t size) {
  NEXT(ftruncate64);
  return hits_file("ftruncate", file) ? fail() : real(file, size);
}

int truncate(const char* path, off_t size) {
  NEXT(truncate);
  return hits_path("ftruncate", AT_FDCWD, path) ? fail() : real(path, size);
}

int unlink(const char* path) {
  NEXT(unlink);
  return hits_path("unlink", AT_FDCWD, path) ? fail() : real(path);
}

int unlinkat(int folder, const char* path, int flags) {
  NEXT(unlinkat);
  return hits_path("unlink", folder, path) ? fail() : real(folder, path, flags);
}

int remove(const char* path) {
  NEXT(remove);
  return hits_path("unlink", AT_FDCWD, path) ? fail() : real(path);
}

// As the kernel does it: what is told as failed is closed all the same.
int close(int file) {
  NEXT(close);
  if (!hits_file("close", file)) return real(file);
  real(file);
  return fail();
}

}  // extern "C"
