#include "results/learning_curve.h"

#include "core/json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <optional>

namespace peftbench::results {
namespace {

using Event = nlohmann::ordered_json;

std::optional<double> number_at(const Event& event, const char* key) {
  const auto found = event.find(key);
  if (found == event.end() || !found->is_number()) return std::nullopt;
  const double value = found->get<double>();
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

// A run that went on from an older checkpoint tells of some steps again: what it told before does not hold.
void add_point(std::vector<CurvePoint>& points, double step, double value) {
  while (!points.empty() && points.back().step >= step) points.pop_back();
  points.push_back({step, value});
}

void add_evaluation(const Event& event, double step, LearningCurve& curve) {
  const auto metrics = event.find("metrics");
  if (metrics == event.end() || !metrics->is_array() || metrics->empty() || !metrics->front().is_object()) return;
  const Event& first = metrics->front();
  const auto name = first.find("name");
  const std::optional<double> value = number_at(first, "value");
  if (!value || name == first.end() || !name->is_string()) return;
  curve.metric = name->get<std::string>();
  add_point(curve.validation, step, *value);
}

}  // namespace

LearningCurve read_learning_curve(const fs::path& log) {
  LearningCurve curve;
  if (!file_exists(log)) return curve;
  LineReader lines(log);
  for (std::string line; lines.next(line);) {
    JsonFault fault;
    const std::optional<Event> event = parse_json<Event>(line, fault);
    if (!event || !event->is_object()) continue;
    const std::optional<double> step = number_at(*event, "step");
    const auto kind = event->find("event");
    if (!step || kind == event->end()) continue;
    if (*kind == "step") {
      if (const std::optional<double> loss = number_at(*event, "loss")) add_point(curve.loss, *step, *loss);
    } else if (*kind == "evaluation") {
      add_evaluation(*event, *step, curve);
    }
  }
  return curve;
}

std::vector<CurvePoint> thinned(const std::vector<CurvePoint>& points, std::size_t most) {
  most = std::max<std::size_t>(most, 2);
  if (points.size() <= most) return points;
  const double first = points.front().step, width = (points.back().step - first) / static_cast<double>(most - 1);
  std::vector<CurvePoint> result = {points.front()};
  for (std::size_t i = 1; i < points.size(); ++i) {
    const bool last_of_stretch = i + 1 == points.size() || std::ceil((points[i + 1].step - first) / width) >
                                                               std::ceil((points[i].step - first) / width);
    if (last_of_stretch) result.push_back(points[i]);
  }
  return result;
}

}  // namespace peftbench::results
