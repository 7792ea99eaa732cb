#pragma once

#include "commands/layer.h"
#include "core/files.h"

#include <string>

namespace peftbench::commands {

// What a run's record and log are for other programs: eee, a JSON file of the Every Eval Ever project, and tensorboard,
// a folder with an event file. Neither needs the adapter or its method.
bool is_record_format(const std::string& format);

struct ExportRecordRequest {
  std::string run;  // its folder, id or record.json
  fs::path runs;    // folder of runs
  std::string format;
  fs::path out;
};
// Returns the file. Throws DataError for what is no run or, of eee, a run that has not finished; ConfigError if `out`
// exists.
fs::path export_record(const ExportRecordRequest& request);

}  // namespace peftbench::commands
