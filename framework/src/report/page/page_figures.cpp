#include "report/page/page_figures.h"

#include "core/names.h"
#include "report/page/costs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace peftbench::report {
namespace {

constexpr std::size_t most_names = 24;  // more rows have no legend and no labels
constexpr std::size_t color_forms = 20;
constexpr std::size_t most_bars = 80;  // more have no intervals

// A name for a file: letters and digits of the text, what is between them a dash.
std::string file_name(const std::string& text) {
  std::string name;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
    if (letter)
      name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    else if (!name.empty() && name.back() != '-')
      name += '-';
  }
  while (name.ends_with('-')) name.pop_back();
  return name.substr(0, 80);
}

class FigureMaker {
 public:
  FigureMaker(const PageData& data, SvgUse use, const FigureLimits& limits)
      : data_(data), use_(use), limits_(limits), groups_(row_groups(data.rows)) {
    for (const ComparisonRow& row : data.rows) colors_.try_emplace(row.label, colors_.size());
  }

  std::vector<Figure> make() {
    for (const RowGroup& group : groups_)
      for (const Cost& cost : costs()) add_cost(group, cost);
    for (const RowGroup& group : groups_) {
      add_curves(group, true);
      add_curves(group, false);
    }
    for (const RowGroup& group : groups_) add_pairs(group);
    for (const RowGroup& group : groups_) add_search(group);
    add_usage();
    return std::move(figures_);
  }

 private:
  template <class Plot>
  void add(const char* section, const std::string& name, const Plot& plot) {
    std::string distinct = file_name(name);
    for (int n = 2; !names_.insert(distinct).second; ++n) distinct = file_name(name) + "-" + std::to_string(n);
    figures_.push_back({section, distinct, svg(plot, use_)});
  }
  static std::string where(const RowGroup& group) { return group.task + " on " + group.backbone; }
  std::string metric(const RowGroup& group) const {
    for (const std::size_t r : group.rows)
      if (!data_.rows[r].metric.empty()) return data_.rows[r].metric + " (" + data_.rows[r].split + ")";
    return "score";
  }

  // Points of one colour are one path.
  static PlotSeries* series_of_color(XyPlot& plot, std::size_t color) {
    for (PlotSeries& series : plot.series)
      if (series.color == color % color_forms) return &series;
    return nullptr;
  }

  void add_cost(const RowGroup& group, const Cost& cost) {
    XyPlot plot;
    std::vector<CostPoint> points;
    const bool named = group.rows.size() <= most_names;
    for (const std::size_t r : group.rows) {
      const ComparisonRow& row = data_.rows[r];
      const std::optional<double> x = cost.value(data_, r);
      if (!x || row.score.n == 0 || !std::isfinite(row.score.mean)) continue;
      PlotSeries* series = series_of_color(plot, colors_.at(row.label));
      if (!series) series = &plot.series.emplace_back();
      series->color = colors_.at(row.label) % color_forms;
      const bool bars = group.rows.size() <= most_bars;
      series->data.push_back(
          {*x, row.score.mean, bars ? score_interval(data_, r) : std::nullopt, named ? row.label : ""});
      points.push_back({*x, row.score.mean, r});
    }
    if (points.empty()) return;
    const std::vector<CostPoint> best = pareto_front(points);
    PlotSeries front;
    front.name = "Pareto front";
    front.line = front.dashed = front.step = true;
    front.points = false;
    std::vector<std::string> labels;
    for (const CostPoint& point : best) {
      front.data.push_back({point.cost, point.score, {}, {}});
      labels.push_back(data_.rows[point.row].label);
    }
    plot.series.insert(plot.series.begin(), std::move(front));
    plot.title = where(group) + ": score against " + cost.words;
    plot.description = fmt::format("{} rows. On the Pareto front: {}.", points.size(), join(labels));
    plot.x = {cost.axis, cost.log};
    plot.y = {metric(group), false};
    add("costs", "score-" + std::string(cost.key) + "-" + where(group), plot);
  }

  void add_curves(const RowGroup& group, bool validation) {
    std::vector<const RunCurve*> curves;
    std::string name = validation ? "score" : "loss";
    for (const RunCurve& run : data_.curves) {
      if (std::find(group.rows.begin(), group.rows.end(), run.row) == group.rows.end()) continue;
      if ((validation ? run.curve.validation : run.curve.loss).empty()) continue;
      curves.push_back(&run);
      if (validation) name = run.curve.metric;
    }
    if (curves.empty()) return;
    XyPlot plot;
    std::set<std::size_t> named;
    const std::size_t most = std::max<std::size_t>(2, limits_.curve_points / (2 * data_.curves.size()));
    for (const RunCurve* run : curves) {
      PlotSeries series;
      const std::string& label = data_.rows[run->row].label;
      if (group.rows.size() <= most_names && named.insert(run->row).second) series.name = label;
      series.color = colors_.at(label);
      series.line = true;
      const auto points = thinned(validation ? run->curve.validation : run->curve.loss, most);
      series.points = points.size() == 1;
      for (const CurvePoint& point : points) series.data.push_back({point.step, point.value, {}, {}});
      plot.series.push_back(std::move(series));
    }
    plot.title = where(group) + (validation ? ": validation score in training" : ": loss in training");
    plot.description = fmt::format("The curves of {} runs of {} rows.", curves.size(), group.rows.size());
    plot.x = {"steps", false};
    plot.y = {validation ? name + " (validation)" : "loss of a batch", false};
    add("curves", (validation ? "curve-" : "loss-") + where(group), plot);
  }

