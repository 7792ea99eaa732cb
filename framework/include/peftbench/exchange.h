#pragma once

// Adapters as other programs keep them. What such a file looks like is known by the method's plugin alone; the host
// reads and writes the containers (a folder with adapter_config.json and adapter_model.safetensors, a .npy) and asks.
#include <peftbench/export.h>
#include <peftbench/spec.h>
#include <peftbench/tensor.h>
#include <peftbench/values.h>

#include <cstdint>
#include <map>
#include <string>
#include <variant>

namespace peftbench {

// One entry of adapter_config.json: null, a flag, a number, a text, a list of texts, or texts with numbers (Hugging
// Face's rank_pattern). An entry of another form comes as its JSON text, so that a format can refuse it.
using ForeignValue =
    std::variant<std::monostate, bool, int64_t, double, std::string, Names, std::map<std::string, double>>;

struct PEFTBENCH_API ForeignAdapter {
  std::map<std::string, ForeignValue> config;  // empty for a bare .npy
  std::map<std::string, Tensor> tensors;       // fp32, by their names there; the one of a .npy is called ""

  // Entries of the config; `otherwise` where there is none or it is null. Throw CheckpointError for another type.
  std::string text(const std::string& key, const std::string& otherwise = {}) const;
  int64_t integer(const std::string& key, int64_t otherwise) const;
  double real(const std::string& key, double otherwise) const;
  bool flag(const std::string& key, bool otherwise) const;
  Names names(const std::string& key) const;  // a single text is a list of one
  std::map<std::string, double> numbers(const std::string& key) const;
  // Throws CheckpointError that lists what there is.
  const Tensor& tensor(const std::string& name) const;
};

// The same in our terms: parameters of the method (those left out have their defaults) and tensors by the names of its
// plan, as CompiledPlan::stored has them.
struct ImportedAdapter {
  Values values;
  std::map<std::string, Tensor> tensors;
};

// One program's form of one method's adapters.
class PEFTBENCH_API AdapterFormat {
 public:
  virtual ~AdapterFormat();
  virtual std::string name() const = 0;  // huggingface, google: what --format takes
  virtual bool recognises(const ForeignAdapter& adapter) const = 0;
  // Throws CheckpointError naming what does not fit the backbone or has no counterpart here.
  virtual ImportedAdapter read(const ForeignAdapter& adapter, const BackboneSpec& backbone) const = 0;
  // Throws ConfigError naming the part that this form cannot express. The host adds what every adapter_config.json
  // has (base_model_name_or_path, inference_mode, …); a format adds peft_type and what is the method's own.
  virtual ForeignAdapter write(const Values& values, const BackboneSpec& backbone,
                               const std::map<std::string, Tensor>& stored) const = 0;
};

}  // namespace peftbench
