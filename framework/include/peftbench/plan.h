#pragma once

#include <peftbench/export.h>
#include <peftbench/hooks.h>
#include <peftbench/parameter.h>
#include <peftbench/spec.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace peftbench {

namespace detail {
struct PlanGroup;
}

// What a plan may know of the task, so that it can be made without any data.
struct TaskShape {
  std::vector<std::string> labels;  // label words in order of their numbers; empty for free text
  std::vector<std::string> fields;  // of the input's template, in order
};

// Where a method writes down what it does to a backbone: its parameters, and the sites it claims. Every refusal
// (unknown site, wrong shape, claimed twice) is a ConfigError at the call.
class PEFTBENCH_API PlanBuilder {
 public:
  explicit PlanBuilder(BackboneSpec spec, TaskShape task = {});
  ~PlanBuilder();
  PlanBuilder(const PlanBuilder&) = delete;
  PlanBuilder& operator=(const PlanBuilder&) = delete;

  // A trained parameter <site>.<name>.
  template <class Site>
  Parameter parameter(const Site& site, std::string name, Shape shape, Init init) {
    return add(site.name(), std::move(name), std::move(shape), std::move(init), Role::trained);
  }
  // A tensor that is stored but gets no gradient.
  template <class Site>
  Parameter buffer(const Site& site, std::string name, Shape shape, Init init) {
    return add(site.name(), std::move(name), std::move(shape), std::move(init), Role::buffer);
  }
  // A value computed from `sources` once in every training step. It alone is stored; the sources are for training.
  template <class Site>
  Parameter derived(const Site& site, std::string name, Shape shape, std::vector<Parameter> sources,
                    std::function<Tensor()> function) {
    return add_derived(site.name(), std::move(name), std::move(shape), std::move(sources), std::move(function));
  }
  // A trained copy of a frozen tensor, in its place.
  Parameter train(const ParameterSite& site);

  // Factors on the run's learning rate and weight decay for one parameter.
  void scale_learning_rate(const Parameter& parameter, double factor);
  void scale_weight_decay(const Parameter& parameter, double factor);

  // plan.claim<MyHook>(site, arguments of its constructor…)
  template <class Hook, class Site, class... Arguments>
  void claim(const Site& site, Arguments&&... arguments) {
    claim(site, std::make_shared<Hook>(std::forward<Arguments>(arguments)...));
  }
  void claim(const LayoutSite& site, std::shared_ptr<LayoutHook> hook);
  void claim(const InputSite& site, std::shared_ptr<InputHook> hook);
  void claim(const KvSite& site, std::shared_ptr<KvHook> hook);
  void claim(const LinearSite& site, std::shared_ptr<LinearHook> hook);
  void claim(const SublayerSite& site, std::shared_ptr<SublayerHook> hook);
  void claim(const BlockSite& site, std::shared_ptr<BlockHook> hook);
  void claim(const ParameterSite& site, std::shared_ptr<ParameterHook> hook);
  void claim(const HeadSite& site, std::shared_ptr<HeadHook> hook);
  void claim(const ReplicaSite& site, std::shared_ptr<ReplicaHook> hook);
  void claim(const LossSite& site, std::shared_ptr<LossHook> hook);
  void claim(const StepSite& site, std::shared_ptr<StepHook> hook);

  const BackboneSpec& backbone() const;
  const TaskShape& task() const;  // a head has as many classes as it has labels

  // For the host: who is claiming (named in refusals), and the plan so far, which this call takes away.
  void set_claimant(std::string method);
  std::shared_ptr<detail::PlanGroup> finish();

 private:
  Parameter add(std::string owner, std::string name, Shape shape, Init init, Role role);
  Parameter add_derived(std::string owner, std::string name, Shape shape, std::vector<Parameter> sources,
                        std::function<Tensor()> function);
  std::shared_ptr<detail::PlanGroup> group_;
};

}  // namespace peftbench
