// How often a table of several methods tells rows apart by mistake, and how often it finds a difference that is there:
// simulated answers, tested as `peft-bench report` tests them (results/crossed_test.h, Holm over all pairs).
//
//   table_simulation [--tables 1000] [--methods 12] [--seeds 5] [--examples 500] [--seed 1]
//
// An answer is right where  z = difficulty of the example + what this method does to this example + what this seed does
// to the method + noise of this answer  is above a threshold: normal numbers with standard deviations 1.3, 0.5, one
// that gives the scores of the seeds the wanted deviation, and 0.9.
#include "core/random.h"
#include "results/crossed_test.h"
#include "results/table_tests.h"
#include "support/layers.h"

#include <boost/math/distributions/normal.hpp>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <numbers>
#include <stdexcept>
#include <string>
#include <vector>

namespace peftbench::table_simulation {

using namespace layers;

namespace {

struct Sizes {
  std::size_t tables = 1000, methods = 12, seeds = 5, examples = 500;
  std::uint64_t seed = 1;
};

// What the seeds of a table do.
struct Case {
  const char* name;
  std::vector<double> deviations;  // of the seeds' scores, beside that of single answers; of each method one of them
  double noise = 0.9;              // 0: answers depend on nothing but example, method and seed
};

constexpr double by_example = 1.3, by_method = 0.5;

class Normal {
 public:
  explicit Normal(std::uint64_t seed) : random_(seed) {}
  double operator()() {
    if (kept_) return kept_ = false, next_;
    const double radius = std::sqrt(-2 * std::log(1 - random_.uniform()));
    const double angle = 2 * std::numbers::pi * random_.uniform();
    next_ = radius * std::sin(angle);
    kept_ = true;
    return radius * std::cos(angle);
  }
  std::size_t below(std::size_t n) { return random_.below(n); }

 private:
  Random random_;
  double next_ = 0;
  bool kept_ = false;
};

double density(double x) { return boost::math::pdf(boost::math::normal(), x); }

// The rows of a table; the first method is better by `points` of the score's hundred.
std::vector<SeedValues> table_of(const Sizes& sizes, const Case& of, double score, double points, Normal& normal) {
  const double spread = std::sqrt(by_example * by_example + by_method * by_method + of.noise * of.noise);
  const boost::math::normal standard;
  const double threshold = -spread * boost::math::quantile(standard, score);
  const double better = -spread * boost::math::quantile(standard, score + points / 100) - threshold;
  std::vector<double> difficulty(sizes.examples), method(sizes.examples);
  for (double& value : difficulty) value = by_example * normal();
  std::vector<SeedValues> rows;
  for (std::size_t m = 0; m < sizes.methods; ++m) {
    for (double& value : method) value = by_method * normal();
    // A shift of z by d moves the score by d · density / spread.
    const double by_seed = of.deviations[normal.below(of.deviations.size())] * spread / density(threshold / spread);
    SeedValues& row = rows.emplace_back(sizes.seeds, std::vector<double>(sizes.examples));
    for (std::vector<double>& answers : row) {
      const double shift = by_seed * normal() - threshold - (m == 0 ? better : 0);
      for (std::size_t i = 0; i < answers.size(); ++i)
        answers[i] = difficulty[i] + method[i] + shift + (of.noise > 0 ? of.noise * normal() : 0) > 0 ? 1 : 0;
    }
  }
  return rows;
}

struct Tested {
  std::vector<PairTest> pairs;  // adjusted
  double deviation = 0;         // mean over methods of the seeds' observed standard deviation
};

Tested tested(const std::vector<SeedValues>& values) {
  Tested result;
  std::vector<CrossedRow> rows;
  for (const SeedValues& row : values) {
    rows.push_back(crossed_row(row));
    result.deviation += std::sqrt(rows.back().seed_variance) / static_cast<double>(values.size());
  }
  for (std::size_t a = 0; a < rows.size(); ++a)
    for (std::size_t b = a + 1; b < rows.size(); ++b) {
      PairTest pair;
      pair.a = a;
      pair.b = b;
      if (const auto test = crossed_test(rows[a], rows[b])) {
        pair.difference = test->difference;
        pair.p = test->p;
      }
      result.pairs.push_back(pair);
    }
  adjust_pairs(result.pairs);
  return result;
}

bool is_different(const PairTest& pair) { return pair.adjusted_p && *pair.adjusted_p < significance; }

void simulate(const Sizes& sizes, const Case& of, double score, double points) {
  double any = 0, found = 0, single = 0, deviation = 0;
  for (std::size_t t = 0; t < sizes.tables; ++t) {
    Normal normal(stream_seed(sizes.seed, std::string(of.name) + (points > 0 ? " better" : " alike"), t));
    const Tested table = tested(table_of(sizes, of, score, points, normal));
    bool wrong = false;
    for (const PairTest& pair : table.pairs) {
      const bool real = points > 0 && pair.a == 0;
      if (real) {
        found += is_different(pair) ? 1 : 0;
        single += pair.p && *pair.p < significance ? 1 : 0;
      } else {
        wrong |= is_different(pair);
      }
    }
    any += wrong ? 1 : 0;
    deviation += table.deviation;
  }
  const auto tables = static_cast<double>(sizes.tables);
  std::printf("%-34s  %.1f  %3.0f points  seeds' deviation %.3f  tables with a false difference %5.1f %%", of.name,
              score, points, deviation / tables, 100 * any / tables);
  if (points > 0)
    std::printf("  found %4.1f of %zu pairs (%4.1f before Holm)", found / tables, sizes.methods - 1, single / tables);
  std::printf("\n");
  std::fflush(stdout);
}

Sizes read_sizes(int count, char** words) {
  Sizes sizes;
  for (int i = 1; i < count; i += 2) {
    const std::string name = words[i];
    std::size_t used = 0;
    const std::string text = i + 1 < count ? words[i + 1] : "";
    const unsigned long long value = text.empty() ? 0 : std::stoull(text, &used);
    const bool whole = !text.empty() && used == text.size() && value > 0;
    if (whole && name == "--tables")
      sizes.tables = value;
    else if (whole && name == "--methods")
      sizes.methods = value;
    else if (whole && name == "--seeds")
      sizes.seeds = value;
    else if (whole && name == "--examples")
      sizes.examples = value;
    else if (whole && name == "--seed")
      sizes.seed = value;
    else
      throw std::invalid_argument("options: --tables N --methods N --seeds N --examples N --seed N");
  }
  return sizes;
}

int main_of(int count, char** words) {
  const Sizes sizes = read_sizes(count, words);
  std::printf("%zu tables of %zu methods, %zu seeds, %zu examples\n", sizes.tables, sizes.methods, sizes.seeds,
              sizes.examples);
  const std::vector<Case> cases = {{"seeds answer alike", {0}, 0},
                                   {"seeds differ by noise alone", {0}},
                                   {"seeds' deviation 0.02", {0.02}},
                                   {"seeds' deviation 0.04", {0.04}},
                                   {"seeds' deviation 0.005, 0.02, 0.06", {0.005, 0.02, 0.06}}};
  for (const double score : {0.5, 0.8})
    for (const double points : {0.0, 5.0})
      for (const Case& one : cases) simulate(sizes, one, score, points);
  return 0;
}

}  // namespace
}  // namespace peftbench::table_simulation

int main(int count, char** words) {
  try {
    return peftbench::table_simulation::main_of(count, words);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
