#include "backbone/generation.h"

#include "backbone/decode_cache.h"
#include "backbone/finite.h"

#include <peftbench/error.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/topk.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

namespace peftbench::backbone {
namespace {

using Ids = std::vector<int64_t>;

Tensor to_tensor(Ids ids) { return at::from_blob(ids.data(), {static_cast<int64_t>(ids.size())}, at::kLong).clone(); }

// Logits of the next token for every living sequence, cut to the ids that may be produced.
class Decoder {
 public:
  Decoder(const Backbone& backbone, const EncoderState& encoder, const CompiledPlan& plan, int64_t vocabulary)
      : backbone_(backbone), plan_(plan), vocabulary_(vocabulary), cache_(backbone.begin_decoding(encoder)) {}

  // `alive`: the sequence that each run of `ids.size() / alive.size()` ids belongs to.
  Tensor next(Ids ids, const Ids& alive) {
    const auto each = static_cast<int64_t>(ids.size() / alive.size());
    const Tensor logits = [&] {
      try {
        return backbone_.decode_step(*cache_, to_tensor(std::move(ids)), plan_, context_);
      } catch (const NotFiniteError& error) {
        throw error.at(alive[static_cast<std::size_t>(error.place() / each)]);
      }
    }();
    return vocabulary_ > 0 && vocabulary_ < logits.size(1) ? logits.narrow(1, 0, vocabulary_) : logits;
  }
  void select(const Ids& sequences) { cache_->select(sequences); }

 private:
  const Backbone& backbone_;
  const CompiledPlan& plan_;
  const RunContext context_ = RunContext::inference();
  int64_t vocabulary_;
  std::unique_ptr<DecodeCache> cache_;
};

std::vector<Ids> greedy(Decoder& decoder, int64_t sequences, int64_t max_tokens, int64_t start, int64_t eos) {
  std::vector<Ids> out(static_cast<std::size_t>(sequences));
  Ids alive(out.size()), last(out.size(), start);
  std::iota(alive.begin(), alive.end(), 0);
  for (int64_t n = 1; n <= max_tokens; ++n) {
    const Tensor best = decoder.next(last, alive).argmax(1).cpu();
    const int64_t* token = best.const_data_ptr<int64_t>();
    Ids kept, next_alive;
    last.clear();
    for (std::size_t row = 0; row < alive.size(); ++row) {
      if (token[row] == eos) continue;
      out[static_cast<std::size_t>(alive[row])].push_back(token[row]);
      kept.push_back(static_cast<int64_t>(row));
      next_alive.push_back(alive[row]);
      last.push_back(token[row]);
    }
    if (kept.empty()) break;
    if (kept.size() < alive.size()) decoder.select(kept);
    alive = std::move(next_alive);
  }
  return out;
}

struct Hypothesis {
  Ids ids;
  float score = 0;
};

// One example's beams. The rules, and the order of their application, are those of transformers 5 with
// early_stopping=False: a hypothesis must rank among the first `beams` candidates when it ends.
struct BeamRow {
  std::vector<Hypothesis> running{{{}, 0.0F}};
  std::vector<Hypothesis> finished;  // best first, at most `beams`
  bool open = true;

