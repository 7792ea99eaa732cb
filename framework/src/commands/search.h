#pragma once

#include "commands/layer.h"
#include "config/search_space.h"
#include "core/yaml.h"
#include "results/suite_manifest.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::commands {

// How every row of a suite that has something to search is searched.
struct SearchSpec {
  std::int64_t trials = 0;
  Sampler sampler = Sampler::sobol;
  std::uint64_t seed = 1;
  std::int64_t halving = 0;  // successive halving: one trial in so many goes on; 0: every trial has all steps

  // Trials are trained with this seed, which no final run may have.
  std::uint64_t training_seed() const { return 1000 + seed; }
};

// `search:` of a suite. Throws ConfigError.
SearchSpec read_search(const Yaml& yaml);
// Throws ConfigError for what no search can be: no trials, halving by 1, a final seed that is the trials'.
void check_search(const SearchSpec& search, const std::vector<std::uint64_t>& seeds, const std::string& origin);

// Successive halving: so many trials of so many steps at once.
struct Rung {
  std::int64_t trials = 0, steps = 0;
};
// All trials with fewer steps, then one in `halving` with so many times more, until at most `halving` of them are
// compared with all `steps`. Without halving: one rung.
std::vector<Rung> rungs_of(const SearchSpec& search, std::int64_t steps);

// Which of these trials go on to a rung of `count`: the best, in the order of their scores, of equals the first.
// Trials without a score do not.
std::vector<std::size_t> best_trials(const std::vector<std::optional<double>>& scores, std::int64_t count);

// The settings that make a run a trial: its number and seed, scored on validation examples and on no other task. They
// stand over all others.
std::vector<Setting> settings_of_trial(const SearchSpec& search, std::int64_t number);

}  // namespace peftbench::commands
