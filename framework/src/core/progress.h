#pragma once

#include "core/layer.h"

#include <cstdint>
#include <string>

namespace peftbench::core {

// Progress reports to the caller; the library never prints. The command line displays them.
struct Progress {
  std::string phase;  // "train", "evaluate", …
  std::int64_t done = 0;
  std::int64_t total = 0;  // 0: not known
  std::string detail;      // "loss 2.31, validation accuracy 0.61"
};

class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  virtual void update(const Progress& progress) = 0;
  virtual void note(const std::string& line) = 0;  // a warning or a milestone that remains on the screen
};

// Discards everything.
ProgressSink& silent_progress();

}  // namespace peftbench::core
