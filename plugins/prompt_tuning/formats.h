#pragma once

// Prompts as other programs keep them.
#include <peftbench/exchange.h>

namespace prompt_tuning {

// Hugging Face PEFT: adapter_config.json with peft_type PROMPT_TUNING. Its default for encoder-decoders stores 2P rows,
// of which its own forward pass reads the first P; we write P, with num_transformer_submodules 1.
class HuggingFacePrompt final : public peftbench::AdapterFormat {
 public:
  std::string name() const override { return "huggingface"; }
  bool recognises(const peftbench::ForeignAdapter& adapter) const override;
  std::optional<peftbench::Names> entries() const override;
  peftbench::ImportedAdapter read(const peftbench::ForeignAdapter& adapter,
                                  const peftbench::BackboneSpec& backbone) const override;
  peftbench::ForeignAdapter write(const peftbench::Values& values, const peftbench::BackboneSpec& backbone,
                                  const std::map<std::string, peftbench::Tensor>& stored) const override;
};

// The authors' releases: a .npy of [P, d_model] and nothing else.
class GooglePrompt final : public peftbench::AdapterFormat {
 public:
  std::string name() const override { return "google"; }
  bool recognises(const peftbench::ForeignAdapter& adapter) const override;
  peftbench::ImportedAdapter read(const peftbench::ForeignAdapter& adapter,
                                  const peftbench::BackboneSpec& backbone) const override;
  peftbench::ForeignAdapter write(const peftbench::Values& values, const peftbench::BackboneSpec& backbone,
                                  const std::map<std::string, peftbench::Tensor>& stored) const override;
};

}  // namespace prompt_tuning
