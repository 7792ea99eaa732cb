#pragma once

#include "results/layer.h"

// The files of an adapter's folder: ours, and those of Hugging Face PEFT.
namespace peftbench::results::adapter_file {

inline constexpr const char* description = "adapter.json";
inline constexpr const char* tensors = "adapter.safetensors";
inline constexpr const char* array = "adapter.npy";  // of other programs, one tensor alone

inline constexpr const char* peft_config = "adapter_config.json";
inline constexpr const char* peft_weights = "adapter_model.safetensors";
inline constexpr const char* peft_older_weights = "adapter_model.bin";

}  // namespace peftbench::results::adapter_file
