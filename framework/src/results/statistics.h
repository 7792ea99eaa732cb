#pragma once

#include <vector>

namespace peftbench {

double mean(const std::vector<double>& values);
double standard_deviation(const std::vector<double>& values);  // of a sample (n − 1); 0 for fewer than two

}  // namespace peftbench
