#include "core/mapped_files.h"

#include <sys/stat.h>

#include <array>
#include <atomic>
#include <map>
#include <mutex>

namespace peftbench::core::mapped_files {
namespace {

// Length and last change.
struct Stamp {
  std::int64_t size = -1, seconds = 0, nanoseconds = 0;
  bool operator==(const Stamp&) const = default;
};

Stamp stamp_of(const Descriptor& file) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return {};
  return {status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

struct Opened {
  Descriptor descriptor;
  Stamp stamp;
};

// A handler of signals reads `files` alone. A file beyond so many is read like the others, but no message about a lost
// page could name it.
std::array<std::atomic<const MappedFile*>, 1024> files;
std::mutex changes;  // of both lists

std::map<const MappedFile*, Opened>& opened() {
  static auto* list = new std::map<const MappedFile*, Opened>;  // outlives what is destroyed at exit
  return *list;
}

}  // namespace

void add(const MappedFile& file, Descriptor descriptor) {
  const std::lock_guard lock(changes);
  const Stamp stamp = stamp_of(descriptor);
  opened().insert_or_assign(&file, Opened{std::move(descriptor), stamp});
  for (auto& place : files) {
    if (place.load() != nullptr) continue;
    place.store(&file);
    return;
  }
}

void remove(const MappedFile& file) {
  const std::lock_guard lock(changes);
  opened().erase(&file);
  for (auto& place : files)
    if (place.load() == &file) place.store(nullptr);
}

std::vector<fs::path> changed() {
  const std::lock_guard lock(changes);
  std::vector<fs::path> result;
  for (const auto& [file, was] : opened())
    if (stamp_of(was.descriptor) != was.stamp) result.push_back(file->path());
  return result;
}

const char* path_at(const void* address) noexcept {
  const auto* byte = static_cast<const std::byte*>(address);
  for (const auto& place : files) {
    const MappedFile* file = place.load();
    if (file != nullptr && byte >= file->data() && byte < file->data() + file->size()) return file->path().c_str();
  }
  return nullptr;
}

}  // namespace peftbench::core::mapped_files
