#include "pretrain/vocabulary.h"

#include "core/names.h"
#include "core/random.h"
#include "core/utf8.h"
#include "core/write_files.h"
#include "text/tokenizer.h"

#include <peftbench/error.h>

#include <sentencepiece_trainer.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace peftbench::pretrain {

namespace {

// SentencePiece leaves out what is longer than 4,192 bytes.
constexpr std::size_t longest_sentence = 4000;
constexpr std::size_t sentences_to_measure = 2000;
constexpr int64_t most_pieces = 1'000'000;

// The lines of a document, long ones cut at spaces.
template <class Take>
void for_each_sentence(std::string_view text, const Take& take) {
  while (!text.empty()) {
    const std::size_t line = std::min(text.find('\n'), text.size());
    std::size_t end = line;
    if (line > longest_sentence) {
      end = text.rfind(' ', longest_sentence);
      if (end == std::string_view::npos || end == 0) {
        end = character_boundary(text, longest_sentence);
      }
    }
    const std::string_view sentence = text.substr(0, end);
    if (sentence.find_first_not_of(" \t\r\f\v") != std::string_view::npos) take(sentence);
    text.remove_prefix(std::min(end + (end == line ? 1 : 0), text.size()));
  }
}

// Keeps each of the sentences given so far with the same chance (Vitter's algorithm R).
class Sample {
 public:
  Sample(int64_t limit, uint64_t seed) : limit_(static_cast<uint64_t>(limit)), random_(seed) {}
  void add(std::string_view sentence) {
    if (seen_++ < limit_) {
      kept_.emplace_back(seen_, sentence);
    } else if (const uint64_t place = random_.below(seen_); place < limit_) {
      kept_[place] = {seen_, std::string(sentence)};
    }
  }
  uint64_t seen() const { return seen_; }
  // In the order of the text.
  std::vector<std::string> take() {
    std::sort(kept_.begin(), kept_.end());
    std::vector<std::string> sentences;
    for (auto& [place, sentence] : kept_) sentences.push_back(std::move(sentence));
    kept_.clear();
    return sentences;
  }

 private:
  uint64_t limit_, seen_ = 0;
  Random random_;
  std::vector<std::pair<uint64_t, std::string>> kept_;
};

class Sentences final : public sentencepiece::SentenceIterator {
 public:
  explicit Sentences(const std::vector<std::string>& sentences) : sentences_(sentences) {}
  bool done() const override { return at_ == sentences_.size(); }
  void Next() override { ++at_; }
  const std::string& value() const override { return sentences_[at_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const std::vector<std::string>& sentences_;
  std::size_t at_ = 0;
};

// The number behind `before` in a message of SentencePiece; 0 where it is not there.
int64_t number_after(const std::string& message, std::string_view before) {
  const std::size_t at = message.find(before);
  return at == std::string::npos ? 0 : std::strtoll(message.c_str() + at + before.size(), nullptr, 10);
}

[[noreturn]] void refuse(const std::string& message, int64_t pieces) {
  const std::string what = "SentencePiece cannot make " + with_thousands(pieces) + " pieces of this text";
  if (const int64_t most = number_after(message, "set it to a value <= "); most > 0) {
    throw DataError(Problem{what, "enough text for at most " + with_thousands(most) + " pieces",
                            "more text, or fewer pieces", "add more text, or use --size " + std::to_string(most)});
  }
  if (const int64_t least = number_after(message, " vs ");
      least > 0 && message.find("required_chars") != std::string::npos) {
    throw DataError(Problem{what, with_thousands(least) + " required characters and special pieces",
                            "more pieces than that", "use a --size well above " + std::to_string(least)});
  }
  throw DataError(
      Problem{.what = what, .found = printable(message, 400), .remedy = "add more text, or use another --size"});
}

std::string train(const std::vector<std::string>& sentences, int64_t pieces) {
  // What T5's spiece.model says of its own training. The number of threads decides how sums are rounded, so it does
  // not follow the machine.
  const std::unordered_map<std::string, std::string> settings = {{"model_type", "unigram"},
                                                                 {"vocab_size", std::to_string(pieces)},
                                                                 {"pad_id", "0"},
                                                                 {"eos_id", "1"},
                                                                 {"unk_id", "2"},
                                                                 {"bos_id", "-1"},
                                                                 {"normalization_rule_name", "nmt_nfkc"},
                                                                 {"character_coverage", "0.9995"},
                                                                 {"shuffle_input_sentence", "false"},
                                                                 {"num_threads", "16"},
                                                                 {"minloglevel", "3"}};
  Sentences iterator(sentences);
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(settings, &iterator, &model);
  if (status.ok() && !model.empty()) return model;
  refuse(status.ToString(), pieces);
}

double characters_per_token(const Tokenizer& tokenizer, const std::vector<std::string>& sentences) {
  const std::size_t step = std::max<std::size_t>(sentences.size() / sentences_to_measure, 1);
  std::size_t characters = 0, tokens = 0;
  for (std::size_t i = 0; i < sentences.size(); i += step) {
    characters += sentences[i].size() - static_cast<std::size_t>(std::count_if(sentences[i].begin(), sentences[i].end(),
                                                                               continues_character));
    tokens += tokenizer.encode(sentences[i]).size();
  }
  return static_cast<double>(characters) / static_cast<double>(std::max<std::size_t>(tokens, 1));
}

void check(const fs::path& file, const VocabularyOptions& options) {
  if (options.pieces < 4 || options.pieces > most_pieces) {
    throw ConfigError(Problem{.what = "invalid vocabulary size",
                              .found = with_thousands(options.pieces),
                              .expected = "4 to " + with_thousands(most_pieces) + "; T5 uses 32,000"});
  }
  if (options.sentences < 1) {
    throw ConfigError(Problem{
        .what = "no sentences to train on", .found = std::to_string(options.sentences), .expected = "1 or more"});
  }
  if (fs::exists(file)) {
    throw ConfigError(Problem{file.string() + " already exists", "models trained with it could no longer use it",
                              "a new file", "remove it first, or use another --out"});
  }
}

}  // namespace

VocabularyOutcome train_vocabulary(const std::vector<Documents>& texts, const fs::path& file,
                                   const VocabularyOptions& options) {
  check(file, options);
  ProgressSink& progress = options.progress != nullptr ? *options.progress : silent_progress();
  VocabularyOutcome outcome;
  Sample sample(options.sentences, stream_seed(options.seed, "vocabulary sample"));
  for (const Documents& text : texts) {
    for (DocumentReader reader(text); reader.next(); ++outcome.documents) {
      for_each_sentence(reader.text(), [&](std::string_view sentence) { sample.add(sentence); });
      if (outcome.documents % 1000 == 0) progress.update({"read " + text.name, outcome.documents, 0, ""});
    }
  }
  outcome.sentences = static_cast<int64_t>(sample.seen());
  const std::vector<std::string> sentences = sample.take();
  outcome.learnt_from = static_cast<int64_t>(sentences.size());
  if (sentences.empty())
    throw DataError(Problem{.what = "the texts are empty", .found = "no words", .expected = "documents"});
  progress.update(
      {"train the vocabulary", 0, 0,
       with_thousands(options.pieces) + " pieces from " + with_thousands(outcome.learnt_from) + " sentences"});
  const std::string model = train(sentences, options.pieces);
  if (file.has_parent_path()) make_folder(file.parent_path());
  write_atomically(file, model);
  outcome.characters_per_token = characters_per_token(*Tokenizer::load(file), sentences);
  return outcome;
}

}  // namespace peftbench::pretrain
