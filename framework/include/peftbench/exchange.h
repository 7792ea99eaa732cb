#pragma once

// Adapters in the formats of other programs. Only the method's plugin knows the contents of such files; the host
// reads and writes the files (a folder with adapter_config.json and adapter_model.safetensors, or a .npy).
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

// Strings mapped to numbers, in the order of the file: the first matching Hugging Face pattern applies.
using ForeignNumbers = std::vector<std::pair<std::string, double>>;

// One entry of adapter_config.json: null, a boolean, a number, a string, a list of strings or integers, or strings
// mapped to numbers (rank_pattern). Any other entry is given as its JSON text, so that a format can refuse it.
using ForeignValue =
    std::variant<std::monostate, bool, int64_t, double, std::string, Names, std::vector<int64_t>, ForeignNumbers>;

struct PEFTBENCH_API ForeignAdapter {
  std::map<std::string, ForeignValue> config;  // empty for a bare .npy
  std::map<std::string, Tensor> tensors;       // fp32, by their names in the file; "" for a .npy

  // Entries of the config; `otherwise` if missing or null. Throw CheckpointError for a wrong type.
  std::string text(const std::string& key, const std::string& otherwise = {}) const;
  int64_t integer(const std::string& key, int64_t otherwise) const;
  double real(const std::string& key, double otherwise) const;
  bool flag(const std::string& key, bool otherwise) const;
  Names names(const std::string& key) const;                    // a single string counts as a list
  std::vector<int64_t> integers(const std::string& key) const;  // a single number counts as a list
  ForeignNumbers numbers(const std::string& key) const;
  // A string in lower case, for entries that are case-insensitive.
  std::string word(const std::string& key, const std::string& otherwise = {}) const;
  // Whether an entry is set: not missing, null, false, 0, "none" or empty.
  bool is_set(const std::string& key) const;
  // Entries that are set and are neither in `known` nor among the general entries of every adapter_config.json (such as
  // the adapter's origin): an unknown entry may change the adapter's effect.
  Names set_beyond(const Names& known) const;
  // Throws CheckpointError that lists the available tensors.
  const Tensor& tensor(const std::string& name) const;
};

// A converted adapter: parameters of the method (defaults for missing ones) and tensors with the names of its
// plan, as in CompiledPlan::stored.
struct ImportedAdapter {
  Values values;
  std::map<std::string, Tensor> tensors;
  // Frozen tensors in the adapter file, by their names in the backbone (shared.weight): the host compares
  // them with its own, and refuses different ones.
  std::map<std::string, Tensor> frozen;
  Names notes;  // notes for the user: missing parts, unknown entries
};

// The names in `modules` (module names of the Hugging Face model) that the config selects, by peft's rules for
// target_modules, exclude_modules, layers_to_transform and layers_pattern. `standard` is the default of target_modules.
// Throws ConfigError for an unsupported expression.
PEFTBENCH_API Names foreign_targets(const ForeignAdapter& adapter, const Names& modules, const Names& standard);

// A Python regular expression. Throws ConfigError naming a feature that RE2 lacks (lookaround, backreferences,
// possessive repetition) or interprets differently, or that Python does not have.
PEFTBENCH_API Pattern python_pattern(const std::string& expression);

// The adapter format of another program for one method.
class PEFTBENCH_API AdapterFormat {
 public:
  virtual ~AdapterFormat();
  virtual std::string name() const = 0;  // the value of --format, such as huggingface or google
  virtual bool recognises(const ForeignAdapter& adapter) const = 0;
  // The entries of the config that `read` uses or that do not affect a trained adapter. The host adds notes about other
  // entries that are set; without a list, it adds none.
  virtual std::optional<Names> entries() const;
  // Throws CheckpointError naming what does not fit the backbone or is not supported.
  virtual ImportedAdapter read(const ForeignAdapter& adapter, const BackboneSpec& backbone) const = 0;
  // Throws ConfigError naming the part that this format cannot express. The host adds the entries that every
  // adapter_config.json has (base_model_name_or_path, inference_mode, …); a format adds peft_type and the method's
  // entries.
  virtual ForeignAdapter write(const Values& values, const BackboneSpec& backbone,
                               const std::map<std::string, Tensor>& stored) const = 0;
};

}  // namespace peftbench
