#include "report/page/costs.h"

#include <algorithm>
#include <cmath>

namespace peftbench::report {
namespace {

std::optional<double> middle(const std::optional<Range>& range) {
  if (!range) return std::nullopt;
  return (static_cast<double>(range->low) + static_cast<double>(range->high)) / 2;
}

}  // namespace

const std::vector<Cost>& costs() {
  static const std::vector<Cost> all = {
      {"trained", "trained parameters", "trained parameters", true,
       [](const PageData& data, std::size_t r) { return middle(data.rows.at(r).trained); }},
      {"step", "the time of a step", "seconds of a training step", true,
       [](const PageData& data, std::size_t r) { return data.rows.at(r).step_seconds; }},
      {"memory", "memory", "peak memory (MiB)", false,
       [](const PageData& data, std::size_t r) {
         const auto& bytes = data.rows.at(r).peak_memory_bytes;
         return bytes ? std::optional(static_cast<double>(*bytes) / (1 << 20)) : std::nullopt;
       }},
      {"flops", "FLOPs", "FLOPs of a training step", true,
       [](const PageData& data, std::size_t r) { return data.rows.at(r).training_step_flops; }},
  };
  return all;
}

std::vector<CostPoint> pareto_front(std::vector<CostPoint> points) {
  std::stable_sort(points.begin(), points.end(), [](const CostPoint& a, const CostPoint& b) {
    return a.cost < b.cost || (a.cost == b.cost && a.score > b.score);
  });
  std::vector<CostPoint> front;
  for (const CostPoint& point : points)
    if (std::isfinite(point.cost) && std::isfinite(point.score) && (front.empty() || point.score > front.back().score))
      front.push_back(point);
  return front;
}

}  // namespace peftbench::report
