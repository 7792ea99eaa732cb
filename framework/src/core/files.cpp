#include "core/files.h"

#include <peftbench/error.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <system_error>
#include <utility>

namespace peftbench {

namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }
  bool ok() const { return number_ >= 0; }
  bool close() { return ::close(std::exchange(number_, -1)) == 0; }

 private:
  int number_;
};

std::string reason(int number) { return std::generic_category().message(number); }

[[noreturn]] void fail_to_write(const fs::path& path, int number) {
  throw Error(Problem{"cannot write " + path.string(),
                      reason(number),
                      {},
                      number == ENOSPC ? "free space on the disk" : "check that the folder exists and may be written"});
}

void write_all(const Descriptor& file, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_to_write(path, errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

// A rename is on the disk only once its folder is.
void flush_folder(const fs::path& folder) {
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some file systems refuse fsync on folders; there is nothing better to do there.
  if (directory.ok()) ::fsync(directory.get());
}

// Collects a stream's output in blocks and writes them through.
class DescriptorBuffer final : public std::streambuf {
 public:
  DescriptorBuffer(const Descriptor& file, const fs::path& path) : file_(file), path_(path) {
    setp(block_, block_ + sizeof block_);
  }

 protected:
  int_type overflow(int_type c) override {
    sync();
    if (!traits_type::eq_int_type(c, traits_type::eof())) {
      *pptr() = traits_type::to_char_type(c);
      pbump(1);
    }
    return traits_type::not_eof(c);
  }
  std::streamsize xsputn(const char* data, std::streamsize count) override {
    if (count > epptr() - pptr()) sync();
    if (count > epptr() - pptr()) {
      write_all(file_, {data, static_cast<std::size_t>(count)}, path_);
    } else {
      std::memcpy(pptr(), data, static_cast<std::size_t>(count));
      pbump(static_cast<int>(count));
    }
    return count;
  }
  int sync() override {
    write_all(file_, {pbase(), static_cast<std::size_t>(pptr() - pbase())}, path_);
    setp(block_, block_ + sizeof block_);
    return 0;
  }

 private:
  const Descriptor& file_;
  const fs::path& path_;
  char block_[1 << 16];
};

}  // namespace

bool file_exists(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

std::string read_text(const fs::path& path) {
  const auto fail = [&](int number) {
    throw DataError(Problem{"cannot read " + path.string(), reason(number), "a readable file", {}});
  };
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.ok()) fail(errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail(errno);
  std::string text;
  std::size_t used = 0;
  text.resize(S_ISREG(status.st_mode) ? static_cast<std::size_t>(status.st_size) + 1 : 1 << 16);
  for (;;) {
    const ssize_t got = ::read(file.get(), text.data() + used, text.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(errno);
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
    if (used == text.size()) text.resize(2 * used);
  }
  text.resize(used);
  return text;
}

void write_atomically(const fs::path& path, std::string_view bytes) {
  write_atomically(path,
                   [&](std::ostream& out) { out.write(bytes.data(), static_cast<std::streamsize>(bytes.size())); });
}

void write_atomically(const fs::path& path, const std::function<void(std::ostream&)>& write) {
  static std::atomic<unsigned> counter{0};  // two threads may write the same file
  const fs::path temporary =
      path.string() + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(counter.fetch_add(1));
  try {
    Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (!file.ok()) fail_to_write(path, errno);
    DescriptorBuffer buffer(file, path);
    std::ostream out(&buffer);
    out.exceptions(std::ios::badbit);  // lets the error of the buffer through
    write(out);
    out.flush();
    if (::fsync(file.get()) != 0 && errno != EINVAL) fail_to_write(path, errno);
    if (!file.close()) fail_to_write(path, errno);
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail_to_write(path, errno);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  flush_folder(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

std::shared_ptr<const MappedFile> MappedFile::open(const fs::path& path) {
  const auto fail = [&](const std::string& found) {
    throw CheckpointError(Problem{"cannot open " + path.string(), found, "a readable file", {}});
  };
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.ok()) fail(reason(errno));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail(reason(errno));
  if (!S_ISREG(status.st_mode)) fail(S_ISDIR(status.st_mode) ? "a folder" : "not a regular file");
  const auto size = static_cast<std::size_t>(status.st_size);
  const std::byte* data = nullptr;
  if (size > 0) {  // an empty mapping is an error to mmap
    void* mapping = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (mapping == MAP_FAILED) fail(reason(errno));
    data = static_cast<const std::byte*>(mapping);
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, data, size));
}

void MappedFile::let_go(const std::byte* first, std::size_t count) const {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(first) + page - 1) / page * page;
  const auto end = (reinterpret_cast<std::uintptr_t>(first) + count) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace peftbench
