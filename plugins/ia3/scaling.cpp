#include "scaling.h"

#include <peftbench/error.h>

#include <algorithm>
#include <string>

namespace pb = peftbench;

namespace ia3 {

std::vector<Scaling> scalings(const pb::Values& values, const pb::BackboneSpec& backbone) {
  std::string ffn = values.text("ffn");
  if (ffn == "auto") ffn = backbone.gated ? "wi_1_output" : "wo_input";
  const std::string map = ffn == "none" ? "" : ffn == "wo_input" ? "wo" : "wi_1";
  pb::Names maps = values.names("targets");
  if (std::find(maps.begin(), maps.end(), map) != maps.end()) {
    throw pb::ConfigError(
        pb::Problem{.what = "targets has " + map + ", which ffn=" + values.text("ffn") + " scales already",
                    .expected = "each map once",
                    .remedy = "remove " + map + " from targets, or set ffn=none"});
  }
  if (!map.empty()) maps.push_back(map);
  if (maps.empty()) {
    throw pb::ConfigError(
        pb::Problem{.what = "targets is empty and ffn=none: nothing is scaled", .remedy = "set one of them"});
  }
  std::vector<Scaling> result;
  for (pb::LinearSite& site : backbone.linears(maps)) {
    const bool input = site.map == map && ffn == "wo_input";
    result.push_back({std::move(site), input});
  }
  return result;
}

}  // namespace ia3
