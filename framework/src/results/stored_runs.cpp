#include "results/stored_runs.h"

#include "core/descriptor.h"
#include "core/json.h"
#include "core/parallel.h"
#include "core/processors.h"
#include "results/run_index.h"
#include "results/run_lock.h"

#include <peftbench/error.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace peftbench::results {
namespace {

// What is known of a folder with a record file.
struct FoundRecord {
  IndexedRecord record;
  bool settled = false;     // the file's state tells whether it has changed
  bool is_indexed = false;  // the index has it
  bool is_to_index = false;
};

std::int64_t nanoseconds(const timespec& time) { return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

std::optional<FileState> state_in(int folder, const std::string& file) {
  struct stat status {};
  if (::fstatat(folder, file.c_str(), &status, 0) != 0) return std::nullopt;
  return FileState{status.st_size, nanoseconds(status.st_mtim), nanoseconds(status.st_ctim),
                   static_cast<std::int64_t>(status.st_ino)};
}

std::vector<FoundRecord> find_records(const fs::path& folder, std::int64_t settled_before) {
  std::vector<FoundRecord> found;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(folder.c_str()), ::closedir);
  const auto refuse = [&] {
    throw DataError({"cannot list the runs in " + folder.string(), system_reason(errno), "a folder that can be read",
                     "change its permissions"});
  };
  if (!open && (errno == ENOENT || errno == ENOTDIR)) return found;
  if (!open) refuse();
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(open.get());
    if (!entry && errno != 0) refuse();
    if (!entry) break;
    const std::string name = entry->d_name;
    if (entry->d_type == DT_REG || name == "." || name == "..") continue;
    FoundRecord record{{name, {}, {}, {}}};
    if (const auto state = state_in(::dirfd(open.get()), name + "/record.json")) {
      record.record.state = *state;
      record.settled = std::max(state->modified, state->changed) < settled_before;
    } else if (errno == ENOENT || errno == ENOTDIR) {
      continue;
    }  // a record that may not be looked at is told, where it is read
    found.push_back(std::move(record));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.record.folder < b.record.folder; });
  return found;
}

// Takes what the index knows of the files that are unchanged. Returns how many of its entries are of no use.
std::size_t use_index(std::vector<FoundRecord>& found, std::vector<IndexedRecord> indexed) {
  std::size_t used = 0;
  auto next = indexed.begin();
  for (FoundRecord& file : found) {
    while (next != indexed.end() && next->folder < file.record.folder) ++next;
    if (next == indexed.end() || next->folder != file.record.folder) continue;
    if (!file.settled || next->state != file.record.state) continue;
    file.record = std::move(*next++);
    file.is_indexed = true;
    ++used;
  }
  return indexed.size() - used;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

void read_file(FoundRecord& found, const fs::path& folder, SharedBytes& shared) {
  const fs::path file = RunFolder{folder / found.record.folder}.record();
  std::string text;
  try {
    text = read_text(file);
    // Of a file that was replaced meanwhile, it is not known which state these bytes are of.
    found.is_to_index = found.settled && state_in(AT_FDCWD, file.string()) == found.record.state;
  } catch (const Error& fault) {
    found.record.fault = fault.what();
    return;
  }
  try {
    found.record.record = pack(record_from_text(text, file), shared);
  } catch (const Error& fault) {
    found.record.fault = fault.what();
    if (found.record.fault.find(path_mark) != std::string::npos) found.is_to_index = false;
  }
}

std::vector<FoundRecord> read_records(const fs::path& folder, const IndexUse& use) {
  const auto now = std::chrono::system_clock::now() - use.settled;
  std::vector<FoundRecord> found = find_records(folder, std::chrono::nanoseconds(now.time_since_epoch()).count());
  const RunIndex index(folder);
  const bool has_index = found.size() >= use.from;
  SharedBytes shared;
  std::size_t changes = has_index ? use_index(found, index.read(shared)) : 0;
  std::vector<FoundRecord*> unknown;
  for (FoundRecord& file : found)
    if (!file.is_indexed) unknown.push_back(&file);
  in_parallel(
      unknown.size(), static_cast<int>(std::min<std::int64_t>(usable_processors(), 16)),
      [&](std::size_t i) { read_file(*unknown[i], folder, shared); }, 16);
  for (const FoundRecord* file : unknown) changes += file->is_to_index;
  // Writing it takes as long as reading some 1 % of the records.
  if (has_index && changes * 100 > found.size()) {
    std::vector<const IndexedRecord*> records;
    std::vector<std::pair<std::string*, std::string>> faults;
    for (FoundRecord& file : found) {
      if (!file.is_indexed && !file.is_to_index) continue;
      if (file.is_to_index && !file.record.record) {
        faults.emplace_back(&file.record.fault, file.record.fault);
        replace_all(file.record.fault, (folder / file.record.folder / "record.json").string(), {&path_mark, 1});
      }
      records.push_back(&file.record);
    }
    index.write(records);
    for (auto& [fault, text] : faults) *fault = std::move(text);
  }
  for (FoundRecord& file : found)
    if (file.is_indexed && !file.record.record)
      replace_all(file.record.fault, {&path_mark, 1}, (folder / file.record.folder / "record.json").string());
  return found;
}

// The one that counts: the folder that the program made, else one that has finished, else the first.
const IndexedRecord& counted(const std::vector<IndexedRecord*>& copies) {
  for (const IndexedRecord* copy : copies)
    if (copy->folder == copy->record->id) return *copy;
  for (const IndexedRecord* copy : copies)
    if (copy->record->status == "finished") return *copy;
  return *copies.front();
}

// Packed records lack a part, so the files are compared.
bool are_equal(const RunFolder& one, const RunFolder& other) {
  try {
    return to_json(read_record(one.record())) == to_json(read_record(other.record()));
  } catch (const Error&) {
    return false;
  }
}

std::string note_of(const IndexedRecord& copy, const IndexedRecord& counted, const fs::path& folder) {
  if (are_equal({folder / copy.folder}, {folder / counted.folder}))
    return "'" + copy.folder + "' is a copy of the run in '" + counted.folder + "', and is not counted again";
  return "'" + copy.folder + "' contains a different record of the run in '" + counted.folder + "' (" +
         copy.record->status + ", not " + counted.record->status + ", or with other numbers): it is not counted";
}

}  // namespace

