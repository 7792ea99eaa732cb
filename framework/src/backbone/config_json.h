#pragma once

#include "backbone/layer.h"
#include "core/enum_names.h"
#include "core/files.h"

#include <peftbench/spec.h>

#include <string>
#include <string_view>

namespace peftbench::backbone {

// Sizes from the text of a Hugging Face config.json; `origin` names it in messages. Throws CheckpointError that
// lists every missing and invalid key. `tied` is what the file suggests: the weights decide (load.h). `generation`: the
// text of the generation_config.json beside it, whose ids of the start and the end of decoding are those in force.
BackboneSpec parse_config(std::string_view json, const std::string& origin, std::string_view generation = {});

// From <folder>/config.json and generation_config.json; the spec bears the folder's name.
BackboneSpec read_config(const fs::path& folder);

// What is out of the range of a believable T5, one line each; for sizes from any source.
std::vector<std::string> implausible(const BackboneSpec& spec);

}  // namespace peftbench::backbone

// In configs/backbones and in messages.
template <>
struct peftbench::EnumNames<peftbench::Activation> {
  static constexpr std::string_view names[] = {"relu", "gelu_tanh", "gelu", "silu"};
};
