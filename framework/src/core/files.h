#pragma once

#include "core/descriptor.h"
#include "core/layer.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace peftbench::core {

namespace fs = std::filesystem;

bool file_exists(const fs::path& path);  // a regular file; false if the path cannot be examined

// All input files are opened here. A pipe would block and a device has no end, so only regular files are opened.
struct OpenedFile {
  Descriptor file;
  std::uint64_t size = 0;  // bytes, when it was opened
  std::string fault;       // why the file cannot be opened: "Permission denied", "a folder", "a named pipe"
  int error = 0;           // errno of the fault; 0 for a file of another kind
};
OpenedFile open_regular_file(const fs::path& path);

// A regular file, read in blocks. A read error is never mistaken for the end.
class InputFile {
 public:
  explicit InputFile(fs::path path);  // Throws DataError
  // Fewer bytes than requested only at the end of the file. Throws DataError.
  std::size_t read(char* into, std::size_t bytes);
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  Descriptor file_;
};

// The lines of a regular file without their LF.
class LineReader {
 public:
  explicit LineReader(fs::path path) : file_(std::move(path)) {}  // Throws DataError
  // False at the end. Throws DataError if the file cannot be read or a line is longer than `max_row_bytes`.
  bool next(std::string& line);
  std::int64_t number() const { return number_; }  // of the last line, from 1

 private:
  InputFile file_;
  std::string block_;
  std::size_t at_ = 0;
  std::int64_t number_ = 0;
};

constexpr std::size_t max_row_bytes = 64 << 20;   // of a line, a row, or a record
constexpr std::size_t max_text_bytes = 64 << 20;  // of a file that is read as one text

// A whole file of at most `limit` bytes. Throws DataError.
std::string read_text(const fs::path& path, std::size_t limit = max_text_bytes);

// Writes a temporary file, flushes it to the disk and renames it to `path`. Readers see either the old file or the new
// one.
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
  // Lets the kernel drop these pages; later reads reload them.
  void release_pages(const std::byte* first, std::size_t count) const;

 private:
  MappedFile(fs::path path, const std::byte* data, std::size_t size)
      : path_(std::move(path)), data_(data), size_(size) {}
  fs::path path_;
  const std::byte* data_;
  std::size_t size_;
};

}  // namespace peftbench::core
