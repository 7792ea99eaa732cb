#pragma once

#include "core/layer.h"

// Keys of options that other code than their owner (config/options.h) refers to, in configurations and in records.
namespace peftbench::core::option_key {

inline constexpr const char* task = "task.name";
inline constexpr const char* max_input_tokens = "task.max_input_tokens";
inline constexpr const char* max_target_tokens = "task.max_target_tokens";
inline constexpr const char* prefix = "task.prefix";
inline constexpr const char* sentinel = "task.sentinel";
inline constexpr const char* backbone = "backbone.name";
inline constexpr const char* backend = "backbone.backend";
inline constexpr const char* init_from = "init_from";
inline constexpr const char* continue_from = "continue_from";
inline constexpr const char* split = "eval.split";
inline constexpr const char* eval_tasks = "eval.tasks";
inline constexpr const char* label_map = "eval.label_map";
inline constexpr const char* eval_batch_size = "eval.batch_size";
inline constexpr const char* mode = "eval.mode";
inline constexpr const char* beams = "eval.beams";
inline constexpr const char* length_penalty = "eval.length_penalty";
inline constexpr const char* max_tokens = "eval.max_tokens";
inline constexpr const char* rank_score = "eval.rank_score";
inline constexpr const char* keep_inputs = "eval.keep_inputs";
inline constexpr const char* tensorboard = "log.tensorboard";
inline constexpr const char* steps = "train.steps";
inline constexpr const char* learning_rate = "train.learning_rate";
inline constexpr const char* seed = "seed";
inline constexpr const char* threads = "threads";
inline constexpr const char* device = "device.name";
inline constexpr const char* tf32 = "device.tf32";
inline constexpr const char* deterministic = "device.deterministic";
// Of the runs of a search alone, and no option of others.
inline constexpr const char* trial = "search.trial";

inline constexpr const char* all[] = {task,
                                      max_input_tokens,
                                      max_target_tokens,
                                      prefix,
                                      sentinel,
                                      backbone,
                                      init_from,
                                      split,
                                      eval_tasks,
                                      label_map,
                                      eval_batch_size,
                                      mode,
                                      beams,
                                      length_penalty,
                                      max_tokens,
                                      rank_score,
                                      keep_inputs,
                                      tensorboard,
                                      steps,
                                      learning_rate,
                                      seed,
                                      threads,
                                      device,
                                      tf32,
                                      deterministic,
                                      continue_from};

}  // namespace peftbench::core::option_key
