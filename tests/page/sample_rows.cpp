#include "page/sample_rows.h"

#include "core/random.h"
#include "report/comparison_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace peftbench::page_test {
namespace {

using namespace core;
using namespace results;
using namespace report;

double uniform(std::uint64_t seed, const std::string& name, std::uint64_t index = 0) {
  return static_cast<double>(Random(stream_seed(seed, name, index)).next() >> 11) * 0x1p-53;
}

constexpr const char* method_names[] = {"lora",        "prefix_tuning", "ia3",          "prompt_tuning",
                                        "adapter",     "norm_tuning",   "p_tuning_v2",  "vpt",
                                        "head_tuning", "soft_words",    "model_tuning", "warp"};
constexpr const char* task_names[] = {"movie_sentiment", "spam", "tweets", "product_sentiment", "food_reviews"};

LearningCurve curve_of(double score, std::uint64_t seed) {
  LearningCurve curve;
  curve.metric = "accuracy";
  for (int step = 10; step <= 600; step += 10)
    curve.loss.push_back(
        {static_cast<double>(step),
         1.2 * std::exp(-step / 150.0) + 0.3 + 0.1 * uniform(seed, "loss", static_cast<std::uint64_t>(step))});
  for (int step = 0; step <= 600; step += 50)
    curve.validation.push_back(
        {static_cast<double>(step), 0.5 + (score - 0.5) * (1 - std::exp(-step / 120.0)) +
                                        0.02 * uniform(seed, "score", static_cast<std::uint64_t>(step))});
  return curve;
}

void add_row(PageData& data, const std::string& task, std::size_t method, std::size_t seeds) {
  ComparisonRow row;
  const std::size_t known = std::size(method_names);
  row.method = method == 1 ? "prompt_design" : method_names[method % known];
  row.label = method == 0      ? "</script><b>lora</b>"
              : method < known ? row.method
                               : fmt::format("{}, rank={}", row.method, method);
  row.task = task;
  row.backbone = "t5-nano-lm";
  row.metric = "accuracy";
  row.split = "test";
  const double middle = 0.6 + 0.3 * uniform(method, "method") + 0.05 * uniform(method, task);
  const std::size_t r = data.rows.size();
  std::vector<double> scores;
  for (std::size_t s = 1; s <= seeds; ++s) {
    scores.push_back(middle + 0.04 * (uniform(s, row.label + task) - 0.5));
    row.runs.push_back({s, fmt::format("{}-{}-s{}-0123456789", row.method, task, s), "finished", "", scores.back()});
    data.curves.push_back({r, s, curve_of(scores.back(), s + 100 * r)});
  }
  row.score = summarise(scores);
  if (seeds == 1) row.interval = Interval{scores[0] - 0.04, scores[0] + 0.04};
  row.examples = Range{500, 500};
  row.majority = 0.5333;
  row.illegal_rate = method % 4 == 0 ? 0.012 : 0;
  const auto trained = method == 1 ? 0 : static_cast<std::int64_t>(200 * std::pow(10, 5 * uniform(method, "size")));
  row.trained = row.receiving_gradient = row.stored = row.inference = Range{trained, trained};
  row.after_merge = Range{0, 0};
  row.bytes_stored = Range{4 * trained, 4 * trained};
  row.percent = 100 * static_cast<double>(trained) / (8e6 + static_cast<double>(trained));
  row.step_seconds = 0.02 + 0.2 * uniform(method, "step");
  row.peak_memory_bytes = static_cast<std::int64_t>((300 + 400 * uniform(method, "memory")) * (1 << 20));
  row.training_step_flops = 1e9 * (1 + uniform(method, "flops"));
  data.facts.push_back({8e6, std::floor(60 * uniform(method, "length")), *row.percent / 100});
  data.rows.push_back(std::move(row));
}

void add_tests(PageData& data) {
  for (const RowGroup& group : row_groups(data.rows)) {
    for (const std::size_t r : group.rows) {
      Standing standing;
      standing.row = r;
      standing.interval = Interval{data.rows[r].score.mean - 0.03, data.rows[r].score.mean + 0.03};
      data.tests.standings.push_back(standing);
    }
    for (std::size_t i = 0; i < group.rows.size(); ++i)
      for (std::size_t j = i + 1; j < group.rows.size(); ++j) {
        PairTest pair;
        pair.a = group.rows[i];
        pair.b = group.rows[j];
        pair.seeds = 5;
        pair.examples = 500;
        pair.difference = data.rows[pair.a].score.mean - data.rows[pair.b].score.mean;
        pair.interval = Interval{pair.difference - 0.035, pair.difference + 0.035};
        pair.p = std::exp(-std::abs(pair.difference) * 60);
        pair.adjusted_p = std::min(1.0, *pair.p * 8);
        pair.test = "permutation of seeds and examples";
        data.tests.pairs.push_back(pair);
      }
  }
}

void add_answers(PageData& data) {
  const char* texts[] = {
      "A slow film, but the last ten minutes are worth every one of the others.",
      "Not bad.\nNot good either </script><script>alert(1)</script>",
      "I would not watch it again, and I would not have missed it: the music alone stays with you for days."};
  for (const RowGroup& group : row_groups(data.rows)) {
    TableAnswers table;
    table.rows = group.rows;
    table.seeds.assign(group.rows.size(), 1);
    table.examples = 500;
    for (std::size_t e = 0; e < 60; ++e) {
      AnsweredExample example;
      example.place = fmt::format("films.tsv:{}", 7 * e + 3);
      example.input = texts[e % 3];
      example.target = e % 2 ? "good" : "bad";
      for (std::size_t i = 0; i < group.rows.size(); ++i) {
        const bool right = uniform(e, "answer", i) < 0.7;
        example.answers.push_back(right == (e % 2 == 1) ? "good" : i == 3 ? "<i>bad</i>" : "bad");
        example.right.push_back(right);
      }
      table.shown.push_back(std::move(example));
    }
    for (std::size_t i = 0; i < group.rows.size(); ++i)
      for (std::size_t j = i + 1; j < group.rows.size(); ++j) {
        PairDifference pair{i, j, 0, 0, 0};
        for (const AnsweredExample& example : table.shown) {
          pair.differ += example.answers[i] != example.answers[j];
          pair.only_a += example.right[i] && !example.right[j];
          pair.only_b += example.right[j] && !example.right[i];
        }
        table.pairs.push_back(pair);
      }
    data.answers.push_back(std::move(table));
  }
}

void add_searches(PageData& data) {
  for (const ComparisonRow& row : data.rows) {
    SearchResult search;
    search.row = row.label;
    search.method = row.method;
    search.task = row.task;
    search.backbone = row.backbone;
    search.metric = "accuracy";
    for (int k = 1; k <= 8; ++k)
      search.expected_best.push_back(row.score.mean - 0.12 * std::exp(-k / 2.5) -
                                     0.02 * uniform(static_cast<std::uint64_t>(row.label.size()), "search"));
    data.searches.push_back(std::move(search));
  }
}

}  // namespace

PageData sample_page(std::size_t tasks, std::size_t methods, std::size_t seeds) {
  PageData data;
  for (std::size_t t = 0; t < tasks; ++t) {
    const std::size_t known = std::size(task_names);
    const std::string task = t < known ? task_names[t] : fmt::format("{}_{}", task_names[t % known], t);
    for (std::size_t m = 0; m < methods; ++m) add_row(data, task, m, seeds);
  }
  data.tables = comparison_tables(data.rows, true);
  add_tests(data);
  if (methods <= 60) add_answers(data);
  if (methods <= 60) add_searches(data);
  data.notes = {"a run's log could not be read: <b>x</b>"};
  return data;
}

}  // namespace peftbench::page_test
