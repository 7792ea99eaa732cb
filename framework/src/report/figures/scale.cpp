#include "report/figures/scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace peftbench::report {

Scale::Scale(const Axis& axis, const std::vector<double>& values, double begin, double end)
    : log_(axis.log), begin_(begin), end_(end) {
  std::vector<double> places;
  for (const double value : values) {
    if (log_ && value <= 0)
      zero_ = true;
    else
      places.push_back(position(value));
  }
  if (places.empty()) places = {log_ ? 0.0 : 0.5};
  low_ = *std::min_element(places.begin(), places.end());
  high_ = *std::max_element(places.begin(), places.end());
  const double least = log_ ? 0.5 : std::max(1e-9, 0.02 * std::abs(high_));  // a single value has some room too
  if (high_ - low_ < least) {
    const double middle = (low_ + high_) / 2;
    low_ = middle - least / 2;
    high_ = middle + least / 2;
  }
  const double room = 0.06 * (high_ - low_);
  high_ += room;
  low_ -= room;
  if (zero_) {
    zero_at_ = low_ - 0.08 * (high_ - low_);
    low_ = zero_at_ - room;
  }
}

double Scale::position(double value) const {
  if (!log_) return value;
  return value <= 0 ? zero_at_ : std::log10(value);
}

double Scale::at(double value) const { return begin_ + (end_ - begin_) * (position(value) - low_) / (high_ - low_); }

std::vector<Tick> Scale::ticks() const {
  std::vector<Tick> ticks = log_ ? log_ticks() : linear_ticks();
  if (zero_) ticks.insert(ticks.begin(), {0, "0"});
  return ticks;
}

std::vector<Tick> Scale::log_ticks() const {
  const double from = zero_ ? zero_at_ + 0.07 * (high_ - zero_at_) : low_;
  std::vector<Tick> ticks;
  const auto add = [&](double value) {
    const double place = std::log10(value);
    if (place >= from && place <= high_) ticks.push_back({value, short_number(value)});
  };
  const int first = static_cast<int>(std::floor(from)), last = static_cast<int>(std::ceil(high_));
  const int every = std::max(1, (last - first) / 8);
  for (int power = first; power <= last; power += every) add(std::pow(10, power));
  if (ticks.size() >= 3) return ticks;
  ticks.clear();
  for (int power = first; power <= last; ++power)
    for (const double digit : {1.0, 2.0, 5.0}) add(digit * std::pow(10, power));
  if (ticks.size() >= 2) return ticks;
  ticks.clear();  // less than an octave: as on a linear axis
  for (const double place : {from + 0.1 * (high_ - from), high_ - 0.1 * (high_ - from)})
    ticks.push_back({std::pow(10, place), short_number(std::pow(10, place))});
  return ticks;
}

std::vector<Tick> Scale::linear_ticks() const {
  const double raw = (high_ - low_) / 7, power = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double digit : {1.0, 2.0, 5.0})
    if (digit * power >= raw * 0.999) {
      step = digit * power;
      break;
    }
  std::vector<Tick> ticks;
  const auto decimals = static_cast<int>(std::max(0.0, -std::floor(std::log10(step) + 1e-9)));
  for (double n = std::ceil(low_ / step - 1e-9); n * step <= high_ + 1e-9 * step; ++n) {
    const double value = n == 0 ? 0 : n * step;
    ticks.push_back({value, std::abs(value) >= 1000 || decimals > 6 ? short_number(value)
                                                                    : fmt::format("{:.{}f}", value, decimals)});
  }
  return ticks;
}

std::string short_number(double value) {
  if (value == 0) return "0";
  const double size = std::abs(value);
  if (size >= 1e21 || size < 1e-4) return fmt::format("{:.3g}", value);
  if (size < 999.95) return fmt::format("{:.4g}", value);
  const char* units[] = {"", "k", "M", "G", "T", "P", "E"};
  int unit = 0;
  double scaled = value;
  while (std::abs(scaled) >= 999.95 && unit < 6) scaled /= 1000, ++unit;
  return fmt::format("{:.4g}{}", scaled, units[unit]);
}

}  // namespace peftbench::report