  void finish(Hypothesis hypothesis, std::size_t beams) {
    const auto place = std::upper_bound(finished.begin(), finished.end(), hypothesis,
                                        [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
    finished.insert(place, std::move(hypothesis));
    if (finished.size() > beams) finished.pop_back();
  }
};

std::vector<Ids> beam_search(Decoder& decoder, int64_t sequences, const GenerationOptions& options, int64_t start,
                             int64_t eos) {
  const auto beams = static_cast<std::size_t>(options.beams);
  std::vector<BeamRow> rows(static_cast<std::size_t>(sequences));
  Ids alive(rows.size()), last(rows.size(), start);
  std::iota(alive.begin(), alive.end(), 0);

  for (int64_t n = 1; n <= options.max_tokens && !alive.empty(); ++n) {
    const Tensor log_p = at::log_softmax(decoder.next(last, alive), 1);
    const int64_t vocabulary = log_p.size(1);
    const auto width = static_cast<int64_t>(rows[static_cast<std::size_t>(alive.front())].running.size());
    if (vocabulary * width < 2 * options.beams) {
      throw ConfigError({"too many beams for this vocabulary",
                         std::to_string(options.beams) + " beams, " + std::to_string(vocabulary) + " ids",
                         "at least two ids per beam", "use fewer beams"});
    }
    std::vector<float> sums;
    for (int64_t example : alive) {
      for (const Hypothesis& beam : rows[static_cast<std::size_t>(example)].running) sums.push_back(beam.score);
    }
    const Tensor before = at::from_blob(sums.data(), {static_cast<int64_t>(sums.size()), 1}, at::kFloat);
    const Tensor totals = log_p + before.to(log_p.device());
    const auto best = totals.view({static_cast<int64_t>(alive.size()), width * vocabulary}).topk(2 * options.beams, 1);
    const Tensor scores = std::get<0>(best).cpu(), places = std::get<1>(best).cpu();
    const auto penalty = static_cast<float>(std::pow(static_cast<double>(n), options.length_penalty));

    Ids kept, next_alive;
    last.clear();
    for (std::size_t a = 0; a < alive.size(); ++a) {
      BeamRow& row = rows[static_cast<std::size_t>(alive[a])];
      const float* score = scores[static_cast<int64_t>(a)].const_data_ptr<float>();
      const int64_t* place = places[static_cast<int64_t>(a)].const_data_ptr<int64_t>();
      std::vector<Hypothesis> next;
      Ids parents;
      for (std::size_t c = 0; c < 2 * beams; ++c) {
        const int64_t parent = place[c] / vocabulary, token = place[c] % vocabulary;
        const bool ends = token == eos || n == options.max_tokens;
        if (!ends && next.size() == beams) continue;
        if (ends && c >= beams) continue;
        Hypothesis hypothesis{row.running[static_cast<std::size_t>(parent)].ids, ends ? score[c] / penalty : score[c]};
        if (token != eos) hypothesis.ids.push_back(token);
        if (ends) {
          row.finish(std::move(hypothesis), beams);
        } else {
          next.push_back(std::move(hypothesis));
          parents.push_back(static_cast<int64_t>(a) * width + parent);
        }
      }
      row.open =
          !next.empty() && (row.finished.size() < beams || next.front().score / penalty > row.finished.back().score);
      if (!row.open) continue;
      for (const Hypothesis& beam : next) last.push_back(beam.ids.back());
      kept.insert(kept.end(), parents.begin(), parents.end());
      row.running = std::move(next);
      next_alive.push_back(alive[a]);
    }
    alive = std::move(next_alive);
    if (!alive.empty()) decoder.select(kept);
  }

  std::vector<Ids> out;
  for (BeamRow& row : rows) out.push_back(std::move(row.finished.front().ids));
  return out;
}

}  // namespace

std::vector<Ids> generate(const Backbone& backbone, const EncoderState& encoder, const CompiledPlan& plan,
                          const GenerationOptions& options, int64_t vocabulary) {
  if (options.max_tokens < 1 || options.beams < 1) {
    throw ConfigError(
        {.what = "generation needs at least one token and one beam",
         .found = std::to_string(options.max_tokens) + " tokens, " + std::to_string(options.beams) + " beams"});
  }
  const at::NoGradGuard no_grad;
  const BackboneSpec& spec = backbone.spec();
  Decoder decoder(backbone, encoder, plan, vocabulary);
  const int64_t sequences = encoder.layout.sequences();
  return options.beams == 1 ? greedy(decoder, sequences, options.max_tokens, spec.decoder_start_id, spec.eos_id)
                            : beam_search(decoder, sequences, options, spec.decoder_start_id, spec.eos_id);
}

}  // namespace peftbench::backbone