  void add_pairs(const RowGroup& group) {
    MatrixPlot plot;
    const std::vector<std::size_t> rows = matrix_rows(data_, group, limits_.matrix_rows);
    const auto place = [&](std::size_t row) {
      return static_cast<std::size_t>(std::find(rows.begin(), rows.end(), row) - rows.begin());
    };
    for (const PairTest& pair : data_.tests.pairs) {
      const std::size_t a = place(pair.a), b = place(pair.b);
      if (a == rows.size() || b == rows.size()) continue;
      const bool marked = pair.adjusted_p && *pair.adjusted_p < 0.05;
      plot.squares.push_back({a, b, pair.difference, marked});
      plot.squares.push_back({b, a, -pair.difference, marked});
    }
    if (plot.squares.empty()) return;
    for (const std::size_t r : rows) plot.rows.push_back(data_.rows[r].label);
    plot.title = where(group) + ": differences of pairs";
    plot.legend = "row minus column; blue: the row is better; *, dot: p < 0.05 after Holm";
    plot.description = rows.size() < group.rows.size()
                           ? fmt::format("The {} best of {} rows.", rows.size(), group.rows.size())
                           : fmt::format("{} rows, by score.", rows.size());
    add("pairs", "pairs-" + where(group), plot);
  }

  void add_search(const RowGroup& group) {
    XyPlot plot;
    std::string metric = "score";
    for (const SearchResult& search : data_.searches) {
      if (search.task != group.task || search.backbone != group.backbone || search.expected_best.empty()) continue;
      PlotSeries series;
      series.name = search.row;
      const auto color = colors_.find(search.row);
      series.color = color == colors_.end() ? plot.series.size() : color->second;
      series.line = true;
      for (std::size_t k = 0; k < search.expected_best.size(); ++k)
        series.data.push_back({static_cast<double>(k + 1), search.expected_best[k], {}, {}});
      plot.series.push_back(std::move(series));
      metric = search.metric;
    }
    if (plot.series.empty()) return;
    plot.title = where(group) + ": expected best score of a search";
    plot.description = fmt::format("The searches of {} rows, by number of trials.", plot.series.size());
    plot.x = {"trials", false};
    plot.y = {"expected best " + metric + " (validation)", false};
    add("searches", "search-" + where(group), plot);
  }

  // Lester et al. (2021), figure 4: by the size of the model; of one model by the length that a method adds.
  void add_usage() {
    std::set<double> sizes;
    for (const RowFacts& facts : data_.facts)
      if (facts.backbone_size) sizes.insert(*facts.backbone_size);
    const bool by_size = sizes.size() > 1;
    std::map<std::string, std::map<double, double>> lines;
    for (std::size_t r = 0; r < data_.facts.size() && r < data_.rows.size(); ++r) {
      const RowFacts& facts = data_.facts[r];
      const std::optional<double>& x = by_size ? facts.backbone_size : facts.added_length;
      if (x && facts.trained_share) lines[data_.rows[r].label][*x] = *facts.trained_share * 100;
    }
    if (lines.empty()) return;
    XyPlot plot;
    const bool named = lines.size() <= most_names;
    for (const auto& [label, points] : lines) {
      PlotSeries* series = named ? nullptr : series_of_color(plot, colors_.at(label));
      if (!series) series = &plot.series.emplace_back();
      if (named) series->name = label;
      series->color = colors_.at(label) % color_forms;
      series->line = named && points.size() > 1;
      for (const auto& [x, share] : points) series->data.push_back({x, share, {}, {}});
    }
    plot.title = "Share of the parameters that is trained";
    plot.description = fmt::format("{} rows. As figure 4 of Lester et al. (2021).", lines.size());
    plot.x = {by_size ? "parameters of the backbone" : "rows that the method adds to a sequence", by_size};
    plot.y = {"trained, % of all", true};
    add("usage", "usage", plot);
  }

  const PageData& data_;
  SvgUse use_;
  FigureLimits limits_;
  std::vector<RowGroup> groups_;
  std::map<std::string, std::size_t> colors_;  // by label
  std::set<std::string> names_;
  std::vector<Figure> figures_;
};

}  // namespace

std::vector<Figure> figures(const PageData& data, SvgUse use, const FigureLimits& limits) {
  return FigureMaker(data, use, limits).make();
}

std::vector<std::size_t> matrix_rows(const PageData& data, const RowGroup& group, std::size_t most) {
  std::set<std::size_t> tested;
  for (const PairTest& pair : data.tests.pairs) tested.insert({pair.a, pair.b});
  std::vector<std::size_t> rows;
  for (const std::size_t r : group.rows)
    if (tested.contains(r)) rows.push_back(r);
  std::stable_sort(rows.begin(), rows.end(), [&](std::size_t a, std::size_t b) {
    const double of_a = data.rows[a].score.mean, of_b = data.rows[b].score.mean;
    return std::isfinite(of_a) && (!std::isfinite(of_b) || of_a > of_b);
  });
  if (rows.size() > most) rows.resize(most);
  return rows;
}

}  // namespace peftbench::report
