// metric_values: {"labels": n, "targets": […], "predictions": […]} a line on standard input → every metric with its
// interval a line, {"accuracy": {"value": …, "low": …, "high": …}, …}.
#include "eval/metrics.h"

#include <nlohmann/json.hpp>

#include <exception>
#include <iostream>
#include <string>

int main() {
  try {
    for (std::string line; std::getline(std::cin, line);) {
      const auto lists = nlohmann::json::parse(line);
      std::vector<peftbench::Outcome> outcomes;
      for (std::size_t i = 0; i < lists.at("targets").size(); ++i) {
        const int predicted = lists["predictions"].at(i), target = lists["targets"][i];
        outcomes.push_back({predicted, target, predicted == target});
      }
      nlohmann::json values;
      for (const auto& name : peftbench::metric_names()) {
        const auto metric = peftbench::compute_metric(name, outcomes, lists.at("labels"));
        values[name] = {{"value", metric.value}, {"low", metric.low}, {"high", metric.high}};
      }
      std::cout << values << '\n';
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  return 0;
}
