#pragma once

#include "backbone/backbone.h"
#include "core/files.h"
#include "plan/compiled_plan.h"

#include <peftbench/spec.h>

#include <string>
#include <string_view>

namespace peftbench {

// "bfloat16", "float32": as Hugging Face and configurations write them.

// config.json as Hugging Face's T5Config reads it; read_config gives the same sizes back.
std::string config_json(const BackboneSpec& spec, Precision precision);

// A Hugging Face folder of the tensors: model.safetensors, config.json, generation_config.json, and a copy of the
// vocabulary. Each file is replaced as a whole.
void write_model_folder(const fs::path& folder, const BackboneSpec& spec, const TensorMap& tensors, Precision precision,
                        const fs::path& spiece_model);

}  // namespace peftbench
