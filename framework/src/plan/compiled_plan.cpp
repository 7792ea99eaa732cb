#include "plan/compiled_plan.h"

#include "core/names.h"
#include "plan/trained_copy.h"

#include <peftbench/error.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <set>

namespace peftbench::plan {
namespace {

using detail::ParameterSlot;
using detail::PlanGroup;

std::string show(at::IntArrayRef shape) {
  std::vector<std::string> sizes;
  for (int64_t size : shape) sizes.push_back(std::to_string(size));
  return "[" + join(sizes) + "]";
}

bool stored_slot(const ParameterSlot& slot) { return !slot.training_only; }
bool training_slot(const ParameterSlot& slot) { return slot.role != Role::derived; }

// In a stacked plan, names begin with the group's number.
template <class Keep>
TensorMap collect(const std::vector<std::shared_ptr<PlanGroup>>& groups, Keep keep) {
  TensorMap out;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const std::string prefix = groups.size() > 1 ? std::to_string(g) + "/" : "";
    for (const auto& slot : groups[g]->slots) {
      if (!keep(*slot)) continue;
      const Tensor value = slot->value.detach();
      out.emplace(prefix + slot->name, value.is_meta() ? value : value.cpu());  // sizes alone have no bytes to move
    }
  }
  return out;
}

void set_value(ParameterSlot& slot, const Tensor& value, c10::Device device) {
  at::NoGradGuard no_grad;
  slot.value = value.to(device, at::kFloat).clone(at::MemoryFormat::Contiguous);
  if (slot.role == Role::trained) slot.value.set_requires_grad(true);
}

}  // namespace

CompiledPlan::CompiledPlan(std::shared_ptr<PlanGroup> group) { groups_.push_back(std::move(group)); }

CompiledPlan CompiledPlan::stack(const std::vector<CompiledPlan>& plans) {
  CompiledPlan out;
  for (const CompiledPlan& plan : plans) {
    if (plan.groups_.empty()) {
      throw ConfigError(
          Problem{.what = "an empty plan cannot be stacked", .expected = "at least one plan of a method"});
    }
    out.groups_.insert(out.groups_.end(), plan.groups_.begin(), plan.groups_.end());
    out.derive_ = out.derive_ && plan.derive_;
  }
  if (out.groups_.empty()) return out;
  const auto classes = [](const PlanGroup& group) { return group.head && group.head->scores_classes(); };
  const PlanGroup& first = *out.groups_.front();
  for (const auto& group : out.groups_) {
    if (group->spec.name != first.spec.name || group->linear.size() != first.linear.size()) {
      throw ConfigError({"plans of different backbones cannot share a batch",
                         group->method + " was planned for " + group->spec.name, "plans for " + first.spec.name,
                         "use runs with the same backbone"});
    }
    if (classes(*group) != classes(first)) {
      throw ConfigError({"plans with a classification head and plans that generate text cannot share a batch",
                         group->method + " and " + first.method, "heads of one kind", "run them separately"});
    }
    if (group->replica && out.groups_.size() > 1) {
      throw ConfigError({"a plan with replicas cannot share a batch", group->method + " claims replicas",
                         "plans without replicas", "run it separately"});
    }
  }
  return out;
}

void CompiledPlan::place_on(c10::Device device) {
  for (const auto& group : groups_) {
    if (group->device == device) continue;
    group->device = device;
    for (const auto& slot : group->slots)
      if (slot->value.defined()) set_value(*slot, slot->value, device);
  }
}

void CompiledPlan::initialise(const ContextFactory& contexts) {
  for (const auto& group : groups_) {
    for (const auto& slot : group->slots) {
      if (slot->role == Role::derived) continue;
      const auto context = contexts(slot->name);
      at::NoGradGuard no_grad;
      const Tensor value = slot->init(*context, slot->shape);
      if (value.sizes() != at::IntArrayRef(slot->shape)) {
        throw ConfigError({"the initial value of " + slot->name + " has the wrong shape", show(value.sizes()),
                           show(slot->shape), "fix the initialiser in the method " + group->method});
      }
      set_value(*slot, value, group->device);
    }
  }
  derive_ = true;
}

void CompiledPlan::initialise_on_meta() {
  for (const auto& group : groups_) {
    for (const auto& slot : group->slots)
      slot->value = at::empty(slot->shape, at::TensorOptions(at::kMeta).dtype(at::kFloat));
  }
  derive_ = false;
}

