#include "data/prepared/storage.h"

#include "core/file_memory.h"
#include "core/hash.h"
#include "core/write_files.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <vector>

namespace peftbench::data {

namespace {

constexpr std::uint64_t remembered_from = 8 << 20;  // smaller files are hashed each time

std::string plain(std::string name) {
  std::replace_if(
      name.begin(), name.end(),
      [](unsigned char c) { return !(std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'); }, '-');
  return name;
}

// What killed processes left behind. Names of reserve() carry no lock: those of running processes are younger.
void sweep(const fs::path& folder) {
  remove_unfinished(folder);
  std::error_code error;
  const auto old = fs::file_time_type::clock::now() - std::chrono::hours(48);
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const bool temporary = entry.path().filename().string().find(".tmp-") != std::string::npos;
    if (temporary && entry.last_write_time(error) < old && !error) fs::remove(entry.path(), error);
  }
}

// An empty file of a name that nobody else has.
fs::path reserve(const fs::path& folder, const std::string& name) {
  std::string path = (folder / (name + ".tmp-XXXXXX")).string();
  const int descriptor = ::mkstemp(path.data());
  if (descriptor < 0) {
    throw DataError(Problem{"cannot create a temporary file in " + folder.string(), std::strerror(errno),
                            "a writable folder", "set TMPDIR to one"});
  }
  ::close(descriptor);
  return path;
}

void note(const DataStorage& storage, const std::string& line) {
  if (storage.progress) storage.progress->note(line);
}

}  // namespace

StoredRecords::StoredRecords(const DataStorage& storage, const std::string& task, const std::string& key,
                             const std::string& ending)
    : storage_(storage), key_(key), path_(storage.folder / (plain(task) + "-" + key.substr(0, 20) + "." + ending)) {}

std::shared_ptr<const RecordFile> StoredRecords::find() const {
  if (!storage_.keep) return nullptr;
  RecordFile::Opened opened = RecordFile::open(path_, key_);
  if (!opened.damage.empty()) note(storage_, path_.string() + " is rebuilt: " + opened.damage);
  return std::move(opened.file);
}

std::shared_ptr<const RecordFile> StoredRecords::write(const std::function<void(RecordWriter&)>& write) const {
  const bool writable = can_write_in(storage_.folder);
  const bool keep = storage_.keep && writable;
  fs::path path = path_;
  if (!keep) {
    path = reserve(writable ? storage_.folder : fs::temp_directory_path(), path_.filename().string());
    if (storage_.keep)
      note(storage_, storage_.folder.string() + " is not writable: the prepared data is not kept for the next run");
  } else {
    sweep(storage_.folder);
  }
  const auto drop = [&] {
    std::error_code ignored;
    if (!keep) fs::remove(path, ignored);
  };
  try {
    write_atomically(path, [&](std::ostream& out) {
      RecordWriter writer(out, key_);
      write(writer);
    });
  } catch (...) {
    drop();
    throw;
  }
  RecordFile::Opened opened = RecordFile::open(path, key_);
  drop();
  if (!opened.file) {
    throw DataError(Problem{"cannot read back " + path.string(), opened.damage, "the same bytes",
                            "check the disk, or use another data folder with --data"});
  }
  return std::move(opened.file);
}

std::string content_hash(const fs::path& file, const DataStorage& storage) {
  const FileState state = state_of(file);
  if (state.size < remembered_from || !storage.keep) return sha256_file(file);
  std::error_code error;
  const std::string whole = fs::weakly_canonical(file, error).string();
  const FileMemory memory(storage.folder / "hashes");
  if (const auto kept = memory.find(whole, {file}); kept && kept->is_string()) return kept->get<std::string>();
  if (storage.progress) storage.progress->update({"load", 0, 0, "hash of " + file.filename().string()});
  const std::string hash = sha256_file(file);
  if (state_of(file) != state) {
    throw DataError(Problem{file.string() + " changed while it was read", "a different size or modification time",
                            "a file that does not change", "run the command again when the file is complete"});
  }
  memory.keep(whole, {file}, {state}, hash);
  return hash;
}

}  // namespace peftbench::data
