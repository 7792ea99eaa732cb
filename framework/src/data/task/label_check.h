#pragma once

#include "data/layer.h"
#include "data/task/task.h"
#include "text/tokenizer.h"

#include <cstdint>
#include <string>
#include <vector>

namespace peftbench::data {

// Label words as a model that writes its answers sees them. Of a mixture those of each task.

// Throws ConfigError if a word and its EOS are more than the task's limit of targets (what is cut off could never be
// answered), where a word is longer than answers may become (`most_tokens`; 0: no limit), and where two words of a task
// are identical to the model: they have the same ids, or one equals the decoded form of the other.
void check_labels(const TaskConfig& task, const Tokenizer& tokenizer, std::int64_t most_tokens = 0);

// A warning for each word that has characters which the vocabulary lacks.
std::vector<std::string> label_warnings(const TaskConfig& task, const Tokenizer& tokenizer);

std::string ids_text(const std::vector<std::int64_t>& ids);  // "[19, 2]"

}  // namespace peftbench::data
