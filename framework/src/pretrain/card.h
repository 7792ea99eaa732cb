#pragma once

#include "core/files.h"
#include "pretrain/config.h"
#include "pretrain/layer.h"

#include <cstdint>
#include <string>
#include <vector>

namespace peftbench::pretrain {

// What a model's card tells beyond the configuration.
struct CardFacts {
  struct Text {
    std::string name;
    std::int64_t documents = 0, tokens = 0;
    double weight = 1;
  };
  struct Task {
    std::string name, summary;
    std::int64_t examples = 0;
    double rate = 0;
  };
  std::vector<Text> text;
  std::vector<Task> tasks;
  BackboneSpec spec;
  std::int64_t step = 0, tokens = 0;
  std::string hardware;
  double seconds = 0;     // wall, of all processes
  std::string from_card;  // README.md of the model that this one goes on from; may be empty
};

// README.md and loss.svg beside a model, from the run's log up to its step.
void write_card(const fs::path& folder, const std::string& name, const PretrainConfig& config, const CardFacts& facts,
                const fs::path& log);

}  // namespace peftbench::pretrain
