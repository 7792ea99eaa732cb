#include "eval/neighbors.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/topk.h>

#include <algorithm>
#include <set>

namespace peftbench::eval {
namespace {

Tensor unit_rows(const Tensor& rows) {
  const Tensor values = rows.detach().to(at::kCPU, at::kFloat);
  return values / values.norm(2, {1}, true).clamp_min(1e-30);
}

bool among(const std::vector<Neighbor>& neighbors, std::int64_t id) {
  return std::any_of(neighbors.begin(), neighbors.end(), [&](const Neighbor& n) { return n.id == id; });
}

}  // namespace

std::vector<std::vector<Neighbor>> nearest_words(const Tensor& rows, const Tensor& table, std::int64_t vocabulary,
                                                 std::int64_t top) {
  const at::NoGradGuard no_gradient;
  const Tensor words = unit_rows(table.narrow(0, 0, std::min(vocabulary, table.size(0))));
  const Tensor cosines = at::matmul(unit_rows(rows), words.t());  // [P, V]
  const auto [values, ids] = cosines.topk(std::min(top, words.size(0)), 1);
  const Tensor numbers = values.cpu().contiguous(), places = ids.cpu().contiguous();
  std::vector<std::vector<Neighbor>> result(static_cast<std::size_t>(rows.size(0)));
  const float* cosine = numbers.const_data_ptr<float>();
  const std::int64_t* id = places.const_data_ptr<std::int64_t>();
  for (auto& row : result)
    for (std::int64_t k = 0; k < places.size(1); ++k) row.push_back({*id++, static_cast<double>(*cosine++)});
  return result;
}

NeighborStatistics neighbor_statistics(const std::vector<std::vector<Neighbor>>& neighbors,
                                       std::vector<LabelPersistence> labels) {
  NeighborStatistics result;
  std::set<std::int64_t> nearest;
  for (const auto& row : neighbors) {
    nearest.insert(row.front().id);
    result.mean_cosine += row.front().cosine / static_cast<double>(neighbors.size());
    for (LabelPersistence& label : labels) {
      label.rows += !label.ids.empty() &&
                    std::all_of(label.ids.begin(), label.ids.end(), [&](std::int64_t id) { return among(row, id); });
    }
  }
  if (!neighbors.empty())
    result.duplicates = 1 - static_cast<double>(nearest.size()) / static_cast<double>(neighbors.size());
  const auto found = std::count_if(labels.begin(), labels.end(), [](const auto& label) { return label.rows > 0; });
  if (!labels.empty()) result.label_persistence = static_cast<double>(found) / static_cast<double>(labels.size());
  result.labels = std::move(labels);
  return result;
}

}  // namespace peftbench::eval
