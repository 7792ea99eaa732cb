#pragma once

#include "backbone/backbone.h"
#include "backbone/layer.h"
#include "core/files.h"
#include "plan/compiled_plan.h"

#include <peftbench/spec.h>

#include <functional>
#include <map>
#include <string>

namespace peftbench::backbone {

// config.json as Hugging Face's T5Config reads it; read_config gives the same sizes back.
std::string config_json(const BackboneSpec& spec, Precision precision);
std::string generation_config_json(const BackboneSpec& spec);

// The tensors in this precision, contiguous.
TensorMap converted(const TensorMap& tensors, Precision precision);

// What a Hugging Face folder holds.
struct ModelFiles {
  std::string config;                         // of config.json
  const TensorMap& tensors;                   // of model.safetensors, in the precision in which they are written
  std::map<std::string, std::string> others;  // by name: spiece.model, generation_config.json, …
};

// What belongs to a vocabulary, by the names that such a folder gives it: the spiece.model, and of the files beside it
// those that add or name pieces. Those that are not there are left out.
std::map<std::string, std::string> vocabulary_files(const fs::path& spiece_model);

// Writes the folder, each file as a whole, and returns that of the weights. config.json comes last, after `check`,
// which may throw: without it the folder is not a model. A config.json of another model is removed first.
fs::path write_model_folder(const fs::path& folder, const ModelFiles& files, const std::function<void()>& check = {});

}  // namespace peftbench::backbone
