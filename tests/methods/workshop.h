#pragma once

// A method's plugin, loaded as a user loads it, on a backbone with eight examples.
#include "backbone/backbone.h"
#include "data/prepared/encode.h"
#include "methods/variants.h"
#include "plugin/finder.h"
#include "support/layers.h"
#include "train/trainer.h"

#include <memory>
#include <string>
#include <vector>

namespace peftbench::support {

using namespace layers;

class Workshop {
 public:
  // "gated" (v1.1: untied, heads · d_kv ≠ d_model), "relu" (v1.0: tied): random weights, the same in every process.
  // "trained": the small T5 of assets/.
  // `layers`: of each stack of the random ones; 0: as they are.
  Workshop(Variant variant, const std::string& backbone, const LoadOptions& options = {}, std::int64_t layers = 0);

  const Backbone& backbone() const { return *backbone_; }
  const MethodSchema& schema() const { return plugin_->schema; }
  const Variant& variant() const { return variant_; }

  CompiledPlan plan() const;  // with its first values
  std::vector<EncodedExample> examples(const CompiledPlan& plan) const;
  // AdamW on all examples, or on those of these numbers.
  TrainingResult train(CompiledPlan& plan, std::int64_t steps, const std::vector<std::int64_t>& chosen = {},
                       double dropout = 0) const;

  // [B, C] class scores or [N, V] logits of the targets, of the copies that the plan makes.
  Tensor outcome(const CompiledPlan& plan, const std::vector<const EncodedExample*>& batch) const;
  Tensor outcome(const CompiledPlan& plan) const;  // of all examples

  void save(const CompiledPlan& plan, const fs::path& folder) const;
  CompiledPlan load(const fs::path& folder) const;

 private:
  Variant variant_;
  PluginFinder finder_;
  PluginHandle plugin_;
  std::shared_ptr<const Backbone> backbone_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

// In the process that `--reload FOLDER VARIANT BACKBONE` starts: writes the outcome of the stored method.
int reload(const std::vector<std::string>& words);

}  // namespace peftbench::support
