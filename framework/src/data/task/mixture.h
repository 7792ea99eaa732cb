#pragma once

#include "data/layer.h"

#include <cstdint>
#include <vector>

namespace peftbench::data {

// The sampling rates of the tasks of a mixture (Raffel et al. 2020, §3.5.2).
struct MixturePolicy {
  enum class Kind { proportional, equal, given };
  Kind kind = Kind::proportional;
  std::int64_t cap = 0;            // K: a task with more examples counts as so many; 0: none. Of proportional rates
  double temperature = 1;          // rates^(1/T), after the cap; 1 leaves them, large ones make them equal
  std::vector<double> given = {};  // a weight for each task, of any sum
};

// The tasks' shares of a mixture of so many examples each; they sum to 1. Throws ConfigError if a task is empty,
// the policy does not fit, or there is no task.
std::vector<double> mixture_rates(const std::vector<std::int64_t>& sizes, const MixturePolicy& policy);

// Place of `index` in a shuffled order of 0…n−1, without the order in memory.
std::int64_t shuffled_place(std::int64_t index, std::int64_t n, std::uint64_t seed);

// An endless stream of examples of several tasks. Every position is a pure function of it and the seed, so a resumed
// run needs no state, and threads may ask at once. Among the first p positions a task has its rate's share to a few
// examples; its examples come epoch by epoch, each epoch in an order of its own.
class MixtureSampler {
 public:
  struct Draw {
    std::size_t task;
    std::int64_t example;  // of the task
    friend bool operator==(const Draw&, const Draw&) = default;
  };
  MixtureSampler(std::vector<std::int64_t> sizes, const MixturePolicy& policy, std::uint64_t seed);

  const std::vector<double>& rates() const { return rates_; }
  Draw at(std::int64_t position) const;

 private:
  std::uint64_t uses(std::size_t task, std::uint64_t places) const;  // of a task, in the first so many places
  std::size_t task_of(std::uint64_t place) const;
  std::vector<std::int64_t> sizes_;
  std::vector<double> rates_;
  std::vector<std::uint64_t> ends_;  // of the tasks' intervals among the slots
  std::uint64_t seed_;
};

}  // namespace peftbench::data
