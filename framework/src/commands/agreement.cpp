#include "commands/agreement.h"

#include "core/first_line.h"
#include "core/hash.h"
#include "eval/prediction_file.h"

#include <peftbench/error.h>

#include <cstddef>

namespace peftbench::commands {
namespace {

struct SeedAnswers {
  std::vector<std::string> examples;  // where each stands
  std::vector<std::string> answers;
};

// A label by its number, so that it is the same however it was written; else the text.
std::string answer_of(const Prediction& prediction) {
  return prediction.label >= 0 ? "label " + std::to_string(prediction.label) : "text " + prediction.prediction;
}

// Throws DataError.
SeedAnswers answers_of_run(const StoredRun& run) {
  const fs::path file = run.folder.predictions();
  if (!file_exists(file)) throw DataError("there is no file " + file.string());
  const RunRecord record = run.record();
  if (sha256_file(file) != record.predictions_hash) throw DataError(file.string() + " was changed after the run");
  const PredictionFile read = read_predictions(file, record.task.labels);
  SeedAnswers result;
  for (std::size_t i = 0; i < read.predictions.size(); ++i) {
    const ExamplePlace& place = read.places.at(i);
    result.examples.push_back((place.index ? std::to_string(*place.index) : "") + " " + place.origin);
    result.answers.push_back(answer_of(read.predictions[i]));
  }
  return result;
}

}  // namespace

std::optional<double> mean_agreement(const std::vector<std::vector<std::string>>& answers) {
  double sum = 0;
  std::int64_t pairs = 0;
  for (std::size_t a = 0; a < answers.size(); ++a)
    for (std::size_t b = a + 1; b < answers.size(); ++b) {
      if (answers[a].empty() || answers[a].size() != answers[b].size()) return std::nullopt;
      std::int64_t alike = 0;
      for (std::size_t i = 0; i < answers[a].size(); ++i) alike += answers[a][i] == answers[b][i];
      sum += static_cast<double>(alike) / static_cast<double>(answers[a].size());
      ++pairs;
    }
  return pairs > 0 ? std::optional(sum / static_cast<double>(pairs)) : std::nullopt;
}

std::vector<std::string> add_agreement(std::vector<ComparisonRow>& rows, const StoredRuns& stored) {
  std::vector<std::string> faults;
  for (ComparisonRow& row : rows) {
    std::vector<std::string> examples;
    std::vector<std::vector<std::string>> answers;
    try {
      for (const SeedRun& seed : row.runs) {
        const StoredRun* run = stored.find(seed.id);
        if (!run || run->status != "finished") continue;
        SeedAnswers found = answers_of_run(*run);
        if (!answers.empty() && found.examples != examples) throw DataError("the runs answered different examples");
        examples = std::move(found.examples);
        answers.push_back(std::move(found.answers));
      }
      row.agreement = mean_agreement(answers);
    } catch (const UserError& fault) {
      faults.push_back("no agreement for " + row.label + " on " + row.task + ": " + first_line(fault.what()));
    }
  }
  return faults;
}

}  // namespace peftbench::commands
