#include "core/files.h"

#include "core/descriptor.h"
#include "core/mapped_files.h"

#include <peftbench/error.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace peftbench::core {

bool file_exists(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

OpenedFile open_regular_file(const fs::path& path) {
  OpenedFile result;
  const auto refuse = [&](std::string fault, int number) {
    result.file = Descriptor();
    result.fault = std::move(fault);
    result.error = number;
  };
  // Without O_NONBLOCK the opening itself would wait for the other end of a pipe.
  result.file = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  if (!result.file.ok()) {
    const int number = errno;
    refuse(number == ENXIO ? "a socket or a device" : system_reason(number), number);
  } else if (::fstat(result.file.get(), &status) != 0) {
    refuse(system_reason(errno), errno);
  } else if (!S_ISREG(status.st_mode)) {
    refuse(S_ISDIR(status.st_mode)    ? "a folder"
           : S_ISFIFO(status.st_mode) ? "a named pipe"
                                      : "a device or a socket",
           0);
  } else {
    result.size = static_cast<std::uint64_t>(status.st_size);
  }
  return result;
}

InputFile::InputFile(fs::path path) : path_(std::move(path)) {
  OpenedFile opened = open_regular_file(path_);
  if (!opened.file.ok())
    throw DataError(
        Problem{.what = "cannot read " + path_.string(), .found = opened.fault, .expected = "a readable regular file"});
  file_ = std::move(opened.file);
}

std::size_t InputFile::read(char* into, std::size_t bytes) {
  std::size_t used = 0;
  while (used < bytes) {
    const ssize_t got = ::read(file_.get(), into + used, bytes - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      throw DataError(Problem{"cannot read " + path_.string(), system_reason(errno),
                              "a file that can be read completely", "check the disk, or copy the file again"});
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
  }
  return used;
}

bool LineReader::next(std::string& line) {
  line.clear();
  for (;;) {
    if (at_ == block_.size()) {
      block_.resize(1 << 16);
      block_.resize(file_.read(block_.data(), block_.size()));
      at_ = 0;
      if (block_.empty()) {
        if (!line.empty()) ++number_;
        return !line.empty();
      }
    }
    const std::size_t end = block_.find('\n', at_);
    const std::size_t stop = end == std::string::npos ? block_.size() : end;
    if (line.size() + (stop - at_) > max_row_bytes)
      throw DataError(Problem{file_.path().string() + ":" + std::to_string(number_ + 1) + ": the line is too long",
                              "more than " + std::to_string(max_row_bytes) + " bytes",
                              "lines of at most that many bytes", "check that this is the right file"});
    line.append(block_, at_, stop - at_);
    at_ = end == std::string::npos ? stop : stop + 1;
    if (end == std::string::npos) continue;
    ++number_;
    return true;
  }
}

std::string read_text(const fs::path& path, std::size_t limit) {
  InputFile file(path);
  std::string text;
  std::size_t block = 1 << 16;
  for (;;) {
    const std::size_t used = text.size();
    text.resize(used + block);
    text.resize(used + file.read(text.data() + used, block));
    if (text.size() > limit)
      throw DataError(Problem{path.string() + " is too large", "more than " + std::to_string(limit) + " bytes",
                              "at most that many bytes", "check that this is the right file"});
    if (text.size() < used + block) return text;
    block = std::max(block, text.size());
  }
}

std::shared_ptr<const MappedFile> MappedFile::open(const fs::path& path) {
  const auto fail = [&](const std::string& found) {
    throw CheckpointError(
        Problem{.what = "cannot open " + path.string(), .found = found, .expected = "a readable file"});
  };
  OpenedFile opened = open_regular_file(path);
  if (!opened.file.ok()) fail(opened.fault);
  const auto size = static_cast<std::size_t>(opened.size);
  const std::byte* data = nullptr;
  if (size > 0) {  // an empty mapping is an error to mmap
    void* mapping = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, opened.file.get(), 0);
    if (mapping == MAP_FAILED) fail(system_reason(errno));
    data = static_cast<const std::byte*>(mapping);
  }
  const std::shared_ptr<const MappedFile> mapped(new MappedFile(path, data, size));
  mapped_files::add(*mapped, std::move(opened.file));
  return mapped;
}

void MappedFile::release_pages(const std::byte* first, std::size_t count) const {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(first) + page - 1) / page * page;
  const auto end = (reinterpret_cast<std::uintptr_t>(first) + count) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  mapped_files::remove(*this);
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace peftbench::core
