#pragma once

#include "report/layer.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace peftbench::report {

// "  label   text" lines, the text wrapped: how one thing is shown with its properties.
class TextSheet {
 public:
  void add(std::string label, std::string text) { lines_.emplace_back(std::move(label), std::move(text)); }
  std::string text(std::size_t width = 0) const;

 private:
  std::vector<std::pair<std::string, std::string>> lines_;
};

}  // namespace peftbench::report
