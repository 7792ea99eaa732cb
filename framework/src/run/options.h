#pragma once

#include "train/config.h"

#include <peftbench/method.h>

#include <string>

namespace peftbench {

// Everything of a run that is not a parameter of its method, under dotted keys: train.*, eval.*, task.*, backbone.*,
// init_from, seed, threads. The defaults of training and evaluation are those of their own structs.
const MethodSchema& run_options();

// The training configuration that these values of run_options() make.
TrainConfig train_config(const Values& options);

}  // namespace peftbench
