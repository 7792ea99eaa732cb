#include "core/energy.h"

#include "core/numbers.h"

#include <algorithm>
#include <fstream>
#include <system_error>
#include <utility>

namespace peftbench::core {
namespace {

// No package takes more than this: how long a counter surely has not gone around.
constexpr double most_watts = 1000;

std::string line_of(const fs::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

std::optional<std::uint64_t> microjoules(const fs::path& file) { return parse_number<std::uint64_t>(line_of(file)); }

// "intel-rapl:0", and none of its parts "intel-rapl:0:1".
bool is_top_domain(const std::string& name) {
  const std::string prefix = "intel-rapl:";
  return name.starts_with(prefix) && name.size() > prefix.size() &&
         name.find_first_not_of("0123456789", prefix.size()) == std::string::npos;
}

}  // namespace

EnergyMeter::EnergyMeter(fs::path folder) : folder_(std::move(folder)) { restart(); }

void EnergyMeter::restart() {
  packages_.clear();
  joules_ = 0;
  known_ = false;
  std::error_code missing;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_, missing)) {
    // A domain of the whole platform (psys) contains the packages.
    if (!is_top_domain(entry.path().filename().string()) || !line_of(entry.path() / "name").starts_with("package"))
      continue;
    const fs::path counter = entry.path() / "energy_uj";
    const auto now = microjoules(counter), range = microjoules(entry.path() / "max_energy_range_uj");
    if (!now || !range || *range == 0) {  // a sum without this package would be too small
      packages_.clear();
      return;
    }
    packages_.push_back({counter, *now, *range});
  }
  known_ = !packages_.empty();
  since_read_ = Stopwatch();
}

std::optional<double> EnergyMeter::joules() {
  if (!known_) return std::nullopt;
  const double passed = since_read_.wall_seconds();
  since_read_ = Stopwatch();
  for (Package& package : packages_) {
    const auto now = microjoules(package.counter);
    if (!now || passed * most_watts > 1e-6 * static_cast<double>(package.range)) {
      known_ = false;
      return std::nullopt;
    }
    // The counter holds 0 … range.
    const std::uint64_t used = *now >= package.last ? *now - package.last : package.range - package.last + *now;
    joules_ += 1e-6 * static_cast<double>(used);
    package.last = *now;
  }
  return joules_;
}

}  // namespace peftbench::core
