#pragma once

#include "results/layer.h"
#include "results/run_record.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace peftbench::results {

// Whether a setting decides how runs are scored. Rows of one table must agree in it: a method brings settings of its
// training, and never one of these.
bool decides_evaluation(std::string_view key);

// How runs are scored: the values of such settings, by key.
using EvaluationSettings = std::map<std::string, std::string>;

// Of a configuration as a record has it. What has no effect is left out: rank_score of answers that are generated.
EvaluationSettings evaluation_of(const Json& config);

// What `one` has otherwise than `common`: "eval.mode=rank (else greedy)".
std::vector<std::string> differences(const EvaluationSettings& one, const EvaluationSettings& common);

// How a record's answers came about: "generated", "generated, 4 beams", "ranked by mean", "classes of a head".
std::string answers_text(const RunRecord& record);
// The same, of the record's `answers` and the evaluation of its configuration.
std::string answers_text(const std::string& answers, const EvaluationSettings& settings);

// Whether two configurations have the same evaluation, quickly: false also where they might.
bool evaluated_alike(const Json& one, const Json& other);

}  // namespace peftbench::results
