#include "core/processors.h"

#include <peftbench/error.h>

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace peftbench::core {
namespace {

// Files of /proc and of control groups; empty where there is none, or it may not be read.
std::string text_of(const fs::path& file) {
  try {
    return read_text(file);
  } catch (const Error&) {
    return {};
  }
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

bool has(const std::string& list, const std::string& item) {
  const std::vector<std::string> items = split(list, ',');
  return std::find(items.begin(), items.end(), item) != items.end();
}

// A space in a path is \040 in mountinfo.
std::string unescaped(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool octal = text[i] == '\\' && i + 3 < text.size() && text.find_first_not_of("01234567", i + 1) > i + 3;
    result += octal ? static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8)) : text[i];
    if (octal) i += 3;
  }
  return result;
}

// Where a hierarchy of control groups is mounted, and which of its groups is seen there.
struct Mount {
  fs::path at, group;
};

std::optional<Mount> mount_of(const fs::path& root, bool second_version) {
  for (const std::string& line : split(text_of(root / "proc/self/mountinfo"), '\n')) {
    const std::vector<std::string> words = split(line, ' ');
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - dash < 4) continue;
    const bool fits = second_version ? dash[1] == "cgroup2" : dash[1] == "cgroup" && has(dash[3], "cpu");
    if (fits) return Mount{root / fs::path(unescaped(words[4])).relative_path(), unescaped(words[3])};
  }
  return std::nullopt;
}

// The group of this process: of the second version, or of the first one's hierarchy of `cpu`.
std::optional<fs::path> group_of(const fs::path& root, bool second_version) {
  for (const std::string& line : split(text_of(root / "proc/self/cgroup"), '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (second_version ? line.starts_with("0::") : has(controllers, "cpu")) return line.substr(second + 1);
  }
  return std::nullopt;
}

// Time in a period; nothing for "max" and -1, which are no limit.
std::optional<double> share(const std::string& quota, const std::string& period) {
  char* end = nullptr;
  const double time = std::strtod(quota.c_str(), &end);
  const double of = std::strtod(period.c_str(), nullptr);
  if (end == quota.c_str() || !(time > 0) || !(of > 0)) return std::nullopt;
  return time / of;
}

std::optional<double> limit_in(const fs::path& folder, bool second_version) {
  if (!second_version) return share(text_of(folder / "cpu.cfs_quota_us"), text_of(folder / "cpu.cfs_period_us"));
  const std::vector<std::string> words = split(text_of(folder / "cpu.max"), ' ');
  return words.size() == 2 ? share(words[0], words[1]) : std::nullopt;
}

// The least of what the group and those above it have.
std::optional<double> limit(const fs::path& root, bool second_version) {
  const auto mount = mount_of(root, second_version);
  const auto group = group_of(root, second_version);
  if (!mount || !group) return std::nullopt;
  fs::path below = group->lexically_relative(mount->group);
  if (below.empty() || *below.begin() == "..") below = ".";  // a container sees its own group as the root
  std::optional<double> least;
  const fs::path top = mount->at.lexically_normal();
  for (fs::path folder = (mount->at / below).lexically_normal();; folder = folder.parent_path()) {
    if (!folder.has_filename() && folder.has_parent_path() && folder != folder.root_path())
      folder = folder.parent_path();
    if (const auto here = limit_in(folder, second_version)) least = std::min(least.value_or(*here), *here);
    if (folder == top || folder == folder.parent_path() || folder.empty()) break;
  }
  return least;
}

std::int64_t processors_of_affinity() {
  for (int bits = CPU_SETSIZE; bits <= 1 << 20; bits *= 2) {  // larger machines than a cpu_set_t has bits for
    cpu_set_t* set = CPU_ALLOC(bits);
    if (!set) break;
    const std::size_t size = CPU_ALLOC_SIZE(bits);
    const int count = ::sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
    CPU_FREE(set);
    if (count > 0) return count;
  }
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

std::optional<std::int64_t> processors_of_groups(const fs::path& root) {
  std::optional<double> least;
  for (const bool second_version : {false, true})
    if (const auto found = limit(root, second_version)) least = std::min(least.value_or(*found), *found);
  if (!least) return std::nullopt;
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(std::min(*least, 1e6) - 1e-9)));
}

std::int64_t usable_processors() {
  const std::int64_t own = processors_of_affinity();
  return std::min(own, processors_of_groups().value_or(own));
}

}  // namespace peftbench::core
