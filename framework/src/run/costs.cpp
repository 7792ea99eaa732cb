#include "run/costs.h"

#include "core/option_keys.h"
#include "devices/memory.h"

#include <fmt/format.h>

#include <algorithm>

namespace peftbench::run {
namespace {

// Unknown if a part is.
std::optional<double> sum_of(const std::optional<double>& a, const std::optional<double>& b) {
  return a && b ? std::optional(*a + *b) : std::nullopt;
}

}  // namespace

void CostMeter::measure(c10::Device device) { device_ = device; }

void CostMeter::begin(const std::string& phase) {
  end();
  current_ = phase;
  peak_is_of_phase_ = reset_peak_memory();
  reset_peak_memory_of(device_);
  watch_ = Stopwatch();
  energy_.restart();
}

void CostMeter::end() {
  if (!current_.empty()) add_current(phases_);
  current_.clear();
}

std::vector<PhaseCost> CostMeter::phases() {
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
    sum.peak_device_memory_bytes = std::max(sum.peak_device_memory_bytes, cost.peak_device_memory_bytes);
    sum.energy_joules = sum_of(sum.energy_joules, cost.energy_joules);
  }
}

PhaseCost& CostMeter::phase(std::vector<PhaseCost>& phases, const std::string& name) const {
  for (PhaseCost& cost : phases)
    if (cost.name == name) return cost;
  phases.push_back({name, 0, 0, 0, true, 0});
  return phases.back();
}

void CostMeter::add_current(std::vector<PhaseCost>& phases) {
  PhaseCost& sum = phase(phases, current_);
  sum.wall_seconds += watch_.wall_seconds();
  sum.cpu_seconds += watch_.cpu_seconds();
  sum.peak_memory_bytes = std::max(sum.peak_memory_bytes, peak_memory_bytes());
  sum.peak_is_of_phase = sum.peak_is_of_phase && peak_is_of_phase_;
  sum.peak_device_memory_bytes = std::max(sum.peak_device_memory_bytes, peak_memory_of(device_));
  sum.energy_joules = sum_of(sum.energy_joules, energy_.joules());
}

OutOfMemoryError too_little_memory(const std::exception& error, const std::string& phase, const RunConfig& config) {
  const std::int64_t batch = config.options.train.evaluation.batch_size;
  const bool scores = phase == "validate" || phase == "evaluate";
  const std::string smaller =
      scores && batch > 1 ? fmt::format("set {}={}", option_key::eval_batch_size, batch / 2)
                          : "set a smaller train.batch_size, backbone.precision=bfloat16 or backbone.quantization=nf4";
  return out_of_memory(config.device, "the phase '" + phase + "'", error,
                       scores ? fmt::format("memory for batches of {} examples", batch) : "", smaller);
}

}  // namespace peftbench::run
