#include "data/task/mixture.h"
#include "support/layers.h"

#include "core/random.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

namespace peftbench::mixture_test {

using namespace layers;

namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using Kind = MixturePolicy::Kind;

std::vector<std::int64_t> drawn(const MixtureSampler& sampler, std::int64_t first, std::int64_t count) {
  std::vector<std::int64_t> result(sampler.rates().size());
  for (std::int64_t p = first; p < first + count; ++p) ++result[sampler.at(p).task];
  return result;
}

TEST(MixtureTest, RatesAreProportionalUpToTheCap) {
  EXPECT_THAT(mixture_rates({100, 300}, {}), ElementsAre(0.25, 0.75));
  EXPECT_THAT(mixture_rates({100, 5000, 900}, {.cap = 900}),
              ElementsAre(DoubleNear(1.0 / 19, 1e-12), DoubleNear(9.0 / 19, 1e-12), DoubleNear(9.0 / 19, 1e-12)));
}

TEST(MixtureTest, RatesMayBeEqualOrGiven) {
  EXPECT_THAT(mixture_rates({1, 1000}, {.kind = Kind::equal}), ElementsAre(0.5, 0.5));
  EXPECT_THAT(mixture_rates({1, 1000}, {.kind = Kind::given, .given = {3, 1}}), ElementsAre(0.75, 0.25));
}

TEST(MixtureTest, TemperatureFlattensWhatTheCapLeft) {
  const auto two = mixture_rates({100, 900, 1000000}, {.cap = 1600, .temperature = 2});
  EXPECT_THAT(two, ElementsAre(DoubleNear(10.0 / 80, 1e-12), DoubleNear(30.0 / 80, 1e-12), DoubleNear(0.5, 1e-12)));
  for (const double rate : mixture_rates({1, 1000, 1000000}, {.temperature = 1e9})) EXPECT_NEAR(rate, 1.0 / 3, 1e-6);
  EXPECT_EQ(mixture_rates({3, 1000}, {.temperature = 1}), mixture_rates({3, 1000}, {}));
}

TEST(MixtureTest, RefusesWhatGivesNoRates) {
  EXPECT_THROW(mixture_rates({}, {}), ConfigError);
  EXPECT_THROW(mixture_rates({5, 0}, {}), ConfigError);
  EXPECT_THROW(mixture_rates({5, 5}, {.temperature = 0}), ConfigError);
  EXPECT_THROW(mixture_rates({5, 5}, {.kind = Kind::given, .given = {1}}), ConfigError);
  EXPECT_THROW(mixture_rates({5, 5}, {.kind = Kind::given, .given = {1, 0}}), ConfigError);
  EXPECT_THROW(mixture_rates({5, 5}, {.kind = Kind::given, .given = {1, std::nan("")}}), ConfigError);
}

TEST(MixtureTest, EveryStretchHasTheRates) {
  const MixtureSampler sampler({50, 700, 9000, 30000}, {.cap = 10000}, 7);
  for (const std::int64_t first : {0, 1000, 123456}) {
    const auto counts = drawn(sampler, first, 20000);
    for (std::size_t t = 0; t < counts.size(); ++t)
      EXPECT_NEAR(static_cast<double>(counts[t]), sampler.rates()[t] * 20000, 30) << "task " << t << " from " << first;
  }
}

TEST(MixtureTest, ATaskOfASmallRateIsDrawnAsOftenAsItSays) {
  const MixtureSampler sampler({1023, 1}, {}, 3);
  EXPECT_THAT(drawn(sampler, 0, 4 * 1024), ElementsAre(4 * 1023, 4));
  EXPECT_THAT(drawn(sampler, 77 * 1024, 2 * 1024), ElementsAre(2 * 1023, 2));
}

TEST(MixtureTest, ATasksExamplesComeEpochByEpoch) {
  const MixtureSampler sampler({10, 37}, {.kind = Kind::equal}, 11);
  std::map<std::size_t, std::vector<std::int64_t>> examples;
  for (std::int64_t p = 0; p < 2000; ++p) examples[sampler.at(p).task].push_back(sampler.at(p).example);
  for (const auto& [task, size] : {std::pair<std::size_t, std::size_t>{0, 10}, {1, 37}}) {
    std::set<std::vector<std::int64_t>> orders;
    const auto& seen = examples[task];
    for (std::size_t first = 0; first + size <= seen.size(); first += size) {
      const std::vector<std::int64_t> epoch(seen.begin() + static_cast<std::ptrdiff_t>(first),
                                            seen.begin() + static_cast<std::ptrdiff_t>(first + size));
      EXPECT_EQ(std::set<std::int64_t>(epoch.begin(), epoch.end()).size(), size);
      orders.insert(epoch);
    }
    EXPECT_GT(orders.size(), 10U) << "epochs have one order";
  }
}

TEST(MixtureTest, APositionIsAPureFunction) {
  const std::vector<std::int64_t> sizes = {123, 4567, 89};
  const MixtureSampler one(sizes, {.temperature = 2}, 5), same(sizes, {.temperature = 2}, 5),
      other(sizes, {.temperature = 2}, 6);
  std::vector<MixtureSampler::Draw> forwards, differently;
  for (std::int64_t p = 0; p < 3000; ++p) forwards.push_back(one.at(p));
  for (std::int64_t p = 2999; p >= 0; --p) EXPECT_EQ(same.at(p), forwards[static_cast<std::size_t>(p)]);
  for (std::int64_t p = 0; p < 3000; ++p) differently.push_back(other.at(p));
  EXPECT_NE(forwards, differently);
  EXPECT_EQ(one.at(1'000'000'000'000), same.at(1'000'000'000'000));
}

TEST(MixtureTest, CountsGoOnOverTheEndOfTheSlots) {
  // 2^30 positions go once over all slots; a task of rate 1/2 has been used half as often when the next round begins.
  const std::int64_t round = std::int64_t{1} << 30;
  const MixtureSampler sampler({round, round}, {.kind = Kind::equal}, 1);
  std::set<std::int64_t> examples;  // an epoch is two rounds: none comes twice around the end
  std::size_t first_task = 0;
  for (std::int64_t p = round - 2000; p < round + 2000; ++p) {
    const auto draw = sampler.at(p);
    if (draw.task != 0) continue;
    ++first_task;
    examples.insert(draw.example);
  }
  EXPECT_EQ(examples.size(), first_task);
  EXPECT_NEAR(static_cast<double>(first_task), 2000, 30);
}

TEST(MixtureTest, NoTaskHasARhythm) {
  const MixtureSampler sampler({1, 1}, {}, 2);
  int changes = 0;
  for (std::int64_t p = 1; p < 4000; ++p) changes += sampler.at(p).task != sampler.at(p - 1).task;
  EXPECT_NEAR(changes, 2000, 150);
}

TEST(ShuffledPlaceTest, IsAPermutationOfEverySize) {
  for (std::int64_t n = 1; n < 300; ++n) {
    std::set<std::int64_t> places;
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t place = shuffled_place(i, n, static_cast<std::uint64_t>(n));
      EXPECT_TRUE(place >= 0 && place < n);
      places.insert(place);
    }
    EXPECT_EQ(static_cast<std::int64_t>(places.size()), n);
  }
}

TEST(ShuffledPlaceTest, PutsEveryPlaceEverywhere) {
  // 5 places under 5000 seeds: each pair is seen about a thousand times.
  std::map<std::pair<std::int64_t, std::int64_t>, int> pairs;
  for (std::uint64_t seed = 0; seed < 5000; ++seed)
    for (std::int64_t i = 0; i < 5; ++i) ++pairs[{i, shuffled_place(i, 5, stream_seed(seed, "places"))}];
  ASSERT_EQ(pairs.size(), 25U);
  for (const auto& [pair, times] : pairs) EXPECT_NEAR(times, 1000, 130);
}

}  // namespace
}  // namespace peftbench::mixture_test
