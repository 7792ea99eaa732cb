#pragma once

// How Hugging Face's peft keeps and uses prefixes of a T5. Its tensor prompt_embeddings [P, 2L·D] has 2L slots of D
// columns, L being the encoder's number of layers. Its forward pass puts two copies of them one after another, cuts
// that into groups of four and takes the first two of group i for keys and values of layer i of the decoder's
// self-attention; the other two were meant for cross-attention and are dropped.
#include <peftbench/exchange.h>

namespace prefix_huggingface {

// The slot of the keys of decoder layer `layer`; that of its values is the next one. For even L, layers i and i + L/2
// share theirs and half of the slots are read by nothing; for odd L each is read once.
constexpr int64_t key_slot(int64_t layer, int64_t encoder_layers) { return 4 * layer % (2 * encoder_layers); }

// Throws ConfigError for backbones with which peft fails.
void check(const peftbench::BackboneSpec& backbone);

class Format final : public peftbench::AdapterFormat {
 public:
  std::string name() const override { return "huggingface"; }
  bool recognises(const peftbench::ForeignAdapter& adapter) const override;
  std::optional<peftbench::Names> entries() const override;
  peftbench::ImportedAdapter read(const peftbench::ForeignAdapter& adapter,
                                  const peftbench::BackboneSpec& backbone) const override;
  peftbench::ForeignAdapter write(const peftbench::Values& values, const peftbench::BackboneSpec& backbone,
                                  const std::map<std::string, peftbench::Tensor>& stored) const override;
};

}  // namespace prefix_huggingface
