#pragma once

#include "core/layer.h"
#include "core/progress.h"

#include <peftbench/error.h>

#include <functional>
#include <string>

namespace peftbench::core {

// Stopped by the user. The run's checkpoint is saved: the same command continues.
class Interrupted : public Error {
 public:
  Interrupted() : Error("interrupted") {}
  int exit_code() const noexcept override { return 130; }
};

// Passes progress on, and ends the work at hand where the user asks to stop: reading and tokenizing much data takes
// long. Training is not ended so: it keeps a checkpoint first.
class StoppableProgress final : public ProgressSink {
 public:
  // `stop` outlives this; it may be empty.
  StoppableProgress(ProgressSink& screen, const std::function<bool()>& stop) : screen_(screen), stop_(stop) {}
  void update(const Progress& progress) override {
    screen_.update(progress);
    if (stop_ && stop_()) throw Interrupted();
  }
  void note(const std::string& line) override { screen_.note(line); }

 private:
  ProgressSink& screen_;
  const std::function<bool()>& stop_;
};

}  // namespace peftbench::core
