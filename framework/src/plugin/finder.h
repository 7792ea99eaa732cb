#pragma once

#include "plugin/loader.h"

#include <string>
#include <vector>

namespace peftbench {

struct PluginFolder {
  fs::path path;
  std::string origin;  // "PEFTBENCH_PLUGIN_PATH", "installed" or "build tree"
};

// Where methods are looked for, in order: each folder of PEFTBENCH_PLUGIN_PATH, the folder that belongs to this
// library where it is installed, and the build tree's.
std::vector<PluginFolder> plugin_folders();

// A library that was found, and what came of loading it.
struct FoundPlugin {
  std::string name;  // the file's
  fs::path path;
  std::string origin;   // its folder's, or "--plugin"
  PluginHandle plugin;  // null where it is refused or hidden
  std::string error;    // why it was refused, in full; empty otherwise
  fs::path hidden_by;   // the file of the same name that comes first; empty otherwise
};

// Where a method's name was read: only told in messages, nothing of it is opened.
struct NamedBy {
  std::string file;     // adapter.json, record.json, a configuration; empty: the command line
  std::string library;  // the path that the file keeps of the library it was trained with
};

// Step 1 of loading: from a method's name to its file.
class PluginFinder {
 public:
  // `files` are the user's own, --plugin FILE; they come before every folder.
  explicit PluginFinder(std::vector<fs::path> files = {}, std::vector<PluginFolder> folders = plugin_folders());

  // By name alone: a name may come from a downloaded file, and opening a library runs its code. Throws PluginError: for
  // an unknown name it tells where it looked, what there is, and the nearest name.
  PluginHandle load_method(const std::string& name, const NamedBy& by = {}) const;

  // Every file found, loaded or with its error: a broken plugin is a row, not a hole.
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

}  // namespace peftbench
