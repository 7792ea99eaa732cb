#pragma once

#include "plugin/layer.h"
#include "plugin/loader.h"

#include <string>
#include <vector>

namespace peftbench::plugin {

struct PluginFolder {
  fs::path path;
  std::string origin;  // "PEFTBENCH_PLUGIN_PATH", "installed" or "build tree"
};

// The search path of methods: each folder of PEFTBENCH_PLUGIN_PATH, the plugin folder of this
// library if installed, and that of the build tree.
std::vector<PluginFolder> plugin_folders();

// A library that was found, and the result of loading it.
struct FoundPlugin {
  std::string name;  // the file's
  fs::path path;
  std::string origin;   // its folder's, or "--plugin"
  PluginHandle plugin;  // null if refused or hidden
  std::string error;    // the complete error message; empty otherwise
  fs::path hidden_by;   // the file of the same name that comes first; empty otherwise
};

// Where a method's name was read: only for messages, nothing of it is opened.
struct NamedBy {
  std::string file;     // adapter.json, record.json, a configuration; empty: the command line
  std::string library;  // the path that the file keeps of the library it was trained with
};

// Step 1 of loading: from a method's name to its file.
class PluginFinder {
 public:
  // `files` are those of --plugin FILE, which have priority over all folders.
  explicit PluginFinder(std::vector<fs::path> files = {}, std::vector<PluginFolder> folders = plugin_folders());

  // By name only: a name may come from a downloaded file, and loading a library runs its code. Throws PluginError: for
  // an unknown name with the searched folders, the available names and the nearest one.
  PluginHandle load_method(const std::string& name, const NamedBy& by = {}) const;

  // Every file found, loaded or with its error: broken plugins are listed too.
  std::vector<FoundPlugin> list() const;

 private:
  struct Candidate {
    fs::path path;
    std::string origin;
  };
  std::vector<Candidate> candidates() const;
  std::vector<fs::path> files_;
  std::vector<PluginFolder> folders_;
};

}  // namespace peftbench::plugin
