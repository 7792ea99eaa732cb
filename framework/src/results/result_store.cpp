#include "results/result_store.h"

#include "core/hash.h"
#include "core/json.h"
#include "core/names.h"
#include "core/write_files.h"
#include "results/adapter_files.h"

#include <peftbench/error.h>

#include <algorithm>

namespace peftbench::results {

std::vector<std::string> run_folders(const fs::path& folder) {
  std::vector<std::string> ids;
  std::error_code missing, hidden;  // a record that may not be looked at is told, where it is read
  for (const auto& entry : fs::directory_iterator(folder, missing))
    if (fs::exists(entry.path() / "record.json", hidden) || hidden) ids.push_back(entry.path().filename().string());
  std::sort(ids.begin(), ids.end());
  return ids;
}

// As in an address, so that no two names meet: x/y is x%2Fy, and x%2Fy is x%252Fy.
fs::path RunFolder::predictions(const std::string& task) const {
  std::string name;
  for (const char c : task) {
    if (c == '/' || c == '%')
      name += c == '/' ? "%2F" : "%25";
    else
      name += c;
  }
  return path / ("predictions-" + name + ".jsonl");
}

RunRecord read_record(const fs::path& file) { return record_from_text(read_text(file), file); }

RunRecord record_from_text(std::string_view text, const fs::path& file) {
  JsonFault fault;
  const std::optional<Json> json = parse_json<Json>(text, fault);
  if (!json) throw DamagedRecord(file.string(), fault.text());
  return record_from_json(*json, file.string());
}

void write_record(const fs::path& file, const RunRecord& record) {
  write_atomically(file, to_json(record).dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

void check_predictions(const fs::path& file) {
  const RunFolder folder{file.parent_path()};
  if (!file_exists(folder.record())) return;
  const RunRecord record = read_record(folder.record());
  std::string recorded = file.filename() == folder.predictions().filename() ? record.predictions_hash : "";
  for (const TaskScore& task : record.tasks)
    if (!task.predictions.empty() && file.filename() == task.predictions) recorded = task.predictions_hash;
  if (recorded.empty()) return;
  if (const std::string found = sha256_file(file); found != recorded)
    throw DataError({file.string() + " was changed after the run", "SHA-256 " + found,
                     recorded + ", as in " + folder.record().string(),
                     "restore the file, or score a copy outside the run's folder if the change is intended"});
}

std::optional<RunRecord> ResultStore::find(const std::string& id) const {
  const fs::path file = folder_of(id).record();
  std::error_code error;
  if (!fs::exists(file, error)) return std::nullopt;
  RunRecord record = read_record(file);
  if (record.id != id)
    throw DataError({"a run's folder contains the record of another run", file.string() + " is of " + record.id, id,
                     "move that folder, or rename it to the id of its run"});
  return record;
}

void ResultStore::write(const RunRecord& record) const {
  const RunFolder folder = folder_of(record.id);
  make_folder(folder.path);
  write_record(folder.record(), record);
}

namespace {

// What there is under the name that was given for a run's; empty: nothing.
std::optional<Problem> not_a_run(const std::string& name) {
  const fs::path path(name);
  std::error_code error;
  const auto holds = [&](const char* file) { return fs::exists(path / file, error); };
  const auto problem = [&](const std::string& is, const std::string& remedy) {
    return Problem{"'" + name + "' is not a run", is, "a run's folder, which contains record.json, or a run id",
                   remedy};
  };
  if (name.empty() || !fs::exists(path, error)) return std::nullopt;
  if (!fs::is_directory(path, error)) return problem("a file", "use the folder that `peft-bench` printed for the run");
  if (holds(adapter_file::description))
    return problem("an adapter without its run", "`peft-bench eval " + name + "` evaluates it");
  if (holds(adapter_file::peft_config))
    return problem("an adapter of Hugging Face PEFT",
                   "`peft-bench eval " + name + " --backbone NAME --task NAME` evaluates it");
  if (holds("config.yaml") || holds("lock"))
    return problem("a run's folder without record.json", "run the command of the run again");
  if (holds("config.json")) return problem("a model's folder", "use it with --backbone");
  if (const std::vector<std::string> ids = run_folders(path); !ids.empty())
    return problem("a folder of " + std::to_string(ids.size()) + " runs: " + join(ids), "choose one of them");
  return problem("another folder", "use the folder that `peft-bench` printed for the run");
}

}  // namespace

RunFolder find_run(const std::string& name, const fs::path& folder) {
  std::error_code error;
  for (const fs::path& path : {fs::path(name), folder / name}) {
    if (path.filename() == "record.json" && fs::is_regular_file(path, error)) return {path.parent_path()};
    if (fs::is_regular_file(path / "record.json", error)) return {path};
    const fs::path above = path / "..";  // a run's adapter is the run
    if (fs::is_regular_file(path / adapter_file::description, error) &&
        fs::is_regular_file(above / "record.json", error))
      return {fs::canonical(above, error)};
  }
  const std::vector<std::string> ids = run_folders(folder);
  std::vector<std::string> begins;
  for (const std::string& id : ids)
    if (!name.empty() && id.rfind(name, 0) == 0) begins.push_back(id);
  if (begins.size() == 1) return {folder / begins.front()};
  if (begins.size() > 1)
    throw DataError({"ambiguous run id '" + name + "'", join(begins), "one run", "give more characters of the id"});
  if (const auto problem = not_a_run(name)) throw DataError(*problem);
  throw DataError({"there is no run '" + name + "'", "neither a run's folder nor an id in " + folder.string(),
                   "a folder with a record.json",
                   ids.empty() ? "give the folder of the runs with --out DIR" : did_you_mean(name, ids)});
}

}  // namespace peftbench::results
