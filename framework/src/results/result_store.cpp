#include "results/result_store.h"

#include "core/names.h"

#include <peftbench/error.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace peftbench {
namespace {

std::vector<std::string> run_ids(const fs::path& folder) {
  std::vector<std::string> ids;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder, missing))
    if (fs::exists(entry.path() / "record.json", missing)) ids.push_back(entry.path().filename().string());
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace

fs::path RunFolder::predictions(const std::string& task) const {
  std::string name = task;
  std::replace(name.begin(), name.end(), '/', '-');
  return path / ("predictions-" + name + ".jsonl");
}

RunLock::RunLock(const RunFolder& folder) {
  std::error_code error;
  fs::create_directories(folder.path, error);
  const fs::path file = folder.path / "lock";
  descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0)
    throw UserError({"the run's folder cannot be written", file.string() + ": " + std::strerror(errno),
                     "a folder that may be written", "name another with --out DIR"});
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const int reason = errno;
  ::close(descriptor_);
  if (reason == EWOULDBLOCK)
    throw UserError({"another process is working on this run", folder.path.string(), "one process for each run",
                     "wait until it has ended, or run into another folder with --out DIR"});
  throw UserError({"the run's folder cannot be locked", file.string() + ": " + std::strerror(reason),
                   "a file system with locks", "name a folder on a local disk with --out DIR"});
}

RunLock::~RunLock() { ::close(descriptor_); }

RunRecord read_record(const fs::path& file) {
  Json json;
  try {
    json = Json::parse(read_text(file));
  } catch (const nlohmann::json::exception& error) {
    throw DataError(
        {file.string() + " is not JSON", error.what(), "a run's record", "delete the run's folder and run again"});
  }
  return record_from_json(json, file.string());
}

std::optional<RunRecord> ResultStore::find(const std::string& id) const {
  const fs::path file = folder_of(id).record();
  std::error_code error;
  if (!fs::exists(file, error)) return std::nullopt;
  return read_record(file);
}

std::vector<RunRecord> ResultStore::all() const {
  std::vector<RunRecord> records;
  for (const std::string& id : run_ids(folder_)) records.push_back(read_record(folder_of(id).record()));
  return records;
}

void ResultStore::write(const RunRecord& record) const {
  const RunFolder folder = folder_of(record.id);
  fs::create_directories(folder.path);
  write_atomically(folder.record(), to_json(record).dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

RunFolder find_run(const std::string& name, const fs::path& folder) {
  std::error_code error;
  for (const fs::path& path : {fs::path(name), folder / name}) {
    if (path.filename() == "record.json" && fs::is_regular_file(path, error)) return {path.parent_path()};
    if (fs::is_regular_file(path / "record.json", error)) return {path};
  }
  const std::vector<std::string> ids = run_ids(folder);
  std::vector<std::string> begins;
  for (const std::string& id : ids)
    if (!name.empty() && id.rfind(name, 0) == 0) begins.push_back(id);
  if (begins.size() == 1) return {folder / begins.front()};
  if (begins.size() > 1)
    throw DataError({"more than one run begins with '" + name + "'", join(begins), "one run", "write more of its id"});
  throw DataError({"there is no run '" + name + "'", "not a run's folder, nor an id in " + folder.string(),
                   "a folder with a record.json",
                   ids.empty() ? "name the folder of the runs with --out DIR" : did_you_mean(name, ids)});
}

}  // namespace peftbench
