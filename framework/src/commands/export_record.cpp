#include "commands/export_record.h"

#include "core/write_files.h"
#include "results/every_eval_ever.h"
#include "results/result_store.h"
#include "train/tensorboard_log.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

namespace peftbench::commands {

bool is_record_format(const std::string& format) { return format == "eee" || format == "tensorboard"; }

fs::path export_record(const ExportRecordRequest& request) {
  const RunFolder run = find_run(request.run, request.runs);
  const bool events = request.format == "tensorboard";
  std::error_code error;
  if (fs::exists(request.out, error) &&
      !(events && fs::is_directory(request.out, error) && fs::is_empty(request.out, error)))
    throw ConfigError({.what = request.out.string() + " already exists",
                       .expected = events ? "a new or empty folder" : "a new file",
                       .remedy = "choose another path, or remove it first"});
  if (!events) {
    const Json json = every_eval_ever(read_record(run.record()));
    if (request.out.has_parent_path()) make_folder(request.out.parent_path());
    write_atomically(request.out, json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
    return request.out;
  }
  write_folder(request.out,
               [&](const fs::path& folder) { TensorBoardLog(folder / tensorboard_file).follow(run.log()); });
  return request.out / tensorboard_file;
}

}  // namespace peftbench::commands
