#pragma once

#include "config/run_config.h"
#include "core/clock.h"
#include "core/energy.h"
#include "devices/out_of_memory.h"
#include "results/run_record.h"
#include "run/layer.h"

#include <c10/core/Device.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace peftbench::run {

// Measures the consecutive phases of a run, and adds the costs of its earlier processes.
class CostMeter {
 public:
  explicit CostMeter(std::vector<PhaseCost> earlier = {}, EnergyMeter energy = EnergyMeter())
      : phases_(std::move(earlier)), energy_(std::move(energy)) {}

  void measure(c10::Device device);      // from now on its memory too
  void begin(const std::string& phase);  // ends the one before
  void end();
  const std::string& current() const { return current_; }  // empty between phases
  // Including the current one. To be called every minute or so: counters of energy start anew.
  std::vector<PhaseCost> phases();
  void add_earlier(const std::vector<PhaseCost>& earlier);

 private:
  PhaseCost& phase(std::vector<PhaseCost>& phases, const std::string& name) const;
  void add_current(std::vector<PhaseCost>& phases);
  std::vector<PhaseCost> phases_;
  std::string current_;  // empty between phases
  Stopwatch watch_;
  c10::Device device_ = c10::kCPU;
  bool peak_is_of_phase_ = false;
  EnergyMeter energy_;
};

// What LibTorch said of memory, told with the phase and the setting that needs less. A training step says more itself.
OutOfMemoryError too_little_memory(const std::exception& error, const std::string& phase, const RunConfig& config);

}  // namespace peftbench::run
