// The statistics of framework/src/results for test_statistics.py: a list of cases as JSON on standard input, their
// results as a list on standard output; null is absent.
#include "results/bootstrap.h"
#include "results/holm.h"
#include "results/mcnemar.h"
#include "results/permutation.h"
#include "results/wilcoxon.h"
#include "support/layers.h"

#include <nlohmann/json.hpp>

#include <iostream>

namespace peftbench::statistics_program {

using namespace layers;

namespace {

using nlohmann::json;
using Numbers = std::vector<double>;
using Scores = std::vector<Numbers>;  // of each example, by seed

json or_null(const std::optional<double>& value) { return value ? json(*value) : json(nullptr); }

double weighted_mean(const Numbers& scores, const Numbers& weights) {
  double sum = 0, count = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    sum += weights[i] * scores[i];
    count += weights[i];
  }
  return count > 0 ? sum / count : 0;
}

json bootstrap(const json& test) {
  const auto a = test.at("a").get<Scores>(), b = test.at("b").get<Scores>();
  BootstrapDesign design;
  design.unit_of = test.at("unit_of").get<std::vector<std::size_t>>();
  design.units = test.at("units").get<std::size_t>();
  design.seeds = a.size();
  design.seed = test.at("seed").get<std::uint64_t>();
  design.draws = test.at("draws").get<std::int64_t>();
  const auto of = [](const Scores& side) {
    return [&side](std::size_t seed, const Numbers& weights) { return weighted_mean(side[seed], weights); };
  };
  const auto intervals = paired_bootstrap(design, of(a), of(b));
  if (!intervals) return nullptr;
  const auto pair = [](const Interval& interval) { return json::array({interval.low, interval.high}); };
  return json::array({pair(intervals->a), pair(intervals->b), pair(intervals->difference)});
}

// Of the difference of two means over examples, which are exchanged by units.
json permutation(const json& test) {
  const auto a = test.at("a").get<Numbers>(), b = test.at("b").get<Numbers>();
  const auto difference = [&](const std::vector<char>& exchanged) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += exchanged[i] ? b[i] - a[i] : a[i] - b[i];
    return sum / static_cast<double>(a.size());
  };
  return or_null(permutation_test(a.size(), test.at("seed").get<std::uint64_t>(), difference));
}

json result(const json& test) {
  const auto name = test.at("test").get<std::string>();
  if (name == "mcnemar")
    return or_null(mcnemar_exact(test.at("only_a").get<std::int64_t>(), test.at("only_b").get<std::int64_t>()));
  if (name == "sign_flip")
    return or_null(sign_flip_test(test.at("differences").get<Numbers>(), test.at("seed").get<std::uint64_t>()));
  if (name == "permutation") return permutation(test);
  if (name == "bootstrap") return bootstrap(test);
  if (name == "wilcoxon") {
    const auto found = wilcoxon_signed_rank(test.at("differences").get<Numbers>());
    return found ? json::array({found->p, found->exact}) : json(nullptr);
  }
  std::vector<std::optional<double>> values;  // holm
  for (const json& value : test.at("values"))
    values.push_back(value.is_null() ? std::nullopt : std::optional(value.get<double>()));
  json adjusted = json::array();
  for (const auto& value : holm_adjusted(values)) adjusted.push_back(or_null(value));
  return adjusted;
}

}  // namespace
}  // namespace peftbench::statistics_program

int main() {
  const auto cases = nlohmann::json::parse(std::cin);
  auto results = nlohmann::json::array();
  for (const auto& test : cases) results.push_back(peftbench::statistics_program::result(test));
  std::cout << results << "\n";
}
