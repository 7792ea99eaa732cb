#include "methods/variants.h"

#include <algorithm>
#include <ostream>
#include <stdexcept>

namespace peftbench::testing {

const std::vector<Variant>& variants() {
  using enum Overfit;
  static const std::vector<Variant> table = {
      {"prompt_tuning", "prompt_tuning", {{"length", "12"}}, 0.3, by_half},
      {"template", "template", {{"targets", "q,v,o,wo"}}, 0.05},
  };
  return table;
}

const Variant& variant_called(const std::string& name) {
  const auto found = std::find_if(variants().begin(), variants().end(), [&](const auto& v) { return v.name == name; });
  if (found == variants().end()) throw std::out_of_range("no variant " + name);
  return *found;
}

void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

}  // namespace peftbench::testing
