#include "report/page/page_json.h"

#include "core/numbers.h"
#include "core/terminal_text.h"
#include "core/utf8.h"
#include "report/page/costs.h"
#include "report/page/page_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace peftbench::report {
namespace {

constexpr std::size_t longest_input = 2'000, longest_answer = 300;  // bytes

Json short_value(const std::optional<double>& value) {
  if (!value || !std::isfinite(*value)) return nullptr;
  if (std::floor(*value) == *value && std::abs(*value) < 9e15) return static_cast<std::int64_t>(*value);
  return *parse_number<double>(fmt::format("{:.4g}", *value));
}

// Text of data, without controls and without end.
std::string shown_text(const std::string& text, std::size_t most) {
  const bool cut = text.size() > most;
  return for_terminal(cut ? text.substr(0, character_boundary(text, most)) : text) + (cut ? " …" : "");
}

Json row_lists(const PageData& data) {
  Json label = Json::array(), score = label, low = label, high = label, size = label, length = label, share = label;
  for (std::size_t r = 0; r < data.rows.size(); ++r) {
    const ComparisonRow& row = data.rows[r];
    label.push_back(in_one_line(row.label));
    score.push_back(row.score.n ? short_value(row.score.mean) : Json(nullptr));
    const std::optional<Interval> interval = score_interval(data, r);
    low.push_back(interval ? short_value(interval->low) : Json(nullptr));
    high.push_back(interval ? short_value(interval->high) : Json(nullptr));
    const RowFacts facts = r < data.facts.size() ? data.facts[r] : RowFacts();
    size.push_back(short_value(facts.backbone_size));
    length.push_back(short_value(facts.added_length));
    share.push_back(short_value(facts.trained_share));
  }
  return {{"label", label}, {"score", score},   {"low", low},    {"high", high},
          {"size", size},   {"length", length}, {"share", share}};
}

Json group_list(const PageData& data) {
  Json groups = Json::array();
  for (const RowGroup& group : row_groups(data.rows)) {
    std::string metric = "score";
    for (const std::size_t r : group.rows)
      if (!data.rows[r].metric.empty()) metric = data.rows[r].metric + " (" + data.rows[r].split + ")";
    groups.push_back({{"task", in_one_line(group.task)},
                      {"backbone", in_one_line(group.backbone)},
                      {"metric", in_one_line(metric)},
                      {"rows", group.rows}});
  }
  return groups;
}

Json cost_list(const PageData& data) {
  Json list = Json::array();
  for (const Cost& cost : costs()) {
    Json values = Json::array();
    for (std::size_t r = 0; r < data.rows.size(); ++r) values.push_back(short_value(cost.value(data, r)));
    list.push_back(
        {{"key", cost.key}, {"words", cost.words}, {"axis", cost.axis}, {"log", cost.log}, {"values", values}});
  }
  return list;
}

Json flat(const std::vector<CurvePoint>& points) {
  Json list = Json::array();
  for (const CurvePoint& point : points) {
    list.push_back(short_value(point.step));
    list.push_back(short_value(point.value));
  }
  return list;
}

// Texts that stand in the page once, and are named by their places.
class Names {
 public:
  std::size_t place(const std::string& text) {
    const auto [name, is_new] = places_.try_emplace(text, places_.size());
    if (is_new) list_.push_back(in_one_line(text));
    return name->second;
  }
  const Json& list() const { return list_; }

