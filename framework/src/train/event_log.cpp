#include "train/event_log.h"

#include <peftbench/error.h>

#include <algorithm>
#include <fstream>
#include <system_error>

namespace peftbench {

EventLog::EventLog(fs::path path) : path_(std::move(path)) {
  std::error_code none;
  const auto size = fs::file_size(path_, none);
  position_ = none ? 0 : static_cast<std::int64_t>(size);
}

void EventLog::append(const nlohmann::json& event) {
  if (path_.empty()) return;
  std::ofstream file(path_, std::ios::binary | std::ios::app);
  const std::string line = event.dump() + "\n";
  file << line << std::flush;
  if (!file) {
    throw Error({"the log of the run cannot be written", path_.string(),
                 "a folder that can be written to, and space on the disk",
                 "free some space, then start the same command again: the run continues"});
  }
  position_ += static_cast<std::int64_t>(line.size());
}

void EventLog::truncate(std::int64_t position) {
  if (path_.empty()) return;
  if (position < position_) fs::resize_file(path_, static_cast<std::uintmax_t>(position));
  // A machine that went down may have kept less of the log than the checkpoint knows; the rest is gone.
  position_ = std::min(position, position_);
}

}  // namespace peftbench
