#include "architectures/architecture.h"

#include "architectures/t5/t5.h"
#include "core/names.h"

#include <peftbench/error.h>

#include <algorithm>

namespace peftbench::architectures {
namespace {

void fill(std::string& name, std::string_view mark, std::string_view value) {
  if (const std::size_t at = name.find(mark); at != std::string::npos) name.replace(at, mark.size(), value);
}

std::string_view pattern_of(const TensorNames& names, TensorKind kind) {
  switch (kind) {
    case TensorKind::embedding:
      return names.embedding;
    case TensorKind::lm_head:
      return names.lm_head;
    case TensorKind::norm:
      return names.norm;
    case TensorKind::final_norm:
      return names.final_norm;
    case TensorKind::position_bias:
      return names.position_bias;
    case TensorKind::linear:
      break;
  }
  return names.linear;
}

std::string_view module_of(const TensorNames& names, Sublayer sublayer) {
  return sublayer == Sublayer::self ? names.self : sublayer == Sublayer::cross ? names.cross : names.ffn;
}

// A decoder's block has cross-attention between the two.
int place_of(Stack stack, Sublayer sublayer) {
  if (sublayer == Sublayer::self) return 0;
  return sublayer == Sublayer::ffn && stack == Stack::decoder ? 2 : 1;
}

}  // namespace

const std::vector<const Architecture*>& all_architectures() {
  static const std::vector<const Architecture*> all = {&t5_architecture()};
  return all;
}

const Architecture& architecture_named(std::string_view name) {
  std::vector<std::string> names;
  for (const Architecture* architecture : all_architectures()) {
    if (architecture->name == name) return *architecture;
    names.emplace_back(architecture->name);
  }
  throw ConfigError(Problem{.what = "unknown architecture '" + std::string(name) + "'",
                            .expected = join(names),
                            .remedy = did_you_mean(name, names)});
}

const Architecture* architecture_of(std::string_view model_type) {
  for (const Architecture* architecture : all_architectures())
    if (std::ranges::find(architecture->model_types, model_type) != architecture->model_types.end())
      return architecture;
  return nullptr;
}

std::string tensor_name(const Architecture& architecture, const TensorRole& role) {
  const TensorNames& names = architecture.names;
  std::string name(pattern_of(names, role.kind));
  fill(name, "{stack}", role.stack == Stack::encoder ? "encoder" : "decoder");
  fill(name, "{layer}", std::to_string(role.layer));
  fill(name, "{place}", std::to_string(place_of(role.stack, role.sublayer)));
  fill(name, "{module}", module_of(names, role.sublayer));
  const auto own = std::ranges::find(names.maps, role.map, [](const auto& pair) { return pair.first; });
  fill(name, "{map}", own == names.maps.end() ? std::string_view(role.map) : own->second);
  return name;
}

}  // namespace peftbench::architectures
