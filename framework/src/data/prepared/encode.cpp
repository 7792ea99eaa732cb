#include "data/prepared/encode.h"

#include "core/parallel.h"
#include "core/utf8.h"

#include <peftbench/error.h>

#include <algorithm>
#include <string>
#include <utility>

namespace peftbench::data {

namespace {

// Consecutive pieces of one kind, tokenized: text that is adjacent is one string.
struct Run {
  Piece::Kind kind;
  std::vector<int64_t> ids;  // of text and tokens
  int64_t slots = 0;
  std::size_t first = 0, last = 0;  // the pieces it holds
};

class Encoder {
 public:
  Encoder(const Tokenize& tokenize, const EncodeLimits& limits, int64_t pad_id, int64_t eos_id)
      : tokenize_(tokenize), limits_(limits), pad_id_(pad_id), eos_id_(eos_id) {}

  EncodedExample encode(std::vector<Piece> pieces, const TextExample& example, Cut& cut) const {
    EncodedExample encoded;
    EncodedInput input = encode_input(std::move(pieces), cut);
    encoded.input = std::move(input.ids);
    encoded.slots = std::move(input.slots);
    encoded.target = limits_.target_prefix;
    std::vector<int64_t> target = tokenize_(example.target);
    cut.target_tokens = static_cast<int64_t>(target.size()) + 1;
    cut.target = cut.target_tokens > limits_.max_target_tokens;
    if (cut.target) {
      target.resize(static_cast<std::size_t>(std::max<int64_t>(limits_.max_target_tokens - 1, 0)));
    }
    encoded.target.insert(encoded.target.end(), target.begin(), target.end());
    encoded.target.push_back(eos_id_);
    encoded.label = example.label;
    return encoded;
  }

  EncodedInput encode_input(std::vector<Piece> pieces, Cut& cut) const {
    EncodedInput input;
    fill_input(fit(std::move(pieces), cut), input);
    return input;
  }

 private:
  std::vector<Run> tokenize(const std::vector<Piece>& pieces) const {
    std::vector<Run> runs;
    std::string text;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const Piece& piece = pieces[i];
      const bool joins = piece.kind == Piece::Kind::text && !runs.empty() && runs.back().kind == Piece::Kind::text;
      if (!joins) runs.push_back({piece.kind, piece.tokens, piece.slots, i, i});
      runs.back().last = i;
      text += piece.text;
      const bool more = i + 1 < pieces.size() && pieces[i + 1].kind == Piece::Kind::text;
      if (piece.kind == Piece::Kind::text && !more) runs.back().ids = tokenize_(text);
      if (!more) text.clear();
    }
    return runs;
  }

  static int64_t count(const std::vector<Run>& runs) {
    int64_t total = 0;
    for (const Run& run : runs) total += static_cast<int64_t>(run.ids.size());
    return total;
  }

  // Cuts fields from the last one back, so that the template's own words (a question, a sentinel) stay; where they
  // alone are too long, the end of the text.
  std::vector<Run> fit(std::vector<Piece> pieces, Cut& cut) const {
    const int64_t room = limits_.max_input_tokens - 1;  // EOS takes one
    std::vector<Run> runs = tokenize(pieces);
    if (count(runs) <= room) return runs;
    cut.input = true;
    const auto lose = [&](const Piece& piece) {  // once, also where several copies of the input lose it
      if (std::find(cut.lost.begin(), cut.lost.end(), piece.name) == cut.lost.end()) cut.lost.push_back(piece.name);
    };
    for (std::size_t i = pieces.size(); i > 0 && count(runs) > room; --i) {
      Piece& piece = pieces[i - 1];
      if (piece.kind != Piece::Kind::text || piece.name.empty()) continue;
      const auto run =
          std::find_if(runs.begin(), runs.end(), [&](const Run& r) { return i - 1 >= r.first && i - 1 <= r.last; });
      if (run->last == i - 1 && cut_ids(*run, pieces, count(runs) - room)) {
        if (run->ids.size() == before(*run, pieces)) lose(piece);
        return runs;
      }
      const bool there = !piece.text.empty();
      shorten(pieces, i - 1, room);
      if (there && piece.text.empty()) lose(piece);
      runs = tokenize(pieces);
    }
    for (auto run = runs.rbegin(); run != runs.rend() && count(runs) > room; ++run) {
      const auto surplus = static_cast<std::size_t>(count(runs) - room);
      run->ids.resize(run->ids.size() - std::min(surplus, run->ids.size()));
    }
    return runs;
  }

  // Ids of what stands before the last piece of a run.
  std::size_t before(const Run& run, const std::vector<Piece>& pieces) const {
    std::string text;
    for (std::size_t i = run.first; i < run.last; ++i) text += pieces[i].text;
    return tokenize_(text).size();
  }

  // A field at the end of its run: its surplus ids go, as when a tokenizer truncates. False if it has too few.
  bool cut_ids(Run& run, const std::vector<Piece>& pieces, int64_t surplus) const {
    if (static_cast<int64_t>(run.ids.size()) - surplus < static_cast<int64_t>(before(run, pieces))) return false;
    run.ids.resize(run.ids.size() - static_cast<std::size_t>(surplus));
    return true;
  }

