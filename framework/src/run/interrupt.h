#pragma once

#include <peftbench/error.h>

namespace peftbench {

// The user asked to stop. The run's checkpoint is kept: the same command continues.
class Interrupted : public Error {
 public:
  Interrupted() : Error("interrupted") {}
  int exit_code() const noexcept override { return 130; }
};

}  // namespace peftbench
