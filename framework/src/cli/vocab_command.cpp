#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "core/names.h"
#include "pretrain/vocabulary.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace peftbench {

int vocab_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "vocab",
      "Trains a SentencePiece vocabulary in T5's layout: pad 0, EOS 1, unknown 2, then the pieces, then\n"
      "100 sentinels that need no room in the file. For `pretrain` (docs/pretraining.md).");
  std::vector<std::string> names;
  std::string out;
  VocabularyOptions options;
  CLI::App& app = arguments.app();
  app.add_option("TEXT", names, "names of fetched texts (`peft-bench tasks --recipes`), files or folders of documents")
      ->required()
      ->type_name("");
  app.add_option("--size", options.pieces, "pieces, pad, EOS and unknown among them, sentinels not")->required();
  app.add_option("--out", out, "the file to write: spiece.model in a model's folder")->required()->type_name("FILE");
  app.add_option("--sentences", options.sentences, "learn from at most N sentences, a random sample")
      ->capture_default_str();
  app.add_option("--seed", options.seed, "of the sample")->capture_default_str();
  arguments.add_places();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  std::vector<Documents> texts;
  for (const std::string& name : names) texts.push_back(find_text(name, arguments.places().data));
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
        "learnt from {} of the {} sentences in {} documents; {:.2f} characters of them a token\n",
        out, with_thousands(options.pieces), with_thousands(options.pieces), with_thousands(options.pieces + 99),
        with_thousands(outcome.learnt_from), with_thousands(outcome.sentences), with_thousands(outcome.documents),
        outcome.characters_per_token));
  }
  return 0;
}

}  // namespace peftbench
