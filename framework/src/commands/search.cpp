#include "commands/search.h"

#include "core/names.h"
#include "core/option_keys.h"
#include "results/search_results.h"

#include <peftbench/error.h>

#include <algorithm>

namespace peftbench::commands {
namespace {

constexpr std::int64_t most_trials = 100000;

Sampler sampler_from(const Yaml& yaml) {
  const std::vector<std::string> names = enum_choices<Sampler>();
  const auto sampler = enum_from<Sampler>(yaml.text());
  if (!sampler) yaml.fail("unknown sampler '" + yaml.text() + "'", {}, join(names, " or "));
  return *sampler;
}

}  // namespace

SearchSpec read_search(const Yaml& yaml) {
  if (!yaml.is_map()) yaml.fail("'search' is not a map", {}, "search: {trials: 8}");
  yaml.only({"trials", "sampler", "seed", "halving"});
  SearchSpec search;
  search.trials = yaml.at("trials").integer();
  if (yaml.has("sampler")) search.sampler = sampler_from(yaml.at("sampler"));
  if (yaml.has("halving")) search.halving = yaml.at("halving").integer();
  if (yaml.has("seed")) {
    const long long seed = yaml.at("seed").integer();
    if (seed < 0) yaml.at("seed").fail("a seed cannot be negative", std::to_string(seed), "0 or more");
    search.seed = static_cast<std::uint64_t>(seed);
  }
  return search;
}

void check_search(const SearchSpec& search, const std::vector<std::uint64_t>& seeds, const std::string& origin) {
  if (search.trials < 1 || search.trials > most_trials)
    throw ConfigError({.what = origin + ": invalid number of trials",
                       .found = std::to_string(search.trials),
                       .expected = "1 to " + with_thousands(most_trials)});
  if (search.halving != 0 && search.halving < 2)
    throw ConfigError({.what = origin + ": invalid halving",
                       .found = std::to_string(search.halving),
                       .expected = "2 or more: one trial in so many goes on; 0: off"});
  if (std::find(seeds.begin(), seeds.end(), search.training_seed()) != seeds.end())
    throw ConfigError({.what = origin + ": the trials are trained with a seed of the final runs",
                       .found = "seed " + std::to_string(search.training_seed()),
                       .expected = "final seeds other than 1000 + the seed of the search",
                       .remedy = "choose another seed of the search"});
}

std::vector<Rung> rungs_of(const SearchSpec& search, std::int64_t steps) {
  std::vector<Rung> rungs = {{search.trials, steps}};
  while (search.halving > 1 && rungs.back().trials > search.halving)
    rungs.push_back({(rungs.back().trials + search.halving - 1) / search.halving, steps});
  for (std::size_t i = rungs.size() - 1; i-- > 0;)
    rungs[i].steps = std::max<std::int64_t>(std::min<std::int64_t>(1, steps), rungs[i + 1].steps / search.halving);
  return rungs;
}

std::vector<std::size_t> best_trials(const std::vector<std::optional<double>>& scores, std::int64_t count) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (scores[i]) places.push_back(i);
  std::stable_sort(places.begin(), places.end(), [&](std::size_t a, std::size_t b) { return *scores[a] > *scores[b]; });
  if (static_cast<std::int64_t>(places.size()) > count) places.resize(static_cast<std::size_t>(count));
  return places;
}

std::vector<Setting> settings_of_trial(const SearchSpec& search, std::int64_t number) {
  const std::string origin = "the search";
  return {{option_key::split, "validation", origin},
          {option_key::eval_tasks, Names{}, origin},
          {option_key::label_map, Names{}, origin},
          {option_key::seed, std::to_string(search.training_seed()), origin},
          {option_key::trial, std::to_string(number), origin}};
}

}  // namespace peftbench::commands
