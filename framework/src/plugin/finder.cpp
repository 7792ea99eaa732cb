#include "plugin/finder.h"

#include "core/names.h"

#include <boost/dll/runtime_symbol_info.hpp>

#include <algorithm>
#include <cstdlib>
#include <map>

namespace peftbench::plugin {

namespace {

bool is_library(const fs::path& path) { return path.extension() == ".so"; }

bool same_folder(const fs::path& a, const fs::path& b) {
  std::error_code error;
  return a == b || fs::equivalent(a, b, error);
}

void add_folder(std::vector<PluginFolder>& folders, const fs::path& path, const char* origin) {
  const fs::path folder = path.lexically_normal();
  for (const PluginFolder& known : folders) {
    if (same_folder(known.path, folder)) return;
  }
  folders.push_back({folder, origin});
}

}  // namespace

std::vector<PluginFolder> plugin_folders() {
  std::vector<PluginFolder> folders;
  if (const char* list = std::getenv("PEFTBENCH_PLUGIN_PATH")) {
    const std::string text = list;
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find(':', begin), text.size());
      if (end > begin) add_folder(folders, fs::absolute(text.substr(begin, end - begin)), "PEFTBENCH_PLUGIN_PATH");
      begin = end + 1;
    }
  }
  // Both lie beside libpeftbench.so, and neither path is compiled in, so a tree may be moved.
  std::error_code error;
  const fs::path here = boost::dll::this_line_location(error).parent_path();
  if (!error && !here.empty()) {
    const bool built = fs::exists(here / "../CMakeCache.txt", error);
    add_folder(folders, fs::absolute(here) / "peftbench/plugins", built ? "build tree" : "installed");
  }
  const fs::path program = boost::dll::program_location(error).parent_path();
  if (!error && !program.empty()) add_folder(folders, program / "../lib/peftbench/plugins", "build tree");
  return folders;
}

PluginFinder::PluginFinder(std::vector<fs::path> files, std::vector<PluginFolder> folders)
    : files_(std::move(files)), folders_(std::move(folders)) {}

std::vector<PluginFinder::Candidate> PluginFinder::candidates() const {
  std::vector<Candidate> found;
  for (const fs::path& file : files_) found.push_back({file, "--plugin"});
  for (const PluginFolder& folder : folders_) {
    std::vector<fs::path> files;
    std::error_code error;
    for (fs::directory_iterator entry(folder.path, error), end; !error && entry != end; entry.increment(error)) {
      if (is_library(entry->path()) && !entry->is_directory(error)) files.push_back(entry->path());
    }
    std::sort(files.begin(), files.end());  // the order of a folder is chance
    for (const fs::path& file : files) found.push_back({file, folder.origin});
  }
  return found;
}

PluginHandle PluginFinder::load_method(const std::string& name, const NamedBy& by) const {
  const std::string where = by.file.empty() ? "" : by.file + ": ";
  if (name.find('/') != std::string::npos || is_library(name))
    throw PluginError(PluginStep::find,
                      Problem{where + "this is a path, not a method name", "'" + name + "'", method_name_rule,
                              "loading a library runs its code, so a path is accepted only on the "
                              "command line: use --plugin FILE if you trust the file"});
  std::vector<std::string> names, places;
  const std::vector<Candidate> all = candidates();
  for (const Candidate& candidate : all) {
    // A --plugin that is not there is the user's mistake even where another file would do.
    std::error_code error;
    if (candidate.origin == "--plugin" && !fs::exists(candidate.path, error)) return load_plugin(candidate.path);
  }
  for (const Candidate& candidate : all) {
    if (is_method_name(name) && candidate.path.stem() == name) return load_plugin(candidate.path);
    if (std::find(names.begin(), names.end(), candidate.path.stem()) == names.end())
      names.push_back(candidate.path.stem());
  }
  for (const fs::path& file : files_) places.push_back(file.string() + " (--plugin)");
  for (const PluginFolder& folder : folders_) {
    std::error_code error;
    places.push_back(folder.path.string() + " (" + folder.origin +
                     (fs::is_directory(folder.path, error) ? ")" : ", does not exist)"));
  }
  std::sort(names.begin(), names.end());
  std::string remedy =
      did_you_mean(name, names) + "; for a library in another folder, use --plugin FILE or set PEFTBENCH_PLUGIN_PATH";
  if (!by.library.empty())
    remedy = "it was trained with " + by.library + ": if you trust the file, add --plugin " + by.library;
  throw PluginError(PluginStep::find, Problem{where + "there is no method '" + name + "'",
                                              "looked in\n" + (places.empty() ? "no folders" : join(places, "\n")),
                                              name + ".so in one of them", remedy});
}

std::vector<FoundPlugin> PluginFinder::list() const {
  std::vector<FoundPlugin> rows;
  std::map<std::string, fs::path> first;
  for (const Candidate& candidate : candidates()) {
    FoundPlugin row{candidate.path.stem(), candidate.path, candidate.origin, nullptr, {}, {}};
    const auto [known, is_new] = first.emplace(row.name, row.path);
    if (!is_new) {
      row.hidden_by = known->second;
    } else {
      try {
        row.plugin = load_plugin(row.path);
      } catch (const Error& error) {
        row.error = error.what();
      }
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace peftbench::plugin
