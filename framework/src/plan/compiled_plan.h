#pragma once

#include "formats/tensor_map.h"
#include "plan/layer.h"

#include <peftbench/plan.h>

#include <c10/core/Device.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::detail {

enum class SiteKind { layout, input, kv, linear, sublayer, block, parameter, head, replicas, loss, step_end };

// A site that a method claims.
struct ClaimedSite {
  SiteKind kind = SiteKind::layout;
  std::string name;
  std::optional<Stack> stack;  // whose states it can change; none for the head and what is outside the network
  // The first block whose input or computation it can change, 0 for what comes before the blocks; L for what follows.
  int64_t layer = 0;
};

// One method's plan: hooks by site index, null for unclaimed sites.
struct PlanGroup {
  BackboneSpec spec;
  TaskShape task;
  std::string method;
  std::vector<std::shared_ptr<ParameterSlot>> slots;  // in order of declaration
  std::shared_ptr<LayoutHook> layout;
  std::shared_ptr<InputHook> input[2];  // by Stack
  std::vector<std::shared_ptr<KvHook>> kv;
  std::vector<std::shared_ptr<LinearHook>> linear;
  std::vector<std::shared_ptr<SublayerHook>> sublayer;
  std::vector<std::shared_ptr<BlockHook>> block;
  std::vector<std::shared_ptr<ParameterHook>> parameter;
  std::shared_ptr<HeadHook> head;
  std::shared_ptr<ReplicaHook> replica;
  std::shared_ptr<LossHook> loss;
  std::shared_ptr<StepHook> step;
  std::map<std::string, ClaimedSite> claimed;      // by name
  std::map<std::string, LinearSite> linear_sites;  // claimed ones, by name
  std::vector<Tensor> overrides;                   // by ParameterSite index; values of this step
  c10::Device device = c10::kCPU;                  // of all values
};

}  // namespace peftbench::detail

namespace peftbench::plan {

// The plan of one method, or of several whose sequences share a batch. A data structure: all claims are known before
// execution.
class CompiledPlan {
 public:
  CompiledPlan() = default;  // claims nothing: the frozen backbone
  explicit CompiledPlan(std::shared_ptr<detail::PlanGroup> group);
  // Plans for one batch whose sequences carry group numbers 0…n−1. Throws ConfigError if one needs a site of
  // which a batch has only one (head scoring classes, replicas) and another does not have it.
  static CompiledPlan stack(const std::vector<CompiledPlan>& plans);

  const std::vector<std::shared_ptr<detail::PlanGroup>>& groups() const { return groups_; }
  const detail::PlanGroup* only() const { return groups_.empty() ? nullptr : groups_.front().get(); }

  // Where values are from now on; those that there are, are moved. Initial values come from the CPU's random streams.
  void place_on(c10::Device device);
  // Initialises all parameters; the context of a parameter is made from its name. Computes derived values.
  using ContextFactory = std::function<std::unique_ptr<InitContext>(const std::string& parameter)>;
  void initialise(const ContextFactory& contexts);
  // Values without storage, if only sizes are needed.
  void initialise_on_meta();
  // Loads the result of `stored()` into a new plan. Throws CheckpointError naming every missing, unexpected and
  // misshapen tensor. Derived values are used as stored and not recomputed.
  void load_stored(const TensorMap& tensors);
  // For resuming: trained and buffer values, sources of derived ones included.
  void load_training(const TensorMap& tensors);

  // On the CPU.
  TensorMap stored() const;    // the contents of an adapter file: derived values instead of their sources
  TensorMap training() const;  // the contents of a checkpoint

  std::vector<std::shared_ptr<detail::ParameterSlot>> trained() const;
  std::vector<std::shared_ptr<detail::ParameterSlot>> slots() const;

  // Must be called before a forward pass with changed parameters: computes derived values and replacements of frozen
  // tensors. `frozen` gives the fp32 tensor by ParameterSite index.
  void refresh(const std::function<Tensor(int)>& frozen) const;

  // No claim can change an encoder state: encoder outputs may be cached.
  bool leaves_encoder_alone() const;
  std::vector<std::string> claimed_sites() const;  // names
  // The first block of the stack whose computation a claim can change, L for what follows the blocks; none: no claim
  // changes the stack's states.
  std::optional<int64_t> first_claimed_layer(Stack stack) const;

 private:
  std::vector<std::shared_ptr<detail::PlanGroup>> groups_;
  bool derive_ = true;
};

}  // namespace peftbench::plan
