#pragma once

// Hugging Face PEFT's form of (IA)³ adapters: adapter_config.json with peft_type IA3.
#include <peftbench/exchange.h>

namespace ia3 {

class HuggingFaceIa3 final : public peftbench::AdapterFormat {
 public:
  std::string name() const override { return "huggingface"; }
  bool recognises(const peftbench::ForeignAdapter& adapter) const override;
  std::optional<peftbench::Names> entries() const override;
  peftbench::ImportedAdapter read(const peftbench::ForeignAdapter& adapter,
                                  const peftbench::BackboneSpec& backbone) const override;
  peftbench::ForeignAdapter write(const peftbench::Values& values, const peftbench::BackboneSpec& backbone,
                                  const std::map<std::string, peftbench::Tensor>& stored) const override;
};

}  // namespace ia3
