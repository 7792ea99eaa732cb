#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace peftbench::train {

double learning_rate_at(const TrainConfig& config, std::int64_t step) {
  const double peak = config.learning_rate;
  const auto warmup = config.warmup_steps;
  if (step < warmup) return peak * static_cast<double>(step) / static_cast<double>(warmup);
  const double done =
      static_cast<double>(step - warmup) / static_cast<double>(std::max<std::int64_t>(1, config.steps - warmup));
  switch (config.schedule) {
    case ScheduleKind::constant:
      return peak;
    case ScheduleKind::linear:
      return peak * std::max(0.0, 1.0 - done);
    case ScheduleKind::cosine:
      return peak * 0.5 * (1.0 + std::cos(std::numbers::pi * std::min(1.0, done)));
    case ScheduleKind::inverse_sqrt: {
      const double k = warmup > 0 ? static_cast<double>(warmup) : 10000.0;
      return peak * std::sqrt(k / std::max(static_cast<double>(step), k));
    }
  }
  return peak;
}

}  // namespace peftbench::train
