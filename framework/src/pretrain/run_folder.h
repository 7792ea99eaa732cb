#pragma once

#include "core/files.h"
#include "core/progress.h"
#include "formats/safetensors.h"
#include "pretrain/config.h"
#include "pretrain/layer.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>

namespace peftbench::pretrain {

// What lies in the folder of a pre-training run, from earlier processes.

// Files that a killed process had begun to write.
void remove_unfinished_files(const fs::path& out, const PretrainConfig& config);

// Throws ConfigError naming the settings in which `identity` differs from that in `file`, which an earlier process
// left.
void refuse_other_settings(const fs::path& file, const nlohmann::json& identity);

// Throws away what earlier processes left. Call under the folder's lock.
void clear_run(const fs::path& out, const PretrainConfig& config);

// A whole model in this precision.
bool holds_model(const fs::path& folder, Precision stored);

// A model of these weights and this vocabulary, to the bit.
bool holds_model(const fs::path& folder, Precision stored, const TensorMap& weights, const fs::path& vocabulary);

// Notes the snapshots that this run cannot write any more, since it has passed their step.
void note_missed_snapshots(const fs::path& out, const PretrainConfig& config, std::int64_t step, ProgressSink& notes);

}  // namespace peftbench::pretrain
