#pragma once

// Texts and corpora for the tests of pre-training.
#include "pretrain/corpus.h"
#include "support/layers.h"
#include "support/program.h"

#include <memory>
#include <string>
#include <vector>

namespace peftbench::testing_support {

using namespace layers;

inline std::shared_ptr<const Tokenizer> nano_tokenizer() {
  static const auto tokenizer =
      Tokenizer::load(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets/backbones/t5-nano-lm/spiece.model");
  return tokenizer;
}

// Document i says who it is, so that none is like another, and has i % 40 further words.
inline std::string document(int i) {
  static const char* words[] = {"sea", "whale", "ship", "captain", "the", "of", "water", "and", "wind", "morning"};
  std::string text = "Document " + std::to_string(i);
  for (int w = 0; w < i % 40; ++w) text += std::string(" ") + words[(i * 7 + w * w) % 10];
  return text + ".";
}

inline std::string jsonl(int first, int last) {
  std::string lines;
  for (int i = first; i < last; ++i) lines += "{\"text\": \"" + document(i) + "\"}\n";
  return lines;
}

inline std::shared_ptr<const Corpus> corpus_of(const Scratch& scratch, const std::string& name, const std::string& text,
                                               int threads = 1) {
  const fs::path file = scratch.write(name, text);
  return Corpus::open({name, {file}}, *nano_tokenizer(), {scratch.path() / "cache", threads, nullptr});
}

inline std::vector<int64_t> ids_of(const Corpus& corpus, int64_t document) {
  std::vector<int64_t> ids;
  corpus.append(document, 0, corpus.length(document), ids);
  return ids;
}

}  // namespace peftbench::testing_support
