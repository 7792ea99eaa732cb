#pragma once

#include "core/layer.h"

#include <unistd.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace peftbench::core {

namespace fs = std::filesystem;

// A file descriptor; closed by the destructor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  int get() const { return number_; }
  bool ok() const { return number_ >= 0; }
  int release() { return std::exchange(number_, -1); }
  bool close() { return ::close(std::exchange(number_, -1)) == 0; }

 private:
  int number_ = -1;
};

std::string system_reason(int number);  // of errno

// Throws Error, or UserError if another path or other permissions are needed, with the system's reason.
[[noreturn]] void fail_to_write(const fs::path& path, int number);
void write_all(const Descriptor& file, std::string_view bytes, const fs::path& path);

// Opens an output file that is written in place (a log, a lock): a link is not followed, and a pipe or a device
// is refused. `flags` are those of open(2). Throws as fail_to_write.
Descriptor open_own_file(const fs::path& path, int flags);

}  // namespace peftbench::core
