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

// The properties of the task that a plan may use; known without data.
struct TaskShape {
  std::vector<std::string> labels;  // label words in the order of their indices; empty for free text
  std::vector<std::string> fields;  // fields of the input template, in order
};

// Collects the parameters of a method and the sites it claims. Every error
// (unknown site, wrong shape, claimed twice) is a ConfigError thrown by the call.
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
  // A tensor that is stored but has no gradient.
  template <class Site>
  Parameter buffer(const Site& site, std::string name, Shape shape, Init init) {
    return add(site.name(), std::move(name), std::move(shape), std::move(init), Role::buffer);
  }
  // A value computed from `sources` once in every training step. Only the value is stored; the sources are for
  // training.
  template <class Site>
  Parameter derived(const Site& site, std::string name, Shape shape, std::vector<Parameter> sources,
                    std::function<Tensor()> function) {
    return add_derived(site.name(), std::move(name), std::move(shape), std::move(sources), std::move(function));
  }
  // A trained copy that replaces a frozen tensor.
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
  const TaskShape& task() const;  // a classification head has one class per label

  // For the host: sets the method's name for error messages; takes the plan out of the builder.
  void set_claimant(std::string method);
  std::shared_ptr<detail::PlanGroup> finish();

 private:
  Parameter add(std::string owner, std::string name, Shape shape, Init init, Role role);
  Parameter add_derived(std::string owner, std::string name, Shape shape, std::vector<Parameter> sources,
                        std::function<Tensor()> function);
  std::shared_ptr<detail::PlanGroup> group_;
};

}  // namespace peftbench
