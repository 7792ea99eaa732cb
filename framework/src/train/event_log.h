#pragma once

#include "core/files.h"

#include <nlohmann/json.hpp>

#include <cstdint>

namespace peftbench {

// log.jsonl: one event a line, appended. Holds nothing that differs between two runs of the same configuration
// (no times), so a resumed run ends with the same bytes.
class EventLog {
 public:
  EventLog() = default;  // keeps nothing
  explicit EventLog(fs::path path);
  void append(const nlohmann::json& event);
  std::int64_t position() const { return position_; }
  void truncate(std::int64_t position);  // what was written after the checkpoint that is resumed from

 private:
  fs::path path_;
  std::int64_t position_ = 0;
};

}  // namespace peftbench
