#include "backbone/wiring.h"

#include <map>
#include <string>

namespace peftbench::backbone {

Wiring wire(const BackboneSpec& spec) {
  std::map<std::string, int> tensors, key_values, sublayers;
  for (const auto& site : spec.parameters()) tensors[site.tensor] = site.index;
  for (const auto& site : spec.key_values()) key_values[site.name()] = site.index;
  for (const auto& site : spec.sublayers()) sublayers[site.name()] = site.index;

  Wiring wiring;
  for (const auto& site : spec.linears()) {
    const LinearWire linear{tensors.at(site.tensor_name()), site.index};
    if (site.map == "embedding") {
      wiring.embedding = linear;
      continue;
    }
    if (site.map == "lm_head") {
      wiring.lm_head = linear;
      continue;
    }
    auto& layers = wiring.stacks[static_cast<int>(site.stack)].blocks;
    layers.resize(static_cast<std::size_t>(spec.layers(site.stack)));
    BlockWire& block = layers[static_cast<std::size_t>(site.layer)];
    if (site.sublayer == Sublayer::ffn) {
      (site.map == "wo" ? block.ffn.wo : site.map == "wi_1" ? block.ffn.wi_1 : block.ffn.wi_0) = linear;
    } else {
      AttentionWire& attention = site.sublayer == Sublayer::self ? block.self : block.cross;
      (site.map == "q"   ? attention.q
       : site.map == "k" ? attention.k
       : site.map == "v" ? attention.v
                         : attention.o) = linear;
    }
  }
  for (const Stack stack : {Stack::encoder, Stack::decoder}) {
    StackWire& wires = wiring.stacks[static_cast<int>(stack)];
    const std::string name(name_of(stack));
    wires.relative_bias = tensors.at(name + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight");
    wires.final_norm = tensors.at(name + ".final_layer_norm.weight");
    for (const auto& site : spec.blocks(stack)) {
      (site.layer < spec.layers(stack) ? wires.blocks[static_cast<std::size_t>(site.layer)].block_site
                                       : wires.last_block_site) = site.index;
    }
    for (std::size_t layer = 0; layer < wires.blocks.size(); ++layer) {
      const std::string tensor = name + ".block." + std::to_string(layer) + ".layer.";
      const std::string site = name + "." + std::to_string(layer) + ".";
      BlockWire& block = wires.blocks[layer];
      const bool decoder = stack == Stack::decoder;
      block.self.norm = tensors.at(tensor + "0.layer_norm.weight");
      block.self.kv_site = key_values.at(site + "self.kv");
      block.self.sublayer_site = sublayers.at(site + "self");
      if (decoder) {
        block.cross.norm = tensors.at(tensor + "1.layer_norm.weight");
        block.cross.kv_site = key_values.at(site + "cross.kv");
        block.cross.sublayer_site = sublayers.at(site + "cross");
      }
      block.ffn.norm = tensors.at(tensor + (decoder ? "2" : "1") + ".layer_norm.weight");
      block.ffn.sublayer_site = sublayers.at(site + "ffn");
    }
  }
  return wiring;
}

}  // namespace peftbench::backbone
