#pragma once

#include "plan/compiled_plan.h"
#include "train/config.h"
#include "train/layer.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace peftbench::train {

using ParameterSlots = std::vector<std::shared_ptr<detail::ParameterSlot>>;

// Updates fp32 parameters in place from their gradients. All state is made at construction, so that its bytes can
// be counted on meta tensors and a checkpoint has the same tensors at every step.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // One update. A parameter with an undefined gradient, and its state, are not changed.
  void step(const std::vector<Tensor>& gradients, double learning_rate);

  // By "<parameter>/<name of the state>"; the caller stores the number of steps.
  TensorMap state() const;
  void load(const TensorMap& state, std::int64_t steps_taken);  // Throws CheckpointError
  std::int64_t state_bytes() const;

 protected:
  struct Entry {
    std::shared_ptr<detail::ParameterSlot> slot;
    std::string name;  // unique among the entries
    std::vector<std::pair<std::string, Tensor>> state;
    Tensor& operator[](const char* name);
  };
  // One parameter's share of an update.
  struct Update {
    Entry& entry;
    const Tensor& gradient;
    double learning_rate;
    std::int64_t step;
    Tensor direction = {};                       // of prepare
    std::vector<double> root_mean_squares = {};  // of the tensors of `measured`
  };
  explicit Optimizer(const ParameterSlots& parameters);
  // What an update does in three parts, so that numbers that it needs on the CPU come from a device together.
  virtual Tensor prepare(Entry& entry, const Tensor& gradient, std::int64_t step);
  virtual std::vector<Tensor> measured(const Update& update) const = 0;
  virtual void apply(Update& update) = 0;
  std::vector<Entry> entries_;

 private:
  void finish(std::vector<Update>& updates);
  std::int64_t steps_ = 0;
};

std::unique_ptr<Optimizer> make_optimizer(const TrainConfig& config, const ParameterSlots& parameters);

// √Σg² over all gradients; scales them in place so that it is at most `limit` (0: only measures).
double clip_gradients(std::vector<Tensor>& gradients, double limit);

}  // namespace peftbench::train
