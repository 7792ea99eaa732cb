#include "core/write_files.h"

#include "core/descriptor.h"

#include <peftbench/error.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <optional>
#include <system_error>
#include <vector>

namespace peftbench::core {

namespace {

constexpr std::string_view mark = ".tmp-";  // FILE.tmp-PROCESS-NUMBER is a file that is being written

std::string remedy_of(int number) {
  switch (number) {
    case ENOSPC:
    case EDQUOT:
      return "free up disk space";
    case EFBIG:
      return "raise the file size limit (ulimit -f)";
    case EROFS:
      return "choose a folder on a writable disk";
    case EACCES:
    case EPERM:
      return "change the permissions, or choose another folder";
    case ELOOP:
      return "remove the link";
    case EIO:
      return "check the disk";
    default:
      return "check that the folder exists and is writable";
  }
}

// Faults of the path that was given; all others are the machine's.
bool is_of_path(int number) {
  for (const int known : {EACCES, EPERM, EROFS, ENOENT, ENOTDIR, EISDIR, ELOOP, ENAMETOOLONG, EEXIST})
    if (number == known) return true;
  return false;
}

// File systems without the flushing of folders.
bool cannot_flush(int number) { return number == EINVAL || number == ENOTSUP; }

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
      std::copy_n(data, count, pptr());  // of nothing, data may be null
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

// The process that made a temporary file of this name; nothing where the name is another.
std::optional<pid_t> writer_of(const std::string& name) {
  const std::size_t at = name.rfind(mark);
  if (at == std::string::npos) return std::nullopt;
  const char* const end = name.data() + name.size();
  pid_t process = 0;
  unsigned number = 0;
  const auto [dash, error] = std::from_chars(name.data() + at + mark.size(), end, process);
  if (error != std::errc() || process <= 0 || dash == end || *dash != '-') return std::nullopt;
  const auto [rest, second] = std::from_chars(dash + 1, end, number);
  if (second != std::errc() || rest != end) return std::nullopt;
  return process;
}

// A living writer holds a lock on its file; the kernel lets go when it dies. Its number alone would not do: it may be
// another program's by now, or that of a process on another machine.
void remove_if_unfinished(const fs::path& file, pid_t writer) {
  const Descriptor open(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status {};
  if (!open.ok() || ::fstat(open.get(), &status) != 0) return;
  if (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid()) return;
  if (::flock(open.get(), LOCK_EX | LOCK_NB) != 0) {
    const bool without_locks = errno != EWOULDBLOCK && errno != EINTR;
    if (!without_locks || ::kill(writer, 0) == 0 || errno != ESRCH) return;
  }
  ::unlink(file.c_str());
}

// Those of one file, or of all.
void remove_unfinished(const fs::path& folder, const std::string& beginning) {
  std::vector<std::pair<fs::path, pid_t>> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(beginning)) continue;
    if (const auto writer = writer_of(name)) found.emplace_back(entry->path(), *writer);
  }
  for (const auto& [file, writer] : found) remove_if_unfinished(file, writer);
}

fs::path folder_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

// A new file beside `path` under a name that nobody has, locked.
Descriptor create_temporary(const fs::path& path, fs::path& temporary) {
  static std::atomic<unsigned> counter{0};  // two threads may write the same file
  for (int attempt = 0; attempt < 100; ++attempt) {
    temporary = path.string() + std::string(mark) + std::to_string(::getpid()) + "-" + std::to_string(counter++);
    Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
    if (!file.ok() && errno == EEXIST) continue;
    if (!file.ok()) fail_to_write(path, errno);
    // Another process may take it for a dead one's before it is locked, and remove it.
    const bool taken = ::flock(file.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    struct stat status {};
    if (!taken && ::fstat(file.get(), &status) == 0 && status.st_nlink > 0) return file;
  }
  fail_to_write(path, EEXIST);
}

// A rename would put a file in the place of a pipe or a device.
void refuse_special(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || S_ISREG(status.st_mode)) return;
  throw UserError({"cannot write " + path.string(),
                   S_ISDIR(status.st_mode) ? "a folder with this name" : "a pipe or a device with this name",
                   "a regular file, or no file", "choose another file name"});
}

}  // namespace

std::string system_reason(int number) { return std::generic_category().message(number); }

void fail_to_write(const fs::path& path, int number) {
  const Problem problem{"cannot write " + path.string(),
                        number == ELOOP ? "a symbolic link, which is not followed" : system_reason(number),
                        {},
                        remedy_of(number)};
  if (is_of_path(number)) throw UserError(problem);
  throw Error(problem);
}

