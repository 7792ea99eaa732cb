#include "data/task/label_check.h"

#include "core/names.h"
#include "core/utf8.h"
#include "data/task/task_mixture.h"

#include <peftbench/error.h>

#include <algorithm>

namespace peftbench::data {

namespace {

// A word, what the vocabulary makes of it, and how an answer of these ids reads.
struct Word {
  std::string word, text;
  std::vector<std::int64_t> ids;
};

std::vector<Word> words_of(const TaskConfig& task, const Tokenizer& tokenizer) {
  std::vector<Word> words;
  for (const std::string& label : task.labels) {
    std::vector<std::int64_t> ids = tokenizer.encode(label);
    std::string text = tokenizer.decode(ids);
    words.push_back({label, std::move(text), std::move(ids)});
  }
  return words;
}

std::string pieces_text(const Word& word, const Tokenizer& tokenizer) {
  std::vector<std::string> pieces;
  for (const std::int64_t id : word.ids) pieces.push_back(tokenizer.piece(id));
  return join(pieces, " ");
}

void check_fit(const TaskConfig& task, const Word& word, std::int64_t most_tokens) {
  const auto tokens = static_cast<std::int64_t>(word.ids.size());
  if (tokens + 1 > task.max_target_tokens) {
    const std::string needed = std::to_string(tokens + 1);
    throw ConfigError({task.file.string() + ": a label word exceeds the target length limit",
                       "'" + word.word + "', " + needed + " tokens of this vocabulary with EOS",
                       "at most " + std::to_string(task.max_target_tokens) + ", the task's limits.target",
                       "raise it to " + needed + " there (in a run, --set task.max_target_tokens=" + needed +
                           " has the same effect), or choose a shorter word"});
  }
  if (most_tokens > 0 && tokens > most_tokens)
    throw ConfigError({task.file.string() + ": a label word exceeds the answer length limit",
                       "'" + word.word + "', " + std::to_string(tokens) + " tokens of this vocabulary",
                       "at most " + std::to_string(most_tokens) + ", the value of eval.max_tokens",
                       "set eval.max_tokens=0 to use the task's limit"});
}

void check_pair(const TaskConfig& task, const Word& a, const Word& b, const Tokenizer& tokenizer) {
  const bool same_ids = a.ids == b.ids;
  if (!same_ids && a.text != b.text && a.text != b.word && b.text != a.word) return;
  const std::string both = spelled(a.word) + " and " + spelled(b.word);
  const std::string remedy =
      "choose words that the vocabulary distinguishes; a map assigns other words to the values in the data: labels: {" +
      a.word + ": no, " + b.word + ": yes}";
  if (same_ids)
    throw ConfigError({task.file.string() + ": two label words are identical to the model",
                       both + ": both are the ids " + ids_text(a.ids) + " (" + pieces_text(a, tokenizer) + ")",
                       "different ids for each label word", remedy});
  throw ConfigError({task.file.string() + ": two label words cannot be distinguished in the model's answer",
                     both + ": the vocabulary writes them as '" + a.text + "', ids " + ids_text(a.ids) + ", and '" +
                         b.text + "', ids " + ids_text(b.ids),
                     "label words whose written forms differ", remedy});
}

}  // namespace

std::string ids_text(const std::vector<std::int64_t>& ids) {
  std::vector<std::string> texts;
  for (const std::int64_t id : ids) texts.push_back(std::to_string(id));
  return "[" + join(texts) + "]";
}

void check_labels(const TaskConfig& task, const Tokenizer& tokenizer, std::int64_t most_tokens) {
  for (const TaskConfig* part : parts_of(task)) {
    const std::vector<Word> words = words_of(*part, tokenizer);
    for (auto word = words.begin(); word != words.end(); ++word) {
      check_fit(*part, *word, most_tokens);
      for (auto earlier = words.begin(); earlier != word; ++earlier) check_pair(*part, *earlier, *word, tokenizer);
    }
  }
}

std::vector<std::string> label_warnings(const TaskConfig& task, const Tokenizer& tokenizer) {
  std::vector<std::string> warnings;
  for (const TaskConfig* part : parts_of(task)) {
    for (const Word& word : words_of(*part, tokenizer)) {
      const auto unknown = std::count(word.ids.begin(), word.ids.end(), tokenizer.unk_id());
      if (unknown == 0 && !word.ids.empty()) continue;
      const bool nothing = std::all_of(word.ids.begin(), word.ids.end(), [&](std::int64_t id) {
        return id == tokenizer.unk_id() || tokenizer.decode({id}).find_first_not_of(' ') == std::string::npos;
      });
      warnings.push_back("task '" + part->name + "': the vocabulary covers " + (nothing ? "no part" : "only a part") +
                         " of the label word " + spelled(word.word) + ", ids " + ids_text(word.ids) +
                         ": other unknown characters in its place" +
                         " count as this word; choose a word that the vocabulary covers");
    }
  }
  return warnings;
}

}  // namespace peftbench::data
