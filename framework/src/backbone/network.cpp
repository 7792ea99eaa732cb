#include "backbone/network.h"

#include "backbone/layers/tiled_linear.h"

#include <peftbench/error.h>

#include <cmath>
#include <string>
#include <utility>

namespace peftbench::backbone {
namespace {

// Finds sites and tensors by what they are, once.
class Builder {
 public:
  Builder(const BackboneSpec& spec, const std::vector<std::shared_ptr<const FrozenTensor>>& tensors, Backend backend)
      : spec_(spec),
        tensors_(tensors),
        backend_(backend),
        parameters_(spec.parameters()),
        linears_(spec.linears()),
        key_values_(spec.key_values()),
        sublayers_(spec.sublayers()) {}

  Embedding embedding() const {
    const int table = index({TensorKind::embedding});
    return {spec_.embedding(), table, tensor(table)};
  }

  // A tied table is the embedding's tensor, with products of its own.
  std::shared_ptr<const FrozenLinear> head_map() const {
    return spec_.tied ? dense_linear(tensor(head_weight())->value(), at::kFloat, backend_)
                      : linear_tensor(head_weight());
  }

  Head head(std::shared_ptr<const FrozenLinear> map) const {
    const double scale = spec_.scale_logits ? std::pow(static_cast<double>(spec_.d_model), -0.5) : 1.0;
    return {Linear(spec_.lm_head(), head_weight(), std::move(map)), scale, spec_.vocab_size};
  }

  BlockStack stack(Stack stack) const {
    const std::vector<BlockSite> entrances = spec_.blocks(stack);
    std::shared_ptr<const PositionBias> bias;
    std::vector<Block> blocks;
    for (int layer = 0; layer < spec_.layers(stack); ++layer) {
      if (layer == 0 || spec_.bias_per_layer) bias = position_bias(stack, layer);
      std::optional<Sublayered<Attention>> cross;
      if (stack == Stack::decoder) cross = attention(stack, layer, Sublayer::cross, nullptr);
      blocks.emplace_back(BlockEntrance(entrances[static_cast<std::size_t>(layer)]),
                          attention(stack, layer, Sublayer::self, bias), std::move(cross), feed_forward(stack, layer));
    }
    return {InputSite{stack}, std::move(blocks), BlockEntrance(entrances.back()),
            norm({TensorKind::final_norm, stack})};
  }

 private:
  int index(const TensorRole& role) const {
    for (const ParameterSite& site : parameters_)
      if (site.role == role) return site.index;
    throw Error("the backbone has no tensor for one of its layers");
  }
  std::shared_ptr<const FrozenTensor> tensor(int index) const { return tensors_[static_cast<std::size_t>(index)]; }
  std::shared_ptr<const FrozenLinear> linear_tensor(int index) const {
    return std::dynamic_pointer_cast<const FrozenLinear>(tensor(index));
  }

  // In which attention multiplies: as its maps do, but of 8 bits in bf16.
  static at::ScalarType tiled_type(const std::shared_ptr<const FrozenLinear>& map) {
    const auto tiled = std::dynamic_pointer_cast<const TiledLinear>(map);
    return tiled && tiled->map()->weight().type() != at::kFloat ? at::kBFloat16 : at::kFloat;
  }

  int head_weight() const { return index({spec_.tied ? TensorKind::embedding : TensorKind::lm_head}); }

  template <class Site>
  static const Site& find(const std::vector<Site>& sites, Stack stack, int layer, Sublayer sublayer) {
    for (const Site& site : sites)
      if (site.stack == stack && site.layer == layer && site.sublayer == sublayer) return site;
    throw Error("the backbone has no site for one of its layers");
  }

  Linear linear(Stack stack, int layer, Sublayer sublayer, const std::string& map) const {
    const int weight = index({TensorKind::linear, stack, layer, sublayer, map});
    for (const LinearSite& site : linears_)
      if (site.stack == stack && site.layer == layer && site.sublayer == sublayer && site.map == map)
        return {site, weight, linear_tensor(weight)};
    throw Error("the backbone has no site for the map " + map);
  }

  RmsNorm norm(const TensorRole& role) const {
    return {index(role), tensor(index(role)), spec_.norm_epsilon, backend_};
  }

  Residual residual(Stack stack, int layer, Sublayer sublayer) const {
    return {norm({TensorKind::norm, stack, layer, sublayer}), find(sublayers_, stack, layer, sublayer), backend_};
  }

  std::shared_ptr<const PositionBias> position_bias(Stack stack, int layer) const {
    const int table = index({TensorKind::position_bias, stack, layer});
    return std::make_shared<const PositionBias>(table, tensor(table), stack == Stack::encoder,
                                                spec_.relative_max_distance);
  }

  Sublayered<Attention> attention(Stack stack, int layer, Sublayer sublayer,
                                  std::shared_ptr<const PositionBias> bias) const {
    const auto map = [&](const char* name) { return linear(stack, layer, sublayer, name); };
    const int q = index({TensorKind::linear, stack, layer, sublayer, "q"});
    return {residual(stack, layer, sublayer),
            Attention({map("q"), map("k"), map("v"), map("o")}, find(key_values_, stack, layer, sublayer),
                      std::move(bias), spec_.attention_scale, backend_, tiled_type(linear_tensor(q)))};
  }

  Sublayered<FeedForward> feed_forward(Stack stack, int layer) const {
    const auto map = [&](const char* name) { return linear(stack, layer, Sublayer::ffn, name); };
    std::optional<Linear> gated;
    if (spec_.gated) gated = map("wi_1");
    return {residual(stack, layer, Sublayer::ffn),
            FeedForward(map(spec_.gated ? "wi_0" : "wi"), std::move(gated), map("wo"), spec_.activation, backend_)};
  }

  const BackboneSpec& spec_;
  const std::vector<std::shared_ptr<const FrozenTensor>>& tensors_;
  Backend backend_;
  std::vector<ParameterSite> parameters_;
  std::vector<LinearSite> linears_;
  std::vector<KvSite> key_values_;
  std::vector<SublayerSite> sublayers_;
};

}  // namespace

std::unique_ptr<const Network> build_network(const BackboneSpec& spec,
                                             const std::vector<std::shared_ptr<const FrozenTensor>>& tensors,
                                             Backend backend) {
  const Builder builder(spec, tensors, backend);
  std::shared_ptr<const FrozenLinear> map = builder.head_map();
  return std::unique_ptr<const Network>(new Network{builder.embedding(), builder.stack(Stack::encoder),
                                                    builder.stack(Stack::decoder), builder.head(map), map});
}

}  // namespace peftbench::backbone
