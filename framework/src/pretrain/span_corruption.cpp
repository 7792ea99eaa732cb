#include "pretrain/span_corruption.h"

#include <peftbench/error.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace peftbench::pretrain {

namespace {

constexpr int64_t longest_segment = int64_t{1} << 24;  // tokens; searched one by one

// Halves go to the even neighbour, as in Python and TensorFlow.
int64_t rounded(double x) { return static_cast<int64_t>(std::nearbyint(x)); }

void check(double density, double mean_span) {
  if (!(density > 0 && density < 1)) {
    throw ConfigError(Problem{.what = "the noise density of span corruption is not between 0 and 1",
                              .found = std::to_string(density),
                              .expected = "the fraction of masked tokens; T5 uses 0.15"});
  }
  if (!(mean_span >= 1)) {
    throw ConfigError(Problem{.what = "the mean span of span corruption is less than one token",
                              .found = std::to_string(mean_span),
                              .expected = "1 or more; T5 uses 3"});
  }
}

struct Lengths {
  int64_t inputs, targets, spans;
};
Lengths corrupted(int64_t n, double density, double mean_span) {
  // At least one of each, as in the mask. T5's helper forgets that, and is a token out for inputs of less than ten.
  const int64_t noise = std::max<int64_t>(rounded(static_cast<double>(n) * density), 1);
  const int64_t spans = std::max<int64_t>(rounded(static_cast<double>(noise) / mean_span), 1);
  return {n - noise + spans + 1, noise + spans + 1, spans};
}

// Sizes of `parts` positive parts of `items`: which of the items − 1 places between items are borders is by chance.
std::vector<int64_t> random_partition(int64_t items, int64_t parts, Random& random) {
  std::vector<char> border(static_cast<std::size_t>(items - 1), 0);
  std::fill_n(border.begin(), parts - 1, 1);
  random.shuffle(border);
  std::vector<int64_t> sizes = {1};
  for (const char here : border) {
    if (here) {
      sizes.push_back(1);
    } else {
      ++sizes.back();
    }
  }
  return sizes;
}

// Copies `ids`, each run of tokens marked `hidden` as one sentinel; EOS at the end.
std::vector<int64_t> with_sentinels(std::span<const int64_t> ids, const std::vector<bool>& noise, bool hidden,
                                    const SpecialIds& special) {
  std::vector<int64_t> result;
  int64_t runs = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (noise[i] != hidden) {
      result.push_back(ids[i]);
    } else if (i == 0 || noise[i - 1] != hidden) {
      result.push_back(special.sentinel(runs++));
    }
  }
  if (runs > special.sentinels) {
    throw ConfigError(Problem{"span corruption needs more sentinels than available", std::to_string(runs) + " spans",
                              "at most " + std::to_string(special.sentinels),
                              "use shorter inputs, a smaller density or a larger mean span"});
  }
  result.push_back(special.eos);
  return result;
}

}  // namespace

SpanLengths span_lengths(int64_t inputs, double density, double mean_span) {
  check(density, mean_span);
  // The first segment behind which the next is too long, as in T5: the input does not grow with every token.
  int64_t raw = std::max<int64_t>(inputs, 1);
  while (raw < longest_segment && corrupted(raw + 1, density, mean_span).inputs <= inputs) ++raw;
  if (raw >= longest_segment) {
    throw ConfigError(Problem{"segments for span corruption would be too long",
                              std::to_string(inputs) + " tokens of input at a density of " + std::to_string(density),
                              "segments of less than " + std::to_string(longest_segment) + " tokens",
                              "use a lower density or shorter inputs"});
  }
  while (raw > 0 && corrupted(raw, density, mean_span).inputs > inputs) --raw;
  if (raw < 2) {
    throw ConfigError(Problem{.what = "the inputs are too short for span corruption",
                              .found = std::to_string(inputs) + " tokens",
                              .expected = "room for two words, a sentinel and EOS; T5 uses 512 tokens"});
  }
  Lengths lengths = corrupted(raw, density, mean_span);
  // T5 keeps targets from being longer than inputs where half of the tokens are noise.
  if (density == 0.5 && lengths.targets > lengths.inputs) {
    --raw;
    --lengths.targets;
  }
  return {raw, lengths.targets, lengths.spans};
}

std::vector<bool> noise_mask(int64_t n, double density, double mean_span, Random& random) {
  check(density, mean_span);
  const int64_t length = std::max<int64_t>(n, 2);
  const int64_t noise = std::clamp<int64_t>(rounded(static_cast<double>(length) * density), 1, length - 1);
  // Never more spans than a token each: a density near 1 has few tokens of text to stand between them.
  const int64_t spans =
      std::clamp<int64_t>(rounded(static_cast<double>(noise) / mean_span), 1, std::min(noise, length - noise));
  const std::vector<int64_t> noise_runs = random_partition(noise, spans, random);
  const std::vector<int64_t> text_runs = random_partition(length - noise, spans, random);
  std::vector<bool> mask;
  mask.reserve(static_cast<std::size_t>(length));
  for (std::size_t i = 0; i < noise_runs.size(); ++i) {
    mask.insert(mask.end(), static_cast<std::size_t>(text_runs[i]), false);
    mask.insert(mask.end(), static_cast<std::size_t>(noise_runs[i]), true);
  }
  mask.resize(static_cast<std::size_t>(n));
  return mask;
}

EncodedExample corrupt_spans(std::span<const int64_t> ids, double density, double mean_span, const SpecialIds& special,
                             Random& random) {
  const std::vector<bool> noise = noise_mask(static_cast<int64_t>(ids.size()), density, mean_span, random);
  EncodedExample example;
  example.input = with_sentinels(ids, noise, true, special);
  example.target = with_sentinels(ids, noise, false, special);
  return example;
}

}  // namespace peftbench::pretrain
