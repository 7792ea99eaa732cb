#pragma once

#include "train/config.h"
#include "train/layer.h"

namespace peftbench::train {

// Learning rate of step 0, 1, … by the formulas of transformers' get_*_schedule (rate 0 at step 0 with a warm-up).
// inverse_sqrt: peak · √(k / max(step, k)) with k = warmup_steps, or 10,000 without a warm-up; T5's
// 1/√max(step, k) is the peak 1/√k.
double learning_rate_at(const TrainConfig& config, std::int64_t step);

}  // namespace peftbench::train
