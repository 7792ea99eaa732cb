#pragma once

// Adapters as other programs keep them. What such a file looks like is known by the method's plugin alone; the host
// reads and writes the containers (a folder with adapter_config.json and adapter_model.safetensors, a .npy) and asks.
#include <peftbench/export.h>
#include <peftbench/pattern.h>
#include <peftbench/spec.h>
#include <peftbench/tensor.h>
#include <peftbench/values.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace peftbench {

// Texts with numbers, in the order of the file: of Hugging Face's patterns the first that fits counts.
using ForeignNumbers = std::vector<std::pair<std::string, double>>;

// One entry of adapter_config.json: null, a flag, a number, a text, a list of texts or of whole numbers, or texts with
// numbers (rank_pattern). An entry of another form comes as its JSON text, so that a format can refuse it.
using ForeignValue =
    std::variant<std::monostate, bool, int64_t, double, std::string, Names, std::vector<int64_t>, ForeignNumbers>;

struct PEFTBENCH_API ForeignAdapter {
  std::map<std::string, ForeignValue> config;  // empty for a bare .npy
  std::map<std::string, Tensor> tensors;       // fp32, by their names there; the one of a .npy is called ""

  // Entries of the config; `otherwise` where there is none or it is null. Throw CheckpointError for another type.
  std::string text(const std::string& key, const std::string& otherwise = {}) const;
  int64_t integer(const std::string& key, int64_t otherwise) const;
  double real(const std::string& key, double otherwise) const;
  bool flag(const std::string& key, bool otherwise) const;
  Names names(const std::string& key) const;                    // a single text is a list of one
  std::vector<int64_t> integers(const std::string& key) const;  // a single number is a list of one
  ForeignNumbers numbers(const std::string& key) const;
  // A text in lower case: what a word means there does not depend on its case.
  std::string word(const std::string& key, const std::string& otherwise = {}) const;
  // Whether an entry asks for something: not absent, null, false, 0, "none" or empty.
  bool is_set(const std::string& key) const;
  // Entries that ask for something and are none of `known` nor among those that every adapter_config.json has, which
  // say where the adapter is from: what a format does not know may change what the adapter does.
  Names set_beyond(const Names& known) const;
  // Throws CheckpointError that lists what there is.
  const Tensor& tensor(const std::string& name) const;
};

// The same in our terms: parameters of the method (those left out have their defaults) and tensors by the names of its
// plan, as CompiledPlan::stored has them.
struct ImportedAdapter {
  Values values;
  std::map<std::string, Tensor> tensors;
  // Frozen tensors that lie beside the trained ones, by their names in the backbone (shared.weight): the host compares
  // them with its own, and refuses others.
  std::map<std::string, Tensor> frozen;
  Names notes;  // what a user should know of the adapter: parts that it lacks, entries that are not understood
};

// Of `modules`, names in Hugging Face's form of the backbone, those that the config means: peft's rule for
// target_modules, exclude_modules, layers_to_transform and layers_pattern. `standard` is taken for target_modules where
// the config has none. Throws ConfigError for an expression that cannot be honoured.
PEFTBENCH_API Names foreign_targets(const ForeignAdapter& adapter, const Names& modules, const Names& standard);

// An expression in Python's meaning. Throws ConfigError naming what RE2 lacks (lookaround, backreferences, possessive
// repetition), means otherwise, or Python itself does not have.
PEFTBENCH_API Pattern python_pattern(const std::string& expression);

// One program's form of one method's adapters.
class PEFTBENCH_API AdapterFormat {
 public:
  virtual ~AdapterFormat();
  virtual std::string name() const = 0;  // huggingface, google: what --format takes
  virtual bool recognises(const ForeignAdapter& adapter) const = 0;
  // The entries of the config that `read` looks at or that change nothing in a trained adapter. The host notes others
  // that ask for something; where a form does not say, it notes none.
  virtual std::optional<Names> entries() const;
  // Throws CheckpointError naming what does not fit the backbone or has no counterpart here.
  virtual ImportedAdapter read(const ForeignAdapter& adapter, const BackboneSpec& backbone) const = 0;
  // Throws ConfigError naming the part that this form cannot express. The host adds what every adapter_config.json
  // has (base_model_name_or_path, inference_mode, …); a format adds peft_type and what is the method's own.
  virtual ForeignAdapter write(const Values& values, const BackboneSpec& backbone,
                               const std::map<std::string, Tensor>& stored) const = 0;
};

}  // namespace peftbench
