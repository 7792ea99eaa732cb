#include "results/run_lock.h"

#include "core/hash.h"
#include "core/write_files.h"
#include "results/adapter_files.h"

#include <peftbench/error.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <thread>

namespace peftbench::results {
namespace {

fs::path lock_of(const RunFolder& folder) { return folder.path / "lock"; }

[[noreturn]] void refuse(const RunFolder& folder, int reason) {
  if (reason == EWOULDBLOCK)
    throw UserError({"another process is working on this run", folder.path.string(), "one process per run",
                     "wait until it has ended, or use another folder with --out DIR"});
  throw UserError({"the run's folder cannot be locked", folder.path.string() + ": " + system_reason(reason),
                   "a file system with locks", "use a folder on a local disk with --out DIR"});
}

// 0, or errno. is_running holds a lock for a moment: that is waited for.
int lock(const Descriptor& open) {
  for (int attempt = 0;; ++attempt) {
    if (::flock(open.get(), LOCK_EX | LOCK_NB) == 0) return 0;
    if (errno != EINTR && (errno != EWOULDBLOCK || attempt >= 20)) return errno;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

bool is_under_its_name(const Descriptor& open, const fs::path& path) {
  struct stat ours {
  }, named{};
  return ::fstat(open.get(), &ours) == 0 && ::lstat(path.c_str(), &named) == 0 && ours.st_dev == named.st_dev &&
         ours.st_ino == named.st_ino;
}

bool is_locked(const fs::path& path, int flags) {
  const Descriptor open(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | flags));
  return open.ok() && ::flock(open.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

// Why a file is not what the record says; empty where it is, or where the record does not know its hash.
std::string damage_of_file(const fs::path& file, const std::string& hash) {
  if (hash.empty()) return {};
  if (!file_exists(file)) return file.filename().string() + " is missing";
  return sha256(MappedFile::open(file)->text()) == hash
             ? ""
             : file.filename().string() + " does not match the hash in the record";
}

}  // namespace

RunLock::RunLock(const RunFolder& folder) {
  make_folder(folder.path);
  folder_ = Descriptor(::open(folder.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (const int reason = folder_.ok() ? lock(folder_) : 0; reason == EWOULDBLOCK) refuse(folder, reason);
  for (int attempt = 0; attempt < 100; ++attempt) {  // again where the file was removed or replaced meanwhile
    file_ = open_own_file(lock_of(folder), O_RDWR | O_CREAT);
    if (const int reason = lock(file_)) refuse(folder, reason);
    if (is_under_its_name(file_, lock_of(folder))) return;
  }
  refuse(folder, EWOULDBLOCK);
}

bool is_running(const RunFolder& folder) {
  return is_locked(folder.path, O_DIRECTORY) || is_locked(lock_of(folder), O_NOFOLLOW);
}

std::string status_of(const RunFolder& folder, const std::string& recorded) {
  return recorded == "running" && !is_running(folder) ? "stopped" : recorded;
}

std::string damage_of(const RunFolder& folder, const RunRecord& record) {
  const fs::path description = folder.adapter() / adapter_file::description;
  if (!record.adapter_hash.empty() && !file_exists(description)) return "adapter.json is missing";
  std::string damage = damage_of_file(folder.adapter() / adapter_file::tensors, record.adapter_hash);
  if (damage.empty()) damage = damage_of_file(folder.predictions(), record.predictions_hash);
  for (const TaskScore& task : record.tasks)
    if (damage.empty() && !task.predictions.empty())
      damage = damage_of_file(folder.path / task.predictions, task.predictions_hash);
  return damage;
}

}  // namespace peftbench::results
