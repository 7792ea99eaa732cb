#pragma once

#include "plugin/schema.h"
#include "support/layers.h"

#include <iosfwd>
#include <string>
#include <vector>

namespace peftbench::support {

using namespace layers;

// What training on eight examples must come to.
enum class Overfit {
  to_nothing,  // a loss below 0.05
  by_half,     // a loss of half the first: what a prompt can do for a small backbone
  none,        // trains nothing
};

// A method with settings, a row of the table.
struct Variant {
  std::string name;
  std::string method;
  GivenValues values = {};
  double rate = 1e-2;  // AdamW's, for eight examples
  Overfit overfit = Overfit::to_nothing;
  // Parameters (part of the name) of which only some elements need to get a gradient.
  std::vector<std::string> partly = {};
  std::vector<std::string> backbones = {"gated", "relu"};  // of the workshop
};

const std::vector<Variant>& variants();
const Variant& variant_called(const std::string& name);
void PrintTo(const Variant& variant, std::ostream* out);

}  // namespace peftbench::support
