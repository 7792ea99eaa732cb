#include "adapters/seen_rows.h"

#include "core/ascii.h"
#include "core/names.h"
#include "data/task/task_mixture.h"

#include <functional>
#include <unordered_set>

namespace peftbench::adapters {
namespace {

// The fields' texts without white space, which tasks write in different places; what a template says beside them is
// not the row's.
std::size_t key_of(const TextExample& example) {
  std::string key;
  bool fields = false;
  for (const Piece& piece : example.input) fields = fields || !piece.name.empty();
  for (const Piece& piece : example.input) {
    if (fields && piece.name.empty()) continue;
    for (const char c : piece.text)
      if (!is_ascii_space(c)) key += c;
    key += '\n';
  }
  return std::hash<std::string>()(key);
}

}  // namespace

std::string seen_rows(const TaskData& trained, const TaskData& scored, const std::string& split) {
  const bool test = split == "test" && !scored.test.empty() && scored.test_labelled;
  const TextList& asked = test || scored.validation.empty() ? scored.test : scored.validation;
  std::unordered_set<std::size_t> questions;
  for (const TextExample& example : asked) questions.insert(key_of(example));
  std::unordered_set<std::size_t> found;
  for (const TaskData* part : parts_of(trained))
    for (const TextList* list : {&part->train, &part->validation})
      for (const TextExample& example : *list)
        if (const std::size_t key = key_of(example); questions.contains(key)) found.insert(key);
  if (found.empty()) return {};
  std::size_t seen = 0;
  for (const TextExample& example : asked) seen += found.contains(key_of(example));
  return with_thousands(static_cast<long long>(seen)) + " of the " +
         with_thousands(static_cast<long long>(asked.size())) + " rows of '" + scored.config.name +
         "' that are scored are also used to train or select on '" + trained.config.name + "'";
}

}  // namespace peftbench::adapters
