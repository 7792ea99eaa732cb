#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

namespace peftbench {

namespace fs = std::filesystem;

bool file_exists(const fs::path& path);       // a regular file; false where nobody can tell
std::string read_text(const fs::path& path);  // Throws DataError if it cannot be read

// Writes to a temporary name beside `path`, flushes to the disk, renames. Whoever reads sees the old file or the new.
void write_atomically(const fs::path& path, std::string_view bytes);
void write_atomically(const fs::path& path, const std::function<void(std::ostream&)>& write);

// A file mapped read-only; the mapping lives as long as the object.
class MappedFile {
 public:
  static std::shared_ptr<const MappedFile> open(const fs::path& path);  // Throws CheckpointError
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  const fs::path& path() const { return path_; }
  // Gives back the memory of what nobody reads for now; who reads it again gets it from the file.
  void let_go(const std::byte* first, std::size_t count) const;

 private:
  MappedFile(fs::path path, const std::byte* data, std::size_t size)
      : path_(std::move(path)), data_(data), size_(size) {}
  fs::path path_;
  const std::byte* data_;
  std::size_t size_;
};

}  // namespace peftbench
