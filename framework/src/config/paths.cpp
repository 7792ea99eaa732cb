#include "config/paths.h"

#include <peftbench/error.h>

#include <cstdlib>

namespace peftbench::config {

BackboneSearch backbone_search(const Paths& paths) { return backbone::backbone_search(paths.home, paths.known_weights()); }

fs::path find_home() {
  std::error_code error;
  const auto holds_configs = [&](const fs::path& folder) {
    return fs::is_directory(folder / "configs" / "tasks", error);
  };
  if (const char* home = std::getenv("PEFTBENCH_HOME"); home && *home) {
    if (!holds_configs(home))
      throw UserError({"PEFTBENCH_HOME names a folder without configs/tasks", home,
                       "a peft-bench checkout, or its share folder", "correct or unset the variable"});
    return fs::absolute(home);
  }
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  for (fs::path folder = program.parent_path(); !folder.empty(); folder = folder.parent_path()) {
    if (holds_configs(folder)) return folder;
    if (holds_configs(folder / "share" / "peft-bench")) return folder / "share" / "peft-bench";
    if (folder == folder.parent_path()) break;
  }
  throw UserError({"the configs folder of peft-bench was not found", "none above " + program.string(),
                   "configs/tasks beside or above the program, or <prefix>/share/peft-bench/configs",
                   "set PEFTBENCH_HOME to the checkout"});
}

fs::path find_data_root(const std::optional<fs::path>& given) {
  if (given) return *given;
  const auto variable = [](const char* name) -> fs::path {
    const char* value = std::getenv(name);
    return value ? value : "";
  };
  if (const fs::path data = variable("PEFTBENCH_DATA"); !data.empty()) return data;
  if (const fs::path data = variable("XDG_DATA_HOME"); !data.empty()) return data / "peft-bench";
  return variable("HOME") / ".local" / "share" / "peft-bench";
}

}  // namespace peftbench::config
