#include "run/unchanged.h"

#include "core/mapped_files.h"
#include "core/names.h"

#include <peftbench/error.h>

namespace peftbench {

void require_unchanged_files() {
  std::vector<std::string> files;
  for (const fs::path& path : mapped_files::changed()) files.push_back(path.string());
  if (files.empty()) return;
  throw Error({"a file changed while it was in use, so nothing that was computed can be trusted", join(files, "\n"),
               "files that stay as they are until the end",
               "give the command again with the files as they should be (a new file under the old name does no harm: "
               "write beside it and rename)"});
}

void require_unchanged_files(const Backbone& backbone, const std::string& checksum) {
  if (!mapped_files::changed().empty() && backbone.checksum() != checksum) require_unchanged_files();
}

}  // namespace peftbench