 private:
  std::map<std::string, std::size_t> places_;
  Json list_ = Json::array();
};

Json curve_list(const PageData& data, std::size_t points, Names& names, bool& thinner) {
  Json list = Json::array();
  if (data.curves.empty()) return list;
  const std::size_t most = std::clamp<std::size_t>(points / (2 * data.curves.size()), 2, 200);
  for (const RunCurve& run : data.curves) {
    const auto &loss = run.curve.loss, &validation = run.curve.validation;
    thinner = thinner || loss.size() > most || validation.size() > most;
    list.push_back(
        {run.row, run.seed, names.place(run.curve.metric), flat(thinned(validation, most)), flat(thinned(loss, most))});
  }
  return list;
}

void add_pairs(const PageData& data, const PageLimits& limits, Names& texts, Json& page) {
  const std::size_t most = matrix_rows_of(data, limits);
  Json matrix = Json::array(), pairs = Json::array();
  std::set<std::size_t> shown;
  for (const RowGroup& group : row_groups(data.rows)) {
    const std::vector<std::size_t> rows = matrix_rows(data, group, most);
    shown.insert(rows.begin(), rows.end());
    matrix.push_back(rows);
  }
  for (const PairTest& pair : data.tests.pairs) {
    if (!shown.contains(pair.a) || !shown.contains(pair.b)) continue;
    const std::string on = fmt::format("{} seeds and {} examples", pair.seeds, pair.examples);
    pairs.push_back({pair.a, pair.b, short_value(pair.difference),
                     pair.interval ? short_value(pair.interval->low) : Json(nullptr),
                     pair.interval ? short_value(pair.interval->high) : Json(nullptr), short_value(pair.p),
                     short_value(pair.adjusted_p), texts.place(pair.test), texts.place(on)});
  }
  page["matrix"] = matrix;
  page["pairs"] = pairs;
}

Json search_list(const PageData& data) {
  Json list = Json::array();
  for (const SearchResult& search : data.searches) {
    Json best = Json::array();
    for (const double value : search.expected_best) best.push_back(short_value(value));
    list.push_back({{"row", in_one_line(search.row)},
                    {"task", in_one_line(search.task)},
                    {"backbone", in_one_line(search.backbone)},
                    {"metric", in_one_line(search.metric)},
                    {"best", best}});
  }
  return list;
}

Json example_json(const AnsweredExample& example, std::map<std::string, std::size_t>& words, Json& list) {
  Json answers = Json::array();
  std::string right;
  for (std::size_t r = 0; r < example.answers.size(); ++r) {
    const std::string answer = shown_text(example.answers[r], longest_answer);
    const auto [word, is_new] = words.try_emplace(answer, words.size());
    if (is_new) list.push_back(answer);
    answers.push_back(word->second);
    right += example.right.at(r) ? '1' : '0';
  }
  return {{"place", in_one_line(example.place)},
          {"input", shown_text(example.input, longest_input)},
          {"target", in_one_line(shown_text(example.target, longest_answer))},
          {"answers", answers},
          {"right", right}};
}

Json answer_list(const PageData& data, std::size_t bytes) {
  Json list = Json::array();
  for (const TableAnswers& table : data.answers) {
    Json pairs = Json::array(), words = Json::array(), shown = Json::array();
    for (const PairDifference& pair : table.pairs)
      pairs.push_back({pair.a, pair.b, pair.differ, pair.only_a, pair.only_b});
    std::map<std::string, std::size_t> places;
    const std::size_t share = bytes / data.answers.size(), of_pairs = pairs.dump().size();
    std::size_t used = of_pairs;
    for (const AnsweredExample& example : table.shown) {
      Json one = example_json(example, places, words);
      used += one.dump(-1, ' ', false, Json::error_handler_t::replace).size();
      if (used > share && !shown.empty()) break;
      shown.push_back(std::move(one));
    }
    list.push_back({{"rows", table.rows},
                    {"seeds", table.seeds},
                    {"examples", table.examples},
                    {"pairs", pairs},
                    {"words", words},
                    {"shown", shown}});
  }
  return list;
}

}  // namespace

std::size_t matrix_rows_of(const PageData& data, const PageLimits& limits) {
  std::size_t most = 0;
  const std::vector<RowGroup> groups = row_groups(data.rows);
  for (std::size_t rows = 2; rows <= 60; ++rows) {
    std::size_t pairs = 0;
    for (const RowGroup& group : groups) {
      const std::size_t n = std::min(rows, group.rows.size());
      pairs += n * (n - 1) / 2;
    }
    if (pairs <= limits.pairs) most = rows;
  }
  return std::max<std::size_t>(most, 2);
}

Json page_json(const PageData& data, const PageLimits& limits) {
  bool thinner = false;
  Json page = {{"rows", row_lists(data)}, {"groups", group_list(data)}, {"costs", cost_list(data)}};
  Names names;
  page["curves"] = curve_list(data, limits.curve_points, names, thinner);
  page["thinned"] = thinner;
  add_pairs(data, limits, names, page);
  page["names"] = names.list();
  page["searches"] = search_list(data);
  page["answers"] = data.answers.empty() ? Json::array() : answer_list(data, limits.answer_bytes);
  return page;
}

std::string script_json(const Json& json) {
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = std::string_view(text).substr(i, 3);
    if (text[i] == '<' || text[i] == '>' || text[i] == '&') {
      safe += fmt::format("\\u{:04x}", static_cast<unsigned>(text[i]));
    } else if (rest == "\u2028" || rest == "\u2029") {
      safe += rest == "\u2028" ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      safe += text[i];
    }
  }
  return safe;
}

}  // namespace peftbench::report
