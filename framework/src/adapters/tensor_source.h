#pragma once

#include "adapters/layer.h"
#include "core/files.h"
#include "plugin/finder.h"

#include <peftbench/spec.h>
#include <peftbench/tensor.h>

#include <functional>
#include <string>

namespace peftbench::adapters {

// What reads adapters of other programs: the methods' own formats, for a backbone.
struct AdapterReaders {
  const PluginFinder& finder;
  const BackboneSpec& backbone;
};

// A tensor by a parameter's name from what holds trained values: a .npy file (of one tensor), a .safetensors file, an
// adapter's or checkpoint's folder of ours, or a Hugging Face adapter's, which the method that knows its format reads.
// `parameter` may be several names separated by '|', of which the first found is taken; where the file holds one tensor
// only, its name does not matter. fp32, a copy. Throws CheckpointError that lists what there is.
Tensor read_parameter(const fs::path& path, const std::string& parameter, const AdapterReaders& readers,
                      const std::function<void(std::string)>& warn);

}  // namespace peftbench::adapters
