#include "data/locate.h"

#include "data/task_spec.h"

#include <peftbench/error.h>

namespace peftbench {

fs::path find_source(const TaskConfig& config, const std::string& file, const fs::path& data_root) {
  const TaskSpec& spec = *config.spec;
  const fs::path beside = config.file.parent_path() / file;  // file itself if it is absolute
  if (fs::exists(beside)) return beside;
  const fs::path folder = data_root / (spec.fetch.empty() ? config.name : spec.fetch);
  const bool whole = spec.fetch.empty() || fs::exists(folder / ".ready");  // a broken-off fetch is no data
  if (whole && fs::exists(folder / file)) return folder / file;
  std::string looked = beside.string();
  if (fs::path(file).is_relative()) looked += "\n" + (folder / file).string() + (whole ? "" : " (not fetched yet)");
  throw DataError(
      Problem{spec.source.place + ": the data of task '" + config.name + "' is not there", "nothing at " + looked,
              "the file '" + file + "' that the source names",
              spec.fetch.empty() ? "put it there, or name another path" : "run tools/fetch-data " + spec.fetch});
}

}  // namespace peftbench
