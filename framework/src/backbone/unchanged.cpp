#include "backbone/unchanged.h"

#include "core/mapped_files.h"
#include "core/names.h"

#include <peftbench/error.h>

namespace peftbench::backbone {

void require_unchanged_files() {
  std::vector<std::string> files;
  for (const fs::path& path : mapped_files::changed()) files.push_back(path.string());
  if (files.empty()) return;
  throw Error({"a file changed while it was in use, so the results are invalid", join(files, "\n"),
               "files that do not change during the run",
               "run the command again with the correct files (to replace a file safely, "
               "write a new one and rename it)"});
}

void require_unchanged_files(const Backbone& backbone, const std::string& checksum) {
  if (!mapped_files::changed().empty() && backbone.checksum() != checksum) require_unchanged_files();
}

}  // namespace peftbench::backbone