RunRecord StoredRun::record() const {
  RunRecord record = unpack(packed);
  record.status = status;
  return record;
}

RunRecord StoredRun::load() const {
  RunRecord record = read_record(folder.record());
  if (record.status == "running") record.status = status;
  return record;
}

const StoredRun* StoredRuns::find(const std::string& id) const {
  const auto run = std::lower_bound(runs.begin(), runs.end(), id,
                                    [](const StoredRun& stored, const std::string& to) { return stored.id < to; });
  return run != runs.end() && run->id == id ? &*run : nullptr;
}

bool StoredRuns::has_finished(const std::string& id) const {
  const StoredRun* run = find(id);
  return run && run->status == "finished" && damage_of(run->folder, run->record()).empty();
}

StoredRuns read_runs(const fs::path& folder, const IndexUse& index) {
  std::vector<FoundRecord> found = read_records(folder, index);
  StoredRuns stored;
  std::vector<IndexedRecord*> records;
  for (FoundRecord& file : found) {
    if (file.record.record)
      records.push_back(&file.record);
    else
      stored.unreadable.push_back({file.record.folder, std::move(file.record.fault)});
  }
  std::stable_sort(records.begin(), records.end(),
                   [](const auto* a, const auto* b) { return a->record->id < b->record->id; });
  stored.runs.reserve(records.size());
  for (auto first = records.begin(); first != records.end();) {
    const auto next = std::find_if(
        first, records.end(), [&](const IndexedRecord* other) { return other->record->id != (*first)->record->id; });
    const std::vector<IndexedRecord*> copies(first, next);
    const IndexedRecord& kept = counted(copies);
    const RunFolder place{folder / kept.folder};
    StoredRun run{kept.record->id, status_of(place, kept.record->status), place, {}, {}};
    for (const IndexedRecord* copy : copies)
      if (copy != &kept) run.notes.push_back(note_of(*copy, kept, folder));
    for (IndexedRecord* copy : copies)
      if (copy == &kept) run.packed = std::move(*copy->record);
    stored.runs.push_back(std::move(run));
    first = next;
  }
  return stored;
}

}  // namespace peftbench::results
