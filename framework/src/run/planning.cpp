#include "run/planning.h"

#include "train/optimizer.h"
#include "train/trainer.h"

#include <algorithm>

namespace peftbench {

CompiledPlan compile_plan(const LoadedPlugin& plugin, const Values& values, const BackboneSpec& spec,
                          const TaskShape& task) {
  const std::unique_ptr<Method> method = make_method(plugin, values);
  PlanBuilder builder(spec, task);
  builder.set_claimant(plugin.name);
  plan_method(plugin, *method, builder);
  return CompiledPlan(builder.finish());
}

Ledger plan_ledger(const LoadedPlugin& plugin, const Values& values, const BackboneSpec& spec, const TaskShape& task,
                   const TrainConfig& train, const PlanSample* sample) {
  // A plan of its own, on meta: neither its values nor the optimizer's state take memory.
  CompiledPlan plan = compile_plan(plugin, values, spec, task);
  plan.initialise_on_meta();
  Ledger ledger = measure(spec, plan, sample ? &sample->text : nullptr);
  ledger.optimizer_state_bytes = make_optimizer(train, plan.trained())->state_bytes();
  if (sample && !sample->encoded.empty()) {
    const std::vector<EncodedExample>& examples = sample->encoded;
    BatchLengths lengths;
    const std::size_t batch = std::min(examples.size(), static_cast<std::size_t>(train.batch_size));
    for (std::size_t i = 0; i < batch; ++i) {
      // They come laid out, and count_flops adds what the method adds.
      lengths.input.push_back(static_cast<std::int64_t>(examples[i].input.size()) - ledger.layout_length);
      lengths.target.push_back(static_cast<std::int64_t>(examples[i].target.size()));
    }
    ledger.flops = count_flops(spec, plan, ledger, lengths, uses_encoder_cache(train, plan));
  }
  return ledger;
}

}  // namespace peftbench
