#pragma once

#include <peftbench/export.h>
#include <peftbench/tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace peftbench {

// The inputs of an initialiser. Its generator is a random stream of the run's seed, named after the parameter, so
// values do not depend on the order in which parameters are declared.
class PEFTBENCH_API InitContext {
 public:
  virtual ~InitContext();
  virtual at::Generator& generator() = 0;
  virtual Tensor frozen(std::string_view tensor_name) = 0;             // fp32 copy of a backbone tensor
  virtual Tensor embedding_rows(const std::vector<int64_t>& ids) = 0;  // [n, D] fp32
  virtual int64_t vocab_size() const = 0;                              // V, rows of the embedding table
  virtual std::vector<int64_t> tokenize(
      std::string_view text) = 0;                 // ids without EOS; ConfigError without a vocabulary
  virtual std::vector<std::string> labels() = 0;  // label words of the task, may be empty
  // One tensor of a file, fp32: of an adapter folder (adapter.safetensors or Hugging Face's adapter_model.safetensors
  // in it), a .safetensors file, or a .npy, whose only tensor needs no name. `parameter` is its name in the file, or
  // several names separated by '|', of which the first existing one is used: only the plugin knows the names of other
  // programs. Throws CheckpointError with the tensor names in the file.
  virtual Tensor read_tensor(std::string_view path, std::string_view parameter) = 0;
  virtual void warn(std::string message) = 0;  // a warning, printed and stored in the record
};

// Returns the initial value of a parameter of the given shape, fp32.
using Init = std::function<Tensor(InitContext&, const Shape&)>;

namespace init {
PEFTBENCH_API Init zeros();
PEFTBENCH_API Init ones();
PEFTBENCH_API Init constant(double value);
PEFTBENCH_API Init uniform(double low, double high);
PEFTBENCH_API Init normal(double mean, double deviation);
PEFTBENCH_API Init truncated_normal(double deviation);  // at two standard deviations
PEFTBENCH_API Init kaiming_uniform();  // U(−1/√in, 1/√in): torch's with a = √5, shape [out, in]
PEFTBENCH_API Init frozen_copy(std::string tensor_name);  // of a backbone tensor with the same shape
}  // namespace init

// trained: given to the optimizer. buffer: stored without a gradient; a StepHook may change it.
// derived: computed from others in training, and stored instead of them.
enum class Role { trained, buffer, derived };

namespace detail {
struct ParameterSlot {
  std::string name;   // unique in the plan: <site>.<name>
  std::string owner;  // name of its site
  Shape shape;
  Role role = Role::trained;
  bool training_only = false;  // a source of derived values: not stored with the adapter
  bool overrides = false;      // replaces a frozen tensor
  Init init;
  std::function<Tensor()> derive;
  double learning_rate_scale = 1.0;
  double weight_decay_scale = 1.0;
  Tensor value;
};
}  // namespace detail

// A handle to one tensor of a plan; copying it copies the handle.
class PEFTBENCH_API Parameter {
 public:
  Parameter() = default;
  explicit Parameter(std::shared_ptr<detail::ParameterSlot> slot) : slot_(std::move(slot)) {}

  // The current tensor. Throws Error before the plan has its values.
  const Tensor& operator()() const;
  const std::string& name() const { return slot_->name; }
  const Shape& shape() const { return slot_->shape; }
  // For buffers, in a StepHook. Throws Error for any other role.
  void set(const Tensor& value) const;
  const std::shared_ptr<detail::ParameterSlot>& slot() const { return slot_; }

 private:
  std::shared_ptr<detail::ParameterSlot> slot_;
};

}  // namespace peftbench
