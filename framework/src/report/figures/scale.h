#pragma once

#include "report/layer.h"

#include <string>
#include <vector>

namespace peftbench::report {

struct Axis {
  std::string title;
  bool log = false;
};

struct Tick {
  double value = 0;
  std::string label;
};

// Where the values of an axis are drawn.
class Scale {
 public:
  // Of these values, which are finite, from `begin` to `end` (pixels) with some room at both ends. On a logarithmic
  // axis a value of 0 or less stands at the low end, a step below the others.
  Scale(const Axis& axis, const std::vector<double>& values, double begin, double end);

  double at(double value) const;
  std::vector<Tick> ticks() const;  // two or more

 private:
  double position(double value) const;  // on the axis, before pixels
  std::vector<Tick> log_ticks() const;
  std::vector<Tick> linear_ticks() const;
  bool log_, zero_ = false;
  double zero_at_ = 0;         // position of 0 on a logarithmic axis
  double low_ = 0, high_ = 1;  // positions of the ends
  double begin_, end_;
};

// 0.25, 12, 1.5k, 30M: few digits, for an axis.
std::string short_number(double value);

}  // namespace peftbench::report
