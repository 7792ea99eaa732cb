#pragma once

#include "train/config.h"

#include <peftbench/method.h>

#include <string>

#include <optional>
#include <string>
#include <string_view>

namespace peftbench {

// Everything of a run that is not a parameter of its method, under dotted keys: train.*, eval.*, task.*, backbone.*,
// init_from, seed, threads. The defaults of training and evaluation are those of their own structs.
const MethodSchema& run_options();

// The setting that the field knows by another word: lr is train.learning_rate. Nothing for words that are no such one.
std::optional<std::string> setting_of_alias(std::string_view word);

// The training configuration that these values of run_options() make.
TrainConfig train_config(const Values& options);

}  // namespace peftbench
