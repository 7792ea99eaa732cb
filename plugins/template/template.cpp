// A method to copy: a trained offset on the output of linear maps.
//
//   y = x Wᵀ + s · b,   b ∈ R^out trained, W frozen
//
// A file like this is all of a method. What to change, in its order: the equation, the hook, the plan, the parameters,
// and the name in the last line, which is also the name of the library and of its folder.
#include <peftbench/plugin.h>

namespace pb = peftbench;

namespace {

// What happens at a site when the backbone gets there. A hook is const: it reads its parameters and its call.
class Offset final : public pb::LinearHook {
 public:
  Offset(pb::Parameter offset, double scale) : offset_(std::move(offset)), scale_(scale) {}

  pb::Tensor apply(const pb::LinearCall& call) const override {  // x [N, in] → y [N, out]
    return call.base() + scale_ * offset_();
  }

 private:
  pb::Parameter offset_;
  double scale_;
};

// Values come checked: their types are those of the defaults below. A combination that makes no sense is refused here,
// by throwing pb::ConfigError.
class Template final : public pb::Method {
 public:
  explicit Template(const pb::Values& values) : targets_(values.names("targets")), scale_(values.real("scale")) {}

  // From the sizes of a backbone to parameters and claims. No tensor is touched here, so it works for any size.
  void plan(const pb::BackboneSpec& backbone, pb::PlanBuilder& plan) override {
    for (const pb::LinearSite& site : backbone.linears(targets_)) {
      const pb::Parameter offset = plan.parameter(site, "offset", {site.out_features()}, pb::init::zeros());
      plan.claim<Offset>(site, offset, scale_);
    }
  }

 private:
  pb::Names targets_;
  double scale_;
};

void register_template(pb::MethodRegistrar& registrar) {
  registrar.method<Template>()
      .param("targets", pb::Names{"q", "v"}, "linear maps with an offset")
      .choices({"q", "k", "v", "o", "wi", "wi_0", "wi_1", "wo"})
      .param("scale", 1.0, "factor on the offset")
      .at_least(0)
      .capability(pb::Capability::identity_at_init)
      .recommend("train.learning_rate", "0.1")
      .space("train.learning_rate", pb::space::log(0.01, 1));
}

}  // namespace

PEFTBENCH_PLUGIN(template, "1.0.0", "Trained offset on linear maps: an example method", "docs/writing-a-method.md",
                 register_template);
