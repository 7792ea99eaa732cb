#pragma once

#include "core/clock.h"
#include "core/energy.h"
#include "results/run_record.h"
#include "run/layer.h"

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

  void begin(const std::string& phase);  // ends the one before
  void end();
  // Including the current one. To be called every minute or so: counters of energy start anew.
  std::vector<PhaseCost> phases();
  void add_earlier(const std::vector<PhaseCost>& earlier);

 private:
  PhaseCost& phase(std::vector<PhaseCost>& phases, const std::string& name) const;
  void add_current(std::vector<PhaseCost>& phases);
  std::vector<PhaseCost> phases_;
  std::string current_;  // empty between phases
  Stopwatch watch_;
  bool peak_is_of_phase_ = false;
  EnergyMeter energy_;
};

}  // namespace peftbench::run
