#include "core/names.h"
#include "plan/compiled_plan.h"
#include "plan/trained_copy.h"

#include <peftbench/error.h>
#include <peftbench/plan.h>

#include <algorithm>
#include <set>

namespace peftbench {

using namespace plan;
namespace {

std::string show(const Shape& shape) {
  std::vector<std::string> sizes;
  for (int64_t size : shape) sizes.push_back(std::to_string(size));
  return "[" + join(sizes) + "]";
}

// What a builder knows beside the plan: sites by their index, so that a claim costs no search, and names.
struct Drafted final : detail::PlanGroup {
  std::vector<KvSite> kv_sites;
  std::vector<LinearSite> all_linears;
  std::vector<SublayerSite> sublayer_sites;
  std::vector<BlockSite> block_sites;
  std::vector<ParameterSite> parameter_sites;
  std::set<std::string> slot_names;
};
Drafted& draft(const std::shared_ptr<detail::PlanGroup>& group) { return static_cast<Drafted&>(*group); }

// The site as this backbone has it, or the refusal.
template <class Site>
const Site& checked(const std::vector<Site>& sites, const Site& claimed, const std::string& backbone) {
  const std::string name = claimed.name();
  const auto place = static_cast<std::size_t>(claimed.index);
  if (place < sites.size() && sites[place].name() == name) return sites[place];
  const auto found = std::find_if(sites.begin(), sites.end(), [&](const Site& site) { return site.name() == name; });
  if (found == sites.end()) {
    std::vector<std::string> names;
    for (const Site& site : sites) names.push_back(site.name());
    throw ConfigError(
        {"the backbone has no site " + name, "a claim to " + name, "a site of " + backbone, did_you_mean(name, names)});
  }
  throw ConfigError({"site " + name + " belongs to another backbone", "index " + std::to_string(claimed.index),
                     "index " + std::to_string(found->index), "use sites of the BackboneSpec given to Method::plan"});
}

}  // namespace

PlanBuilder::PlanBuilder(BackboneSpec spec, TaskShape task) : group_(std::make_shared<Drafted>()) {
  Drafted& group = draft(group_);
  group.kv_sites = spec.key_values();
  group.all_linears = spec.linears();
  group.sublayer_sites = spec.sublayers();
  for (const Stack stack : {Stack::encoder, Stack::decoder})
    for (const BlockSite& site : spec.blocks(stack)) group.block_sites.push_back(site);
  group.parameter_sites = spec.parameters();
  group.kv.resize(group.kv_sites.size());
  group.linear.resize(group.all_linears.size());
  group.sublayer.resize(group.sublayer_sites.size());
  group.block.resize(group.block_sites.size());
  group.parameter.resize(group.parameter_sites.size());
  group.spec = std::move(spec);
  group.task = std::move(task);
  group.method = "the method";
}

PlanBuilder::~PlanBuilder() = default;

const BackboneSpec& PlanBuilder::backbone() const { return group_->spec; }
const TaskShape& PlanBuilder::task() const { return group_->task; }
namespace {

// A size that no machine holds is a slip of the keyboard, and its bytes would overflow.
bool countable(const Shape& shape) {
  constexpr int64_t most = int64_t{1} << 40;
  int64_t numbers = 1;
  for (const int64_t size : shape) {
    if (size > most / numbers) return false;
    numbers *= size;
  }
  return true;
}

}  // namespace

void PlanBuilder::set_claimant(std::string method) { group_->method = std::move(method); }
std::shared_ptr<detail::PlanGroup> PlanBuilder::finish() { return std::move(group_); }

Parameter PlanBuilder::add(std::string owner, std::string name, Shape shape, Init init, Role role) {
  auto slot = std::make_shared<detail::ParameterSlot>();
  slot->name = owner + "." + name;
  slot->owner = std::move(owner);
  slot->role = role;
  slot->init = std::move(init);
  if (shape.empty() || std::any_of(shape.begin(), shape.end(), [](int64_t size) { return size < 1; })) {
    throw ConfigError({"parameter " + slot->name + " of " + group_->method + " has no elements", show(shape),
                       "at least one dimension, each ≥ 1", "check the method's sizes (length, rank, bottleneck)"});
  }
  if (!countable(shape)) {
    throw ConfigError({"parameter " + slot->name + " of " + group_->method + " would be too large", show(shape),
                       "at most 2^40 numbers", "choose smaller sizes for the method (length, rank, bottleneck)"});
  }
  slot->shape = std::move(shape);
  if (!draft(group_).slot_names.insert(slot->name).second) {
    throw ConfigError({.what = group_->method + " declares parameter " + slot->name + " twice",
                       .expected = "unique parameter names"});
  }
  group_->slots.push_back(slot);
  return Parameter(slot);
}

Parameter PlanBuilder::add_derived(std::string owner, std::string name, Shape shape, std::vector<Parameter> sources,
                                   std::function<Tensor()> function) {
  Parameter result = add(std::move(owner), std::move(name), std::move(shape), {}, Role::derived);
  result.slot()->derive = std::move(function);
  for (const Parameter& source : sources) source.slot()->training_only = true;
  return result;
}

Parameter PlanBuilder::train(const ParameterSite& site) {
  // Checked before anything is declared, so a refused claim leaves no parameter behind.
  checked(draft(group_).parameter_sites, site, group_->spec.name);
  Parameter result = add(site.name(), "trained", site.shape, init::frozen_copy(site.tensor), Role::trained);
  result.slot()->overrides = true;
  claim<detail::TrainedCopy>(site, result);
  return result;
}

void PlanBuilder::scale_learning_rate(const Parameter& parameter, double factor) {
  parameter.slot()->learning_rate_scale = factor;
}
void PlanBuilder::scale_weight_decay(const Parameter& parameter, double factor) {
  parameter.slot()->weight_decay_scale = factor;
}

namespace {

using detail::ClaimedSite;
using detail::SiteKind;

void take(detail::PlanGroup& group, ClaimedSite site) {
  const std::string name = site.name;
  const auto [at, fresh] = group.claimed.emplace(name, std::move(site));
  if (!fresh) {
    throw ConfigError({"site " + name + " is claimed twice", "already claimed by " + group.method, "one hook per site",
                       "combine both hooks into one"});
  }
}

// Where a change of a frozen tensor first takes effect.
ClaimedSite claimed_parameter(const ParameterSite& site, const BackboneSpec& spec) {
  const TensorRole& role = site.role;
  switch (role.kind) {
    case TensorKind::embedding:
      return {SiteKind::parameter, site.name(), Stack::encoder, 0};
    case TensorKind::lm_head:
      return {SiteKind::parameter, site.name(), std::nullopt, 0};
    case TensorKind::final_norm:
      return {SiteKind::parameter, site.name(), role.stack, spec.layers(role.stack)};
    case TensorKind::norm:
    case TensorKind::position_bias:
    case TensorKind::linear:
      break;
  }
  return {SiteKind::parameter, site.name(), role.stack, role.layer};
}

// Of a map of a block; the embedding comes before the blocks of the encoder.
ClaimedSite claimed_linear(const LinearSite& site) {
  if (site.layer >= 0) return {SiteKind::linear, site.name(), site.stack, site.layer};
  return {SiteKind::linear, site.name(), site.stack == Stack::encoder ? std::optional(Stack::encoder) : std::nullopt,
          0};
}

}  // namespace

void PlanBuilder::claim(const LayoutSite& site, std::shared_ptr<LayoutHook> hook) {
  take(*group_, {SiteKind::layout, site.name(), std::nullopt, 0});
  group_->layout = std::move(hook);
}
void PlanBuilder::claim(const InputSite& site, std::shared_ptr<InputHook> hook) {
  take(*group_, {SiteKind::input, site.name(), site.stack, 0});
  group_->input[static_cast<int>(site.stack)] = std::move(hook);
}
void PlanBuilder::claim(const KvSite& site, std::shared_ptr<KvHook> hook) {
  const KvSite known = checked(draft(group_).kv_sites, site, group_->spec.name);
  take(*group_, {SiteKind::kv, known.name(), known.stack, known.layer});
  group_->kv[static_cast<std::size_t>(known.index)] = std::move(hook);
}
void PlanBuilder::claim(const LinearSite& site, std::shared_ptr<LinearHook> hook) {
  const LinearSite known = checked(draft(group_).all_linears, site, group_->spec.name);
  take(*group_, claimed_linear(known));
  group_->linear_sites.emplace(known.name(), known);
  group_->linear[static_cast<std::size_t>(known.index)] = std::move(hook);
}
void PlanBuilder::claim(const SublayerSite& site, std::shared_ptr<SublayerHook> hook) {
  const SublayerSite known = checked(draft(group_).sublayer_sites, site, group_->spec.name);
  take(*group_, {SiteKind::sublayer, known.name(), known.stack, known.layer});
  group_->sublayer[static_cast<std::size_t>(known.index)] = std::move(hook);
}
void PlanBuilder::claim(const BlockSite& site, std::shared_ptr<BlockHook> hook) {
  const BlockSite known = checked(draft(group_).block_sites, site, group_->spec.name);
  take(*group_, {SiteKind::block, known.name(), known.stack, known.layer});
  group_->block[static_cast<std::size_t>(known.index)] = std::move(hook);
}
void PlanBuilder::claim(const ParameterSite& site, std::shared_ptr<ParameterHook> hook) {
  const ParameterSite known = checked(draft(group_).parameter_sites, site, group_->spec.name);
  take(*group_, claimed_parameter(known, group_->spec));
  group_->parameter[static_cast<std::size_t>(known.index)] = std::move(hook);
}
void PlanBuilder::claim(const HeadSite& site, std::shared_ptr<HeadHook> hook) {
  take(*group_, {SiteKind::head, site.name(), std::nullopt, 0});
  group_->head = std::move(hook);
}
void PlanBuilder::claim(const ReplicaSite& site, std::shared_ptr<ReplicaHook> hook) {
  if (hook->replicas() < 1) {
    throw ConfigError({.what = group_->method + " has an invalid number of replicas",
                       .found = std::to_string(hook->replicas()),
                       .expected = "at least 1"});
  }
  take(*group_, {SiteKind::replicas, site.name(), std::nullopt, 0});
  group_->replica = std::move(hook);
}
void PlanBuilder::claim(const LossSite& site, std::shared_ptr<LossHook> hook) {
  take(*group_, {SiteKind::loss, site.name(), std::nullopt, 0});
  group_->loss = std::move(hook);
}
void PlanBuilder::claim(const StepSite& site, std::shared_ptr<StepHook> hook) {
  take(*group_, {SiteKind::step_end, site.name(), std::nullopt, 0});
  group_->step = std::move(hook);
}

}  // namespace peftbench