void write_all(const Descriptor& file, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_to_write(path, errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

Descriptor open_own_file(const fs::path& path, int flags) {
  // Without O_NONBLOCK a pipe would be waited for.
  Descriptor file(::open(path.c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666));
  if (!file.ok() && errno != ENXIO) fail_to_write(path, errno);
  struct stat status {};
  if (file.ok() && ::fstat(file.get(), &status) != 0) fail_to_write(path, errno);
  if (!file.ok() || !S_ISREG(status.st_mode))
    throw UserError({"cannot write " + path.string(), "a pipe or a device with this name", "a regular file, or no file",
                     "remove it"});
  return file;
}

void flush_folder(const fs::path& folder) {
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.ok() && errno == EACCES) return;  // may be written and not be read: then it cannot be flushed
  if (!directory.ok()) fail_to_write(folder, errno);
  if (::fsync(directory.get()) != 0 && !cannot_flush(errno)) fail_to_write(folder, errno);
}

bool can_write_in(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  return ::access(folder.c_str(), W_OK | X_OK) == 0;
}

void make_folder(const fs::path& folder) {
  std::error_code ignored;
  if (folder.empty() || fs::is_directory(folder, ignored)) return;
  const fs::path above = folder.parent_path();
  if (above != folder) make_folder(above);
  if (::mkdir(folder.c_str(), 0777) != 0) {
    const int number = errno;
    if (number == EEXIST && fs::is_directory(folder, ignored)) return;
    const Problem problem{"cannot create the folder " + folder.string(),
                          number == EEXIST ? "a file or a broken link with this name" : system_reason(number),
                          {},
                          number == EEXIST ? "choose another folder" : remedy_of(number)};
    if (is_of_path(number)) throw UserError(problem);
    throw Error(problem);
  }
  flush_folder(folder_of(folder));
}

void remove_unfinished(const fs::path& folder) { remove_unfinished(folder, ""); }

void remove_unfinished_of(const fs::path& file) {
  remove_unfinished(folder_of(file), file.filename().string() + std::string(mark));
}

void replace_file(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail_to_write(to, errno);
  flush_folder(folder_of(to));
}

void remove_file(const fs::path& path) {
  if (::unlink(path.c_str()) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return;
    throw Error({.what = "cannot remove " + path.string(), .found = system_reason(errno), .remedy = remedy_of(errno)});
  }
  flush_folder(folder_of(path));
}

void remove_folder(const fs::path& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (error)
    throw Error(
        {.what = "cannot remove " + folder.string(), .found = error.message(), .remedy = remedy_of(error.value())});
  if (fs::is_directory(folder_of(folder), error)) flush_folder(folder_of(folder));
}

void refuse_link(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::is_symlink(folder, ignored)) return;
  throw UserError({"cannot write into " + folder.string(), "a symbolic link, which is not followed", "a folder",
                   "remove the link"});
}

void write_folder(const fs::path& folder, const std::function<void(const fs::path&)>& write) {
  const fs::path target = folder.has_filename() ? folder : folder.parent_path();  // without a last '/'
  const fs::path staged = target.string() + ".unfinished";
  refuse_link(staged);
  make_folder(staged);
  const Descriptor lock(::open(staged.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock.ok()) fail_to_write(staged, errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    throw UserError({"another process is writing " + target.string(), staged.string(), "one process per folder",
                     "wait until it has ended, or choose another folder"});
  std::error_code error;
  std::vector<fs::path> earlier;
  for (const fs::directory_entry& entry : fs::directory_iterator(staged, error)) earlier.push_back(entry.path());
  for (const fs::path& path : earlier) remove_folder(path);
  try {
    write(staged);
    replace_file(staged, target);
  } catch (...) {
    fs::remove_all(staged, error);
    throw;
  }
}

void retract_other(const fs::path& description, std::string_view text) {
  if (file_exists(description) && read_text(description) != text) remove_file(description);
}

void write_atomically(const fs::path& path, std::string_view bytes) {
  write_atomically(path,
                   [&](std::ostream& out) { out.write(bytes.data(), static_cast<std::streamsize>(bytes.size())); });
}

void write_atomically(const fs::path& path, const std::function<void(std::ostream&)>& write) {
  refuse_special(path);
  remove_unfinished_of(path);
  fs::path temporary;
  Descriptor file = create_temporary(path, temporary);
  try {
    DescriptorBuffer buffer(file, path);
    std::ostream out(&buffer);
    out.exceptions(std::ios::badbit);  // lets the error of the buffer through
    write(out);
    out.flush();
    if (::fsync(file.get()) != 0 && !cannot_flush(errno)) fail_to_write(path, errno);
    // Closed first, since some file systems tell then what failed; the copy keeps the lock until the file has its name.
    const Descriptor lock(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
    if (!file.close()) fail_to_write(path, errno);
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail_to_write(path, errno);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  flush_folder(folder_of(path));
}

}  // namespace peftbench::core