  // A field that words follow: the longest beginning of it that fits, none if even that does not.
  void shorten(std::vector<Piece>& pieces, std::size_t index, int64_t room) const {
    const std::string whole = pieces[index].text;
    const auto fits = [&](std::size_t bytes) {
      pieces[index].text = whole.substr(0, character_boundary(whole, bytes));
      return count(tokenize(pieces)) <= room;
    };
    std::size_t low = 0, high = whole.size();  // low fits or is 0, high does not
    while (low + 1 < high) {
      const std::size_t middle = (low + high) / 2;
      (fits(middle) ? low : high) = middle;
    }
    fits(low);
  }

  void fill_input(const std::vector<Run>& runs, EncodedInput& encoded) const {
    int64_t next_slot = 0;
    std::vector<int64_t>& input = encoded.ids;
    std::vector<int64_t>& slots = encoded.slots;
    for (const Run& run : runs) {
      input.insert(input.end(), run.ids.begin(), run.ids.end());
      slots.resize(input.size(), -1);
      for (int64_t i = 0; i < run.slots; ++i) {
        input.push_back(pad_id_);
        slots.push_back(next_slot++);
      }
    }
    input.push_back(eos_id_);
    slots.push_back(-1);
    if (next_slot == 0) slots.clear();
  }

  const Tokenize& tokenize_;
  const EncodeLimits& limits_;
  int64_t pad_id_, eos_id_;
};

void check(const std::vector<Piece>& pieces) {
  for (const Piece& piece : pieces) {
    const bool negative_id = std::any_of(piece.tokens.begin(), piece.tokens.end(), [](int64_t id) { return id < 0; });
    if (piece.slots >= 0 && !negative_id) continue;
    throw ConfigError(Problem{"invalid input layout of the method",
                              negative_id ? "a negative token id" : "a negative number of slots",
                              "token ids and numbers of slots of 0 or more", "fix LayoutHook::arrange of the method"});
  }
}

constexpr std::size_t examples_at_once = 4096;  // laid out before they are tokenized

}  // namespace

EncodedInput arrange_ids(const std::vector<int64_t>& ids, const LayoutHook& hook, const Tokenize& tokenize,
                         int64_t pad_id, int64_t eos_id) {
  if (ids.empty() || ids.back() != eos_id) {
    throw DataError({"the method changes the input layout, which needs EOS at the end of the sequence",
                     "a row of ids without EOS", "id " + std::to_string(eos_id) + " at the end of each row", "add it"});
  }
  TextExample example;
  example.input = {Piece::of_tokens({ids.begin(), ids.end() - 1})};
  const auto tokens = [&](const std::string& text) { return static_cast<int64_t>(tokenize(text).size()); };
  constexpr int64_t no_limit = int64_t{1} << 40;  // what came as ids is not cut
  std::vector<Piece> pieces = hook.arrange({example, {}, tokens, no_limit, 0, 0});
  check(pieces);
  Cut nothing;
  return Encoder(tokenize, {no_limit, no_limit}, pad_id, eos_id).encode_input(std::move(pieces), nothing);
}

std::vector<EncodedExample> encode_all(const std::vector<TextExample>& examples, const Tokenizer& tokenizer,
                                       const EncodeLimits& limits, const Arrangement& arrangement, int64_t pad_id,
                                       int64_t eos_id, int threads, std::vector<Cut>* cuts) {
  static const std::vector<TextExample> none;
  const std::vector<TextExample>& training_set = arrangement.training_set ? *arrangement.training_set : none;
  const Tokenize tokenize = [&](const std::string& text) { return tokenizer.encode(text); };
  const Encoder encoder(tokenize, limits, pad_id, eos_id);
  const auto tokens = [&](const std::string& text) { return static_cast<int64_t>(tokenize(text).size()); };
  const auto copies = static_cast<std::size_t>(arrangement.replicas);
  std::vector<EncodedExample> result(examples.size());
  std::vector<Cut> own;
  std::vector<Cut>& of_each = cuts ? *cuts : own;
  of_each.assign(examples.size(), {});
  for (std::size_t first = 0; first < examples.size(); first += examples_at_once) {
    const std::size_t count = std::min(examples_at_once, examples.size() - first);
    std::vector<std::vector<Piece>> arranged;  // of each example its copies
    for (std::size_t i = first; arrangement.hook && i < first + count; ++i) {
      for (std::size_t copy = 0; copy < copies; ++copy) {
        arranged.push_back(arrangement.hook->arrange({examples[i], training_set, tokens, limits.max_input_tokens,
                                                      static_cast<int64_t>(copy), arrangement.seed}));
        check(arranged.back());
      }
    }
    in_parallel(count, threads, [&](std::size_t i) {
      const TextExample& example = examples[first + i];
      EncodedExample& encoded = result[first + i];
      if (!arrangement.hook) {
        encoded = encoder.encode(example.input, example, of_each[first + i]);
        return;
      }
      encoded = encoder.encode(std::move(arranged[i * copies]), example, of_each[first + i]);
      for (std::size_t copy = 1; copy < copies; ++copy)
        encoded.replicas.push_back(encoder.encode_input(std::move(arranged[i * copies + copy]), of_each[first + i]));
    });
  }
  return result;
}

}  // namespace peftbench::data
