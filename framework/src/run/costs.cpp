#include "run/costs.h"

#include <algorithm>

namespace peftbench::run {

void CostMeter::begin(const std::string& phase) {
  end();
  current_ = phase;
  peak_is_of_phase_ = reset_peak_memory();
  watch_ = Stopwatch();
}

void CostMeter::end() {
  if (!current_.empty()) add_current(phases_);
  current_.clear();
}

std::vector<PhaseCost> CostMeter::phases() const {
  std::vector<PhaseCost> phases = phases_;
  if (!current_.empty()) add_current(phases);
  return phases;
}

void CostMeter::add_earlier(const std::vector<PhaseCost>& earlier) {
  for (const PhaseCost& cost : earlier) {
    PhaseCost& sum = phase(phases_, cost.name);
    sum.wall_seconds += cost.wall_seconds;
    sum.cpu_seconds += cost.cpu_seconds;
    sum.peak_memory_bytes = std::max(sum.peak_memory_bytes, cost.peak_memory_bytes);
    sum.peak_is_of_phase = sum.peak_is_of_phase && cost.peak_is_of_phase;
  }
}

PhaseCost& CostMeter::phase(std::vector<PhaseCost>& phases, const std::string& name) const {
  for (PhaseCost& cost : phases)
    if (cost.name == name) return cost;
  phases.push_back({name, 0, 0, 0, true});
  return phases.back();
}

void CostMeter::add_current(std::vector<PhaseCost>& phases) const {
  PhaseCost& sum = phase(phases, current_);
  sum.wall_seconds += watch_.wall_seconds();
  sum.cpu_seconds += watch_.cpu_seconds();
  sum.peak_memory_bytes = std::max(sum.peak_memory_bytes, peak_memory_bytes());
  sum.peak_is_of_phase = sum.peak_is_of_phase && peak_is_of_phase_;
}

}  // namespace peftbench::run
