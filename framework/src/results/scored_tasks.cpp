#include "results/scored_tasks.h"

#include "core/hub_cache.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace peftbench::results {

std::vector<ScoredTask> scored_tasks(const RunRecord& record) {
  const bool mixture = std::any_of(record.tasks.begin(), record.tasks.end(), [](const auto& t) { return t.trained; });
  std::vector<ScoredTask> scored;
  if (!record.metrics.empty())
    scored.push_back({record.task.name, record.task.hash, mixture ? "" : record.task.source, true, record.metrics});
  for (const TaskScore& task : record.tasks)
    scored.push_back({task.task, task.hash, task.source, task.trained, task.metrics});
  return scored;
}

std::optional<HubDataset> hub_dataset(const std::string& file) {
  const fs::path path(file);
  fs::path repository;
  for (auto part = path.begin(); part != path.end(); ++part) {
    repository /= *part;
    const std::optional<std::string> id = hub_name(repository, HubKind::dataset);
    if (!id || id->empty()) continue;
    auto next = std::next(part);
    if (next == path.end() || *next != "snapshots" || ++next == path.end()) continue;
    HubDataset found{*id, next->string(), "default"};
    // Converted data sets have a folder for each configuration and split: boolq/train/0000.parquet.
    if (const auto folder = std::next(next); folder != path.end() && std::next(folder) != path.end())
      if (*folder != "data") found.config = folder->string();
    return found;
  }
  return std::nullopt;
}

}  // namespace peftbench::results
