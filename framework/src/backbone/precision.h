#pragma once

#include "backbone/layer.h"
#include "core/enum_names.h"

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <string_view>

namespace peftbench::backbone {

// What computes the layers: LibTorch's operators, or kernels of our own and packed weights where there are such.
enum class Backend { reference, fast };
// The setting. `automatic`: fast on the CPU, reference elsewhere.
enum class BackendChoice { automatic, reference, fast };

inline Backend resolve(BackendChoice choice, c10::Device device) {
  if (choice == BackendChoice::automatic) return device.is_cpu() ? Backend::fast : Backend::reference;
  return choice == BackendChoice::fast ? Backend::fast : Backend::reference;
}

enum class Precision { float32, bfloat16 };  // of the frozen weights; norms, softmax, logits and parameters are fp32

inline at::ScalarType type_of(Precision precision) {
  return precision == Precision::bfloat16 ? at::kBFloat16 : at::kFloat;
}

// How the linear maps of the blocks are kept. The head, embeddings, norms and relative biases never are quantised.
enum class Quantization {
  none,
  nf4,   // QLoRA's: 4 bits a weight and a scale for 64 of them, the scales in 8 bits themselves
  int8,  // 8 bits a weight and a scale for each output row
};

}  // namespace peftbench::backbone

template <>
struct peftbench::EnumNames<peftbench::backbone::Backend> {
  static constexpr std::string_view names[] = {"reference", "fast"};
};
template <>
struct peftbench::EnumNames<peftbench::backbone::BackendChoice> {
  static constexpr std::string_view names[] = {"auto", "reference", "fast"};
};
template <>
struct peftbench::EnumNames<peftbench::backbone::Precision> {
  static constexpr std::string_view names[] = {"float32", "bfloat16"};
};
template <>
struct peftbench::EnumNames<peftbench::backbone::Quantization> {
  static constexpr std::string_view names[] = {"none", "nf4", "int8"};
};