namespace {

// The first few: a remedy below a screen of shapes would not be read.
std::string some(std::vector<std::string> items, std::string_view separator) {
  constexpr std::size_t shown = 4;
  const std::size_t more = items.size() > shown ? items.size() - shown : 0;
  items.resize(items.size() - more);
  return join(items, separator) + (more > 0 ? std::string(separator) + "and " + std::to_string(more) + " more" : "");
}

// Gives values to the slots that `keep` selects, or says everything that is wrong with `tensors`.
template <class Keep>
void load(const std::vector<std::shared_ptr<PlanGroup>>& groups, const TensorMap& tensors, Keep keep) {
  std::vector<std::string> faults;
  std::size_t used = 0;
  struct Found {
    ParameterSlot* slot;
    const Tensor* value;
    c10::Device device;
  };
  std::vector<Found> pairs;
  std::vector<std::string> known;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const std::string prefix = groups.size() > 1 ? std::to_string(g) + "/" : "";
    for (const auto& slot : groups[g]->slots) {
      if (!keep(*slot)) continue;
      const std::string name = prefix + slot->name;
      known.push_back(name);
      const auto at = tensors.find(name);
      if (at == tensors.end()) {
        faults.push_back("missing " + name + " " + show(slot->shape));
        continue;
      }
      ++used;
      if (at->second.sizes() != at::IntArrayRef(slot->shape)) {
        faults.push_back(name + " is " + show(at->second.sizes()) + " and should be " + show(slot->shape));
      }
      pairs.push_back({slot.get(), &at->second, groups[g]->device});
    }
  }
  if (used < tensors.size()) {
    const std::set<std::string> names(known.begin(), known.end());
    for (const auto& [name, tensor] : tensors) {
      if (!names.contains(name)) faults.push_back("surplus " + name);
    }
  }
  if (!faults.empty()) {
    throw CheckpointError({"the stored tensors do not fit the plan", some(faults, "; "),
                           std::to_string(known.size()) + " tensors: " + some(known, ", "),
                           "use the method, parameters and backbone that the file was made with"});
  }
  for (const Found& found : pairs) set_value(*found.slot, *found.value, found.device);
}

}  // namespace

void CompiledPlan::load_stored(const TensorMap& tensors) {
  load(groups_, tensors, stored_slot);
  derive_ = false;
}

void CompiledPlan::load_training(const TensorMap& tensors) {
  load(groups_, tensors, training_slot);
  derive_ = true;
}

TensorMap CompiledPlan::stored() const { return collect(groups_, stored_slot); }
TensorMap CompiledPlan::training() const { return collect(groups_, training_slot); }

std::vector<std::shared_ptr<ParameterSlot>> CompiledPlan::slots() const {
  std::vector<std::shared_ptr<ParameterSlot>> out;
  for (const auto& group : groups_) out.insert(out.end(), group->slots.begin(), group->slots.end());
  return out;
}

std::vector<std::shared_ptr<ParameterSlot>> CompiledPlan::trained() const {
  auto out = slots();
  std::erase_if(out, [](const auto& slot) { return slot->role != Role::trained; });
  return out;
}

void CompiledPlan::refresh(const std::function<Tensor(int)>& frozen) const {
  for (const auto& group : groups_) {
    if (derive_) {
      // Declaration order: a derived value may be a source of a later one.
      for (const auto& slot : group->slots) {
        if (slot->role != Role::derived) continue;
        slot->value = slot->derive();
        if (slot->value.sizes() != at::IntArrayRef(slot->shape)) {
          throw ConfigError({"derived value " + slot->name + " has the wrong shape", show(slot->value.sizes()),
                             show(slot->shape), "fix the function in the method " + group->method});
        }
      }
    }
    group->overrides.assign(group->parameter.size(), Tensor());
    for (std::size_t i = 0; i < group->parameter.size(); ++i) {
      if (!group->parameter[i]) continue;
      if (const auto* copy = dynamic_cast<const detail::TrainedCopy*>(group->parameter[i].get())) {
        group->overrides[i] = copy->value();
        continue;
      }
      const Tensor original = frozen(static_cast<int>(i));
      Tensor value = group->parameter[i]->value(original);
      if (value.sizes() != original.sizes()) {
        throw ConfigError({"the replacement of a frozen tensor has the wrong shape", show(value.sizes()),
                           show(original.sizes()), "fix the parameter hook in the method " + group->method});
      }
      group->overrides[i] = std::move(value);
    }
  }
}

bool CompiledPlan::leaves_encoder_alone() const {
  const bool rearranged = std::any_of(groups_.begin(), groups_.end(), [](const auto& group) {
    return group->layout != nullptr || group->replica != nullptr;
  });
  return !rearranged && !first_claimed_layer(Stack::encoder);
}

std::vector<std::string> CompiledPlan::claimed_sites() const {
  std::vector<std::string> out;
  for (const auto& group : groups_) {
    for (const auto& [name, site] : group->claimed) out.push_back(name);
  }
  return out;
}

std::optional<int64_t> CompiledPlan::first_claimed_layer(Stack stack) const {
  std::optional<int64_t> first;
  for (const auto& group : groups_) {
    for (const auto& [name, site] : group->claimed)
      if (site.stack == stack) first = first ? std::min(*first, site.layer) : site.layer;
  }
  return first;
}

}  // namespace peftbench::plan
