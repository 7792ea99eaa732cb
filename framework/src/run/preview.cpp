#include "run/preview.h"

#include "adapters/seen_rows.h"
#include "core/first_line.h"
#include "data/task/load_task.h"
#include "data/task/task_mixture.h"
#include "run/workbench.h"
#include "train/config.h"

#include <peftbench/error.h>

#include <algorithm>

namespace peftbench::run {

std::vector<std::string> warnings_before(Resources& resources, const RunConfig& config, bool trains) {
  std::vector<std::string> warnings;
  if (config.task().empty()) return warnings;
  bool can_validate = true;
  try {
    const TaskData task = open_task(resources, config);
    for (const std::string& note : task.notes) warnings.push_back(task.config.name + ": " + note);
    const std::vector<const TaskData*> parts = parts_of(task);
    can_validate =
        std::all_of(parts.begin(), parts.end(), [](const TaskData* part) { return !part->validation.empty(); });
    for (const TaskConfig& other : configured_eval_tasks(resources, config)) {
      const TaskData data = load_task(other, resources.paths().data);
      for (const std::string& note : data.notes) warnings.push_back(other.name + ": " + note);
      if (const std::string seen = seen_rows(task, data, config.options.eval.split); !seen.empty())
        warnings.push_back(seen);
    }
  } catch (const DataError& error) {
    warnings.push_back("the data was not read: " + first_line(error.what()));
  }
  if (trains)
    for (std::string& doubt : doubts(config.options.train, can_validate)) warnings.push_back(std::move(doubt));
  return warnings;
}

}  // namespace peftbench::run
