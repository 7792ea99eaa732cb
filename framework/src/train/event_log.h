#pragma once

#include "core/descriptor.h"
#include "core/hash.h"
#include "train/layer.h"
#include "train/tensorboard_log.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>

namespace peftbench::train {

// Where a checkpoint is in the log.
struct LogPosition {
  std::int64_t bytes = 0;
  std::string sha256;  // of everything before it; empty: unknown (a checkpoint of an older version)
};

// log.jsonl: one event a line, appended. Holds nothing that differs between two runs of the same configuration
// (no times), so a resumed run ends with the same bytes.
class EventLog {
 public:
  EventLog() = default;  // keeps nothing
  // With `tensorboard` the same is written to that event file.
  explicit EventLog(fs::path path, fs::path tensorboard = {});
  void append(const nlohmann::json& event);
  // Writes appended events to the disk, as a checkpoint requires.
  LogPosition flush();
  // Cuts what was written after the checkpoint that is resumed from. A machine that went down may have kept less of the
  // log than the checkpoint knows, or NULs in its place: then it is cut to its whole lines, and the warning says so.
  std::string go_back_to(const LogPosition& position);

 private:
  void open();
  fs::path path_;
  Descriptor file_;  // open from the first use on
  std::int64_t position_ = 0;
  Sha256 hash_;  // of all bytes until there
  TensorBoardLog tensorboard_;
};

}  // namespace peftbench::train
