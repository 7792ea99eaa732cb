#include "data/task/mixture.h"

#include "core/random.h"

#include <peftbench/error.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace peftbench::data {

namespace {

// Rates are kept as numbers of slots of so many. A position takes the slot that its bits name in reverse (van der
// Corput's sequence): every stretch of positions is spread evenly over the slots, and how many of the first p lie in
// an interval can be counted without going through them.
constexpr int slot_bits = 30;
constexpr std::uint64_t slot_count = std::uint64_t{1} << slot_bits;
// Positions within a block are shuffled, so that no task has a rhythm.
constexpr std::uint64_t block_size = 256;

std::uint64_t reversed(std::uint64_t bits) {
  std::uint64_t result = 0;
  for (int i = 0; i < slot_bits; ++i) result |= ((bits >> i) & 1U) << (slot_bits - 1 - i);
  return result;
}

// Of the first `places`, those whose slot is below `end`.
std::uint64_t places_below(std::uint64_t places, std::uint64_t end) {
  std::uint64_t result = places / slot_count * end;
  places %= slot_count;
  if (end == slot_count) return result + places;
  // A smaller slot agrees with `end` in its first i bits and has 0 where `end` has 1: its place is known modulo
  // 2^(i+1).
  const std::uint64_t mirrored = reversed(end);
  for (int i = 0; i < slot_bits; ++i) {
    if (((mirrored >> i) & 1U) == 0) continue;
    const std::uint64_t rest = mirrored & ((std::uint64_t{1} << i) - 1);
    if (places > rest) result += ((places - rest - 1) >> (i + 1)) + 1;
  }
  return result;
}

// Whole slots for each rate, by largest remainder; a task that has a rate has a slot.
std::vector<std::uint64_t> slot_ends(const std::vector<double>& rates) {
  std::vector<std::uint64_t> slots;
  std::vector<std::pair<double, std::size_t>> remainders;
  for (std::size_t t = 0; t < rates.size(); ++t) {
    const double exact = rates[t] * static_cast<double>(slot_count);
    slots.push_back(std::max<std::uint64_t>(static_cast<std::uint64_t>(exact), 1));
    remainders.emplace_back(exact - std::floor(exact), t);
  }
  std::sort(remainders.begin(), remainders.end(), [](const auto& a, const auto& b) {
    return a.first > b.first || (a.first == b.first && a.second < b.second);
  });
  std::uint64_t used = std::accumulate(slots.begin(), slots.end(), std::uint64_t{0});
  for (std::size_t i = 0; used < slot_count; i = (i + 1) % remainders.size(), ++used) ++slots[remainders[i].second];
  for (; used > slot_count; --used) --*std::max_element(slots.begin(), slots.end());
  std::partial_sum(slots.begin(), slots.end(), slots.begin());
  return slots;
}

std::uint64_t mixed(std::uint64_t value) { return Random(value).next(); }

}  // namespace

std::vector<double> mixture_rates(const std::vector<std::int64_t>& sizes, const MixturePolicy& policy) {
  if (sizes.empty())
    throw ConfigError({.what = "a mixture without tasks", .found = "an empty list", .expected = "the tasks to mix"});
  for (const std::int64_t size : sizes)
    if (size <= 0)
      throw ConfigError(
          {.what = "a task of the mixture has no examples", .found = std::to_string(size), .expected = "1 or more"});
  if (policy.kind == MixturePolicy::Kind::given && policy.given.size() != sizes.size())
    throw ConfigError({.what = "the number of rates does not match the number of tasks",
                       .found = std::to_string(policy.given.size()) + " rates",
                       .expected = std::to_string(sizes.size()) + ", one per task"});
  if (!(policy.temperature > 0) || !std::isfinite(policy.temperature))
    throw ConfigError({"invalid temperature", std::to_string(policy.temperature), "a number above 0",
                       "1 gives examples-proportional rates, large values give equal rates"});
  std::vector<double> rates;
  for (std::size_t t = 0; t < sizes.size(); ++t) {
    const std::int64_t counted = policy.cap > 0 ? std::min(sizes[t], policy.cap) : sizes[t];
    const double weight = policy.kind == MixturePolicy::Kind::equal   ? 1
                          : policy.kind == MixturePolicy::Kind::given ? policy.given[t]
                                                                      : static_cast<double>(counted);
    if (!(weight > 0) || !std::isfinite(weight))
      throw ConfigError(
          {"invalid mixture rate", std::to_string(weight), "a number above 0", "remove the task from the mixture"});
    rates.push_back(weight);
  }
  const auto normalise = [&] {
    const double sum = std::accumulate(rates.begin(), rates.end(), 0.0);
    for (double& rate : rates) rate /= sum;
  };
  normalise();
  if (policy.temperature != 1) {
    for (double& rate : rates) rate = std::pow(rate, 1 / policy.temperature);
    normalise();
  }
  return rates;
}

std::int64_t shuffled_place(std::int64_t index, std::int64_t n, std::uint64_t seed) {
  // A Feistel network is a permutation of 4^k numbers; those outside 0…n−1 are sent through it again.
  int half = 1;
  while (half < 31 && (std::int64_t{1} << (2 * half)) < n) ++half;
  const std::uint64_t mask = (std::uint64_t{1} << half) - 1;
  auto value = static_cast<std::uint64_t>(index);
  do {
    std::uint64_t left = value >> half, right = value & mask;
    for (std::uint64_t round = 0; round < 8; ++round)
      left = std::exchange(right, left ^ (mixed(seed + mixed(right * 8 + round)) & mask));
    value = left << half | right;
  } while (value >= static_cast<std::uint64_t>(n));
  return static_cast<std::int64_t>(value);
}

MixtureSampler::MixtureSampler(std::vector<std::int64_t> sizes, const MixturePolicy& policy, std::uint64_t seed)
    : sizes_(std::move(sizes)), rates_(mixture_rates(sizes_, policy)), ends_(slot_ends(rates_)), seed_(seed) {}

std::size_t MixtureSampler::task_of(std::uint64_t place) const {
  const auto end = std::upper_bound(ends_.begin(), ends_.end(), reversed(place % slot_count));
  return static_cast<std::size_t>(end - ends_.begin());
}

std::uint64_t MixtureSampler::uses(std::size_t task, std::uint64_t places) const {
  return places_below(places, ends_[task]) - (task == 0 ? 0 : places_below(places, ends_[task - 1]));
}

MixtureSampler::Draw MixtureSampler::at(std::int64_t position) const {
  const std::uint64_t block = static_cast<std::uint64_t>(position) / block_size;
  const std::uint64_t place = static_cast<std::uint64_t>(position) % block_size;
  std::vector<std::uint64_t> order(block_size);
  std::iota(order.begin(), order.end(), block * block_size);
  Random(stream_seed(seed_, "mixture", block)).shuffle(order);
  const std::size_t task = task_of(order[place]);
  auto nth = static_cast<std::int64_t>(uses(task, block * block_size));
  for (std::uint64_t earlier = 0; earlier < place; ++earlier) nth += task_of(order[earlier]) == task;
  const std::uint64_t order_seed =
      stream_seed(stream_seed(seed_, "order of a task", task), "epoch", static_cast<std::uint64_t>(nth / sizes_[task]));
  return {task, shuffled_place(nth % sizes_[task], sizes_[task], order_seed)};
}

}  // namespace peftbench::data
