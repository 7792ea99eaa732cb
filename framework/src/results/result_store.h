#pragma once

#include "core/files.h"
#include "results/layer.h"
#include "results/run_record.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace peftbench::results {

// The event file of a run, by a name that TensorBoard looks for.
inline constexpr const char* tensorboard_file = "events.out.tfevents.peft-bench";

// A run's folder and the paths of its files.
struct RunFolder {
  fs::path path;
  fs::path config() const { return path / "config.yaml"; }
  fs::path record() const { return path / "record.json"; }
  fs::path log() const { return path / "log.jsonl"; }
  fs::path tensorboard() const { return path / tensorboard_file; }
  fs::path predictions() const { return path / "predictions.jsonl"; }
  // Of another task than the run's own.
  fs::path predictions(const std::string& task) const;
  fs::path checkpoint() const { return path / "checkpoint"; }
  fs::path adapter() const { return path / "adapter"; }
};

// The runs of a folder (runs/ by default). Reading needs no LibTorch.
class ResultStore {
 public:
  explicit ResultStore(fs::path folder) : folder_(std::move(folder)) {}

  RunFolder folder_of(const std::string& id) const { return {folder_ / id}; }
  // Throws DataError if it is there and damaged, or another run's.
  std::optional<RunRecord> find(const std::string& id) const;
  void write(const RunRecord& record) const;  // makes the folder

 private:
  fs::path folder_;
};

RunRecord read_record(const fs::path& file);                              // Throws DataError
RunRecord record_from_text(std::string_view text, const fs::path& file);  // the file's contents. Throws DataError
void write_record(const fs::path& file, const RunRecord& record);

// The names of folders with a record, sorted.
std::vector<std::string> run_folders(const fs::path& folder);
// Compares a file of predictions in the folder of a finished run with the hash in its record; no other file has one.
// Throws DataError if they differ or the record cannot be read.
void check_predictions(const fs::path& file);

// A run as a user names it: its folder, its record.json, or its id (or the id's unique beginning) under `folder`.
// Throws DataError with the nearest id.
RunFolder find_run(const std::string& name, const fs::path& folder);

}  // namespace peftbench::results
