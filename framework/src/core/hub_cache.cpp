#include "core/hub_cache.h"

#include <pwd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string_view>

namespace peftbench::core {
namespace {

// Empty where it is not set.
std::string variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

// As Python's os.path.expanduser: nothing changes where the user is not known.
std::string with_user(const std::string& path) {
  if (!path.starts_with('~')) return path;
  const std::size_t end = std::min(path.find('/'), path.size());
  const std::string user = path.substr(1, end - 1);
  std::string home = user.empty() ? variable("HOME") : "";
  if (home.empty()) {
    const passwd* entry = user.empty() ? nullptr : ::getpwnam(user.c_str());
    if (entry == nullptr) return path;
    home = entry->pw_dir;
  }
  while (home.ends_with('/')) home.pop_back();
  return home + path.substr(end);
}

// As os.path.expandvars: $NAME and ${NAME}, where they are set.
std::string with_variables(const std::string& path) {
  std::string result;
  for (std::size_t at = 0; at < path.size();) {
    const bool braces = path.compare(at, 2, "${") == 0;
    std::size_t end = at + (braces ? 2 : 1);
    while (path[at] == '$' && end < path.size() &&
           (braces ? path[end] != '}' : std::isalnum(static_cast<unsigned char>(path[end])) || path[end] == '_'))
      ++end;
    const std::size_t begin = at + (braces ? 2 : 1);
    const bool whole = path[at] == '$' && end > begin && (!braces || end < path.size());
    const char* value = whole ? std::getenv(path.substr(begin, end - begin).c_str()) : nullptr;
    if (value == nullptr) {
      result += path[at++];
      continue;
    }
    result += value;
    at = end + (braces ? 1 : 0);
  }
  return result;
}

const char* prefix_of(HubKind kind) { return kind == HubKind::model ? "models--" : "datasets--"; }

}  // namespace

std::vector<fs::path> hub_caches() {
  std::vector<fs::path> result;
  const auto add = [&](const std::string& name, const char* below) {
    const std::string value = variable(name);
    if (value.empty()) return false;
    const fs::path folder = (fs::path(with_variables(with_user(value))) / below).lexically_normal();
    const fs::path plain = folder.has_filename() ? folder : folder.parent_path();
    if (std::find(result.begin(), result.end(), plain) == result.end()) result.push_back(plain);
    return true;
  };
  if (!add("HF_HUB_CACHE", "")) add("HUGGINGFACE_HUB_CACHE", "");
  add("HF_HOME", "hub");
  if (!add("XDG_CACHE_HOME", "huggingface/hub")) add("HOME", ".cache/huggingface/hub");
  add("TRANSFORMERS_CACHE", "");
  return result;
}

fs::path hub_folder(const fs::path& cache, HubKind kind, std::string name) {
  if (const std::size_t slash = name.find('/'); slash != std::string::npos) name.replace(slash, 1, "--");
  return cache / (prefix_of(kind) + name);
}

std::optional<std::string> hub_name(const fs::path& folder, HubKind kind) {
  std::string name = folder.filename().string();
  if (!name.starts_with(prefix_of(kind))) return std::nullopt;
  name.erase(0, std::string_view(prefix_of(kind)).size());
  if (const std::size_t gap = name.find("--"); gap != std::string::npos) name.replace(gap, 2, "/");
  return name;
}

std::optional<fs::path> referred_snapshot(const fs::path& repository, const std::string& reference) {
  const fs::path file = repository / "refs" / reference;
  if (!file_exists(file)) return std::nullopt;
  std::string commit = read_text(file);
  commit.erase(commit.find_last_not_of(" \r\n") + 1);
  const bool plain = !commit.empty() &&
                     std::all_of(commit.begin(), commit.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
  std::error_code unreadable;
  const fs::path folder = repository / "snapshots" / commit;
  if (!plain || !fs::is_directory(folder, unreadable)) return std::nullopt;
  return folder;
}

std::vector<fs::path> snapshots_in(const fs::path& repository) { return folders_in(repository / "snapshots"); }

std::vector<fs::path> folders_in(const fs::path& parent) {
  std::vector<fs::path> result;
  std::error_code unreadable;
  for (const fs::directory_entry& entry : fs::directory_iterator(parent, unreadable)) {
    if (entry.is_directory(unreadable)) result.push_back(entry.path());
  }
  std::sort(result.begin(), result.end());
  return result;
}

}  // namespace peftbench::core
