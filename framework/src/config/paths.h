#pragma once

#include "backbone/hub.h"
#include "config/layer.h"
#include "core/files.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::config {

// Where a command finds things.
struct Paths {
  fs::path home;                       // holds configs/ and assets/
  fs::path data;                       // holds a folder for each task whose data is fetched
  std::vector<fs::path> plugin_files;  // of --plugin
  // Gets the data of a recipe into the data folder, or does not, and says so. Empty: nothing is fetched.
  std::function<void(const std::string& recipe)> fetch = {};
  fs::path configs() const { return home / "configs"; }
  fs::path known_weights() const { return data / ".cache" / "weights"; }  // checksums of backbones, and more of them
  std::vector<fs::path> task_folders() const { return {configs() / "tasks"}; }
};

BackboneSearch backbone_search(const Paths& paths);

// PEFTBENCH_HOME, else what is found upwards from the program, in a checkout or in <prefix>/share/peft-bench.
// Throws UserError.
fs::path find_home();

// --data, PEFTBENCH_DATA, or peft-bench under the user's XDG data home.
fs::path find_data_root(const std::optional<fs::path>& given);

}  // namespace peftbench::config
