#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "core/names.h"
#include "pretrain/vocabulary.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace peftbench::cli {

int vocab_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "vocab",
      "Trains a SentencePiece vocabulary in T5's layout: pad 0, EOS 1, unknown 2, then the pieces, then\n"
      "100 sentinels, which are not stored in the file. For `pretrain` (docs/pretraining.md).");
  std::vector<std::string> names;
  std::string out;
  VocabularyOptions options;
  CLI::App& app = arguments.app();
  app.add_option("TEXT", names,
                 "names of downloaded texts (`peft-bench tasks --recipes`), or files or folders of documents")
      ->required()
      ->type_name("");
  app.add_option("--size", options.pieces, "number of pieces, including pad, EOS and unknown, without sentinels")
      ->required();
  app.add_option("--out", out, "the file to write: spiece.model in a model folder")->required()->type_name("FILE");
  app.add_option("--sentences", options.sentences, "train on a random sample of at most N sentences")
      ->capture_default_str();
  app.add_option("--seed", options.seed, "random seed of the sample")->capture_default_str();
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  std::vector<Documents> texts;
  for (const std::string& name : names) texts.push_back(find_text(name, arguments.paths().data));
  ConsoleProgress progress;
  options.progress = &progress;
  const VocabularyOutcome outcome = train_vocabulary(texts, out, options);
  progress.clear();
  if (arguments.json()) {
    print_json(nlohmann::ordered_json{{"file", out},
                                      {"pieces", options.pieces},
                                      {"sentinels", 100},
                                      {"documents", outcome.documents},
                                      {"sentences", outcome.sentences},
                                      {"learnt_from", outcome.learnt_from},
                                      {"characters_per_token", outcome.characters_per_token}});
  } else {
    print(fmt::format(
        "wrote {}: {} pieces, and the sentinels {} to {}\n"
        "trained on {} of the {} sentences in {} documents; {:.2f} characters per token\n",
        out, with_thousands(options.pieces), with_thousands(options.pieces), with_thousands(options.pieces + 99),
        with_thousands(outcome.learnt_from), with_thousands(outcome.sentences), with_thousands(outcome.documents),
        outcome.characters_per_token));
  }
  return 0;
}

}  // namespace peftbench::cli
