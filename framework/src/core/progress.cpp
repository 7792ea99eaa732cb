#include "core/progress.h"

namespace peftbench::core {

namespace {

class SilentProgress final : public ProgressSink {
 public:
  void update(const Progress&) override {}
  void note(const std::string&) override {}
};

}  // namespace

ProgressSink& silent_progress() {
  static SilentProgress sink;  // holds nothing
  return sink;
}

}  // namespace peftbench::core
