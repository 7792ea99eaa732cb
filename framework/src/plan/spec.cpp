#include <peftbench/error.h>
#include <peftbench/spec.h>

#include "architectures/architecture.h"
#include "core/names.h"
#include "plan/layer.h"

#include <algorithm>
#include <iterator>

namespace peftbench {

using namespace plan;

namespace {

constexpr Stack stacks[] = {Stack::encoder, Stack::decoder};

std::vector<Sublayer> sublayers_of(Stack stack) {
  if (stack == Stack::encoder) return {Sublayer::self, Sublayer::ffn};
  return {Sublayer::self, Sublayer::cross, Sublayer::ffn};
}

std::string site_prefix(Stack stack, int layer) {
  return std::string(name_of(stack)) + "." + std::to_string(layer) + ".";
}

struct Map {
  std::string name;
  int64_t in, out;
};

// The linear maps of a sublayer in the order in which it applies them.
std::vector<Map> maps_of(const BackboneSpec& spec, Sublayer sublayer) {
  const int64_t d = spec.d_model;
  if (sublayer != Sublayer::ffn) {
    return {{"q", d, spec.inner()}, {"k", d, spec.inner()}, {"v", d, spec.inner()}, {"o", spec.inner(), d}};
  }
  if (spec.gated) return {{"wi_0", d, spec.d_ff}, {"wi_1", d, spec.d_ff}, {"wo", spec.d_ff, d}};
  return {{"wi", d, spec.d_ff}, {"wo", spec.d_ff, d}};
}

// A map of the other feed-forward form deserves more than "unknown".
void refuse_map(const BackboneSpec& spec, const std::string& map) {
  const std::vector<std::string> here = spec.linear_names();
  std::vector<std::string> all = here;
  all.insert(all.end(), {"lm_head", "embedding"});
  if (std::find(all.begin(), all.end(), map) != all.end()) return;
  const std::string subject = spec.name.empty() ? "this backbone" : "backbone '" + spec.name + "'";
  if (map == "wi" && spec.gated) {
    throw ConfigError(Problem{subject + " has no linear map 'wi'", "its feed-forward layers are gated (T5 v1.1)",
                              "wi_0 (the gate) and wi_1", "use wi_0 and wi_1 instead of wi"});
  }
  if ((map == "wi_0" || map == "wi_1") && !spec.gated) {
    throw ConfigError(Problem{subject + " has no linear map '" + map + "'",
                              "its feed-forward layers are not gated (T5 v1.0)", "wi",
                              "use wi instead of wi_0 and wi_1"});
  }
  throw ConfigError(Problem{.what = subject + " has no linear map '" + map + "'", .remedy = did_you_mean(map, all)});
}

}  // namespace

std::string_view name_of(Stack stack) { return stack == Stack::encoder ? "encoder" : "decoder"; }

std::string_view name_of(Sublayer sublayer) {
  switch (sublayer) {
    case Sublayer::self:
      return "self";
    case Sublayer::cross:
      return "cross";
    case Sublayer::ffn:
      break;
  }
  return "ffn";
}

std::string LinearSite::name() const {
  if (layer < 0) return map;
  return site_prefix(stack, layer) + std::string(name_of(sublayer)) + "." + map;
}

std::string KvSite::name() const { return site_prefix(stack, layer) + std::string(name_of(sublayer)) + ".kv"; }

std::string SublayerSite::name() const { return site_prefix(stack, layer) + std::string(name_of(sublayer)); }

std::string BlockSite::name() const { return site_prefix(stack, layer) + "block"; }

std::string InputSite::name() const { return std::string(name_of(stack)) + ".input"; }

int64_t TensorEntry::elements() const {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;
  return product;
}

std::vector<TensorEntry> BackboneSpec::tensors() const {
  const Architecture& table = architecture_named(architecture);
  std::vector<TensorEntry> result;
  const auto add = [&](TensorRole role, Shape shape) {
    std::string name = tensor_name(table, role);
    result.push_back({std::move(name), std::move(shape), std::move(role)});
  };
  add({TensorKind::embedding}, {vocab_size, d_model});
  for (const Stack stack : stacks) {
    for (int layer = 0; layer < layers(stack); ++layer) {
      for (const Sublayer sublayer : sublayers_of(stack)) {
        add({TensorKind::norm, stack, layer, sublayer}, {d_model});
        for (const Map& map : maps_of(*this, sublayer)) {
          // Scores need the bias before the output map.
          if (map.name == "o" && sublayer == Sublayer::self && (layer == 0 || bias_per_layer))
            add({TensorKind::position_bias, stack, layer}, {relative_buckets, num_heads});
          add({TensorKind::linear, stack, layer, sublayer, map.name}, {map.out, map.in});
        }
      }
    }
    add({TensorKind::final_norm, stack}, {d_model});
  }
  if (!tied) add({TensorKind::lm_head}, {vocab_size, d_model});
  return result;
}

int64_t BackboneSpec::parameter_count() const {
  int64_t total = 0;
  for (const TensorEntry& tensor : tensors()) total += tensor.elements();
  return total;
}

std::vector<LinearSite> BackboneSpec::linears() const {
  const Architecture& table = architecture_named(architecture);
  std::vector<LinearSite> result;
  const auto index = [&] { return static_cast<int>(result.size()); };
  for (const Stack stack : stacks) {
    for (int layer = 0; layer < layers(stack); ++layer) {
      for (const Sublayer sublayer : sublayers_of(stack)) {
        for (const Map& map : maps_of(*this, sublayer)) {
          std::string tensor = tensor_name(table, {TensorKind::linear, stack, layer, sublayer, map.name});
          result.push_back(
              {index(), stack, layer, sublayer, map.name, map.in, map.out, /*tied=*/false, std::move(tensor)});
        }
      }
    }
  }
  const std::string words = tensor_name(table, {TensorKind::embedding});
  const std::string head = tied ? words : tensor_name(table, {TensorKind::lm_head});
  result.push_back({index(), Stack::decoder, -1, Sublayer::self, "lm_head", d_model, vocab_size, tied, head});
  result.push_back({index(), Stack::encoder, -1, Sublayer::self, "embedding", vocab_size, d_model, false, words});
  return result;
}

std::vector<LinearSite> BackboneSpec::linears(const std::vector<std::string>& maps) const {
  for (const std::string& map : maps) refuse_map(*this, map);
  std::vector<LinearSite> result;
  for (LinearSite& site : linears()) {
    if (std::find(maps.begin(), maps.end(), site.map) != maps.end()) result.push_back(std::move(site));
  }
  return result;
}

std::vector<std::string> BackboneSpec::linear_names() const {
  std::vector<std::string> names;
  for (const Sublayer sublayer : {Sublayer::self, Sublayer::ffn}) {
    for (const Map& map : maps_of(*this, sublayer)) names.push_back(map.name);
  }
  return names;
}

LinearSite BackboneSpec::lm_head() const { return linears({"lm_head"}).front(); }

LinearSite BackboneSpec::embedding() const { return linears({"embedding"}).front(); }

std::vector<KvSite> BackboneSpec::key_values() const {
  std::vector<KvSite> result;
  const auto add = [&](Stack stack, Sublayer sublayer) {
    for (int layer = 0; layer < layers(stack); ++layer) {
      result.push_back({static_cast<int>(result.size()), stack, layer, sublayer, num_heads, d_kv});
    }
  };
  add(Stack::encoder, Sublayer::self);
  add(Stack::decoder, Sublayer::self);
  add(Stack::decoder, Sublayer::cross);
  return result;
}

std::vector<KvSite> BackboneSpec::key_values(Stack stack, Sublayer sublayer) const {
  if (sublayer == Sublayer::ffn || (stack == Stack::encoder && sublayer == Sublayer::cross)) {
    throw ConfigError(Problem{.what = "the " + std::string(name_of(stack)) + " has no keys and values in its " +
                                      std::string(name_of(sublayer)) + " sublayer",
                              .expected = "encoder self, decoder self or decoder cross"});
  }
  std::vector<KvSite> result = key_values();
  std::erase_if(result, [&](const KvSite& site) { return site.stack != stack || site.sublayer != sublayer; });
  return result;
}

std::vector<SublayerSite> BackboneSpec::sublayers() const {
  std::vector<SublayerSite> result;
  for (const Stack stack : stacks) {
    for (int layer = 0; layer < layers(stack); ++layer) {
      for (const Sublayer sublayer : sublayers_of(stack)) {
        result.push_back({static_cast<int>(result.size()), stack, layer, sublayer});
      }
    }
  }
  return result;
}

std::vector<BlockSite> BackboneSpec::blocks(Stack stack) const {
  // Numbered over both stacks, the encoder's first.
  int index = stack == Stack::encoder ? 0 : static_cast<int>(encoder_layers) + 1;
  std::vector<BlockSite> result;
  for (int layer = 0; layer <= layers(stack); ++layer) result.push_back({index++, stack, layer});
  return result;
}

std::vector<ParameterSite> BackboneSpec::parameters() const {
  std::vector<ParameterSite> result;
  for (TensorEntry& tensor : tensors()) {
    const auto index = static_cast<int>(result.size());
    result.push_back({index, std::move(tensor.name), std::move(tensor.shape), std::move(tensor.role)});
  }
  return result;
}

ParameterSite BackboneSpec::parameter(std::string_view tensor_name) const {
  std::vector<ParameterSite> all = parameters();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const ParameterSite& site) { return site.tensor == tensor_name; });
  if (found != all.end()) return std::move(*found);
  const Architecture& table = architecture_named(architecture);
  if (tied && tensor_name == plan::tensor_name(table, {TensorKind::lm_head})) {
    const std::string words = plan::tensor_name(table, {TensorKind::embedding});
    throw ConfigError(Problem{"this backbone has no tensor '" + std::string(tensor_name) + "'",
                              "its head is tied to the embedding table", words,
                              "claim " + words + ", or the linear map lm_head"});
  }
  // Hundreds of names would drown the message: the nearest one and a few will do.
  std::vector<std::string> names;
  for (const ParameterSite& site : all) names.push_back(site.tensor);
  const std::optional<std::string> guess = nearest(tensor_name, names);
  names.resize(std::min<std::size_t>(names.size(), 6));
  throw ConfigError(
      Problem{.what = "this backbone has no tensor '" + std::string(tensor_name) + "'",
              .expected = "one of its " + std::to_string(all.size()) + " tensors, such as " + join(names),
              .remedy = guess ? "did you mean '" + *guess + "'?" : "use a tensor name of the Hugging Face model"});
}

}  // namespace peftbench
