#pragma once

// Which activations (IA)³ scales: what its values say of a backbone.
#include <peftbench/spec.h>
#include <peftbench/values.h>

#include <cstdint>
#include <vector>

namespace ia3 {

struct Scaling {
  peftbench::LinearSite site;
  bool input = false;  // of the map; otherwise its output
  int64_t size() const { return input ? site.in_features() : site.out_features(); }
};

// In order of the sites. Throws ConfigError for a map that this backbone lacks or that is named twice.
std::vector<Scaling> scalings(const peftbench::Values& values, const peftbench::BackboneSpec& backbone);

}  // namespace ia3
