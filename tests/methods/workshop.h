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

// How a workshop trains.
struct Training {
  std::vector<std::int64_t> chosen = {};  // numbers of examples; empty: all
  double dropout = 0;
  double epsilon = 1e-8;  // of AdamW; a large one makes updates follow the gradient's size
};

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
  TrainingResult train(CompiledPlan& plan, std::int64_t steps, const Training& training = {}) const;  // with AdamW

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
