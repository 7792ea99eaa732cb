#pragma once

#include "core/files.h"
#include "results/layer.h"

#include <cstddef>
#include <string>
#include <vector>

namespace peftbench::results {

struct CurvePoint {
  double step = 0, value = 0;
};

// How a run learned: log.jsonl, by rising steps. A point whose value is not finite is left out.
struct LearningCurve {
  std::string metric;                  // of the validation scores: the task's first
  std::vector<CurvePoint> loss;        // of the training batches
  std::vector<CurvePoint> validation;  // scores
  bool empty() const { return loss.empty() && validation.empty(); }
};

// Lines that are no event are passed over: the last one of a run that is at work may be half written. Empty without the
// file. Throws DataError if it cannot be read.
LearningCurve read_learning_curve(const fs::path& log);

// At most `most` of the points (2 or more), the first and the last among them: of each stretch of equal width in steps
// the last point, so that a curve keeps its shape and no value is made up.
std::vector<CurvePoint> thinned(const std::vector<CurvePoint>& points, std::size_t most);

}  // namespace peftbench::results
