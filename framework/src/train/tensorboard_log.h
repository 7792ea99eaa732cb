#pragma once

#include "core/descriptor.h"
#include "core/files.h"
#include "formats/tfevents.h"
#include "train/layer.h"

#include <nlohmann/json_fwd.hpp>

#include <string_view>

namespace peftbench::train {

// What TensorBoard shows of a line of log.jsonl: train/loss, train/learning_rate, train/gradient_norm, validation/loss,
// validation/illegal_rate and validation/METRIC. No scalars: nothing of it. Numbers that are not finite are left out.
TfEvent tensorboard_event(const nlohmann::json& line);

// A run's log as an event file of TensorBoard, appended to while the run trains. log.jsonl is the truth: it holds no
// times, so those of the file are when each line was first written to it.
class TensorBoardLog {
 public:
  TensorBoardLog() = default;  // keeps nothing
  explicit TensorBoardLog(fs::path file);

  // Brings the file in line with the log: events of its lines that are there stay, others are cut off, and missing
  // ones are appended with the time of now. Throws DataError if the log cannot be read, Error as open_own_file.
  void follow(const fs::path& log);
  // A line that was appended to the log, after follow.
  void append(const nlohmann::json& line);

 private:
  void open();
  fs::path path_;
  Descriptor file_;  // open from the first use on
};

}  // namespace peftbench::train
