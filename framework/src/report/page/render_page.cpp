#include "report/page/render_page.h"

#include "core/hash.h"
#include "core/names.h"
#include "report/escape.h"
#include "report/format.h"
#include "report/html_parts.h"
#include "report/page/assets.h"
#include "report/page/page_figures.h"
#include "report/page/page_json.h"
#include "report/row_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

namespace peftbench::report {
namespace {

constexpr std::size_t page_bytes = 1'000'000;

// What the page may hold, in bytes, beside its scripts, its tables and the lists of rows: so that it stays small. All
// of it is in the other formats, and all plots come out of --figures.
struct Room {
  PageLimits data;
  FigureLimits figures = {.curve_points = 6'000, .matrix_rows = 24};
  std::size_t figure_bytes = 400'000;
  std::size_t test_lines = 300;  // of the static table of pairs
};
Room room_for(std::size_t used) {
  const std::size_t left = std::max<std::size_t>(page_bytes - std::min(page_bytes, used + 20'000), 50'000);
  const auto share = [&](std::size_t percent, std::size_t bytes_each) { return left * percent / 100 / bytes_each; };
  Room room;
  room.data.curve_points = std::min(room.data.curve_points, share(30, 12));
  room.data.pairs = std::min(room.data.pairs, share(16, 50));
  room.data.answer_bytes = std::min(room.data.answer_bytes, share(18, 1));
  room.figures.curve_points = std::min(room.figures.curve_points, share(10, 8));
  room.figure_bytes = std::min(room.figure_bytes, share(28, 1));
  room.test_lines = std::min(room.test_lines, share(5, 200));
  return room;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) text += i + k <= bytes.size() ? digits[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

// A browser reads CR LF as LF, and a script ends where its text has </script: then the hash is another's.
std::string as_script(std::string text) {
  text.erase(std::remove(text.begin(), text.end(), '\r'), text.end());
  for (const std::string_view end : {"</script", "<!--", "<script"})
    if (text.find(end) != std::string::npos)
      throw Error({.what = "a script of the page holds '" + std::string(end) + "'",
                   .found = "",
                   .expected = "a script that can stand in a page",
                   .remedy = "remove the folder of the plot library and run tools/setup.sh again"});
  return text;
}

// What one section of the page shows: its figures, and where there is nothing, why.
struct PageSection {
  const char* id;
  const char* title;
};
constexpr PageSection sections_of_plots[] = {{"costs", "Score against cost"},
                                             {"curves", "Learning curves"},
                                             {"pairs", "Pairs of rows"},
                                             {"searches", "Searches"},
                                             {"usage", "Trained parameters"}};

class PageWriter {
 public:
  explicit PageWriter(const PageData& data) : data_(data), groups_(row_groups(data.rows)) {}

  std::string text() {
    std::vector<std::string> scripts;
    if (data_.library) scripts = {as_script(data_.library->d3), as_script(data_.library->plot)};
    scripts.push_back(as_script("(() => {\n\"use strict\";\n" + std::string(page_script) + "})();\n"));
    const std::string start = head(scripts), tables_of_rows = tables();
    std::size_t used = start.size() + tables_of_rows.size() + page_json(data_, {0, 0, 0}).dump().size();
    for (const std::string& script : scripts) used += script.size();
    room_ = room_for(used);
    std::string body = tables_of_rows, links = "<li><a href=\"#tables\">Tables</a></li>";
    const std::vector<Figure> plots = figures_with_room();
    for (const PageSection& section : sections_of_plots) {
      const std::string inside = plot_section(section, plots);
      if (inside.empty()) continue;
      links += fmt::format("<li><a href=\"#{}\">{}</a></li>", section.id, section.title);
      body += inside;
    }
    body += notes();
    return start + "<body>\n<header>\n<h1>" + for_html(data_.title) + "</h1>\n<p class=\"soft\">" +
           for_html(summary()) + "</p>\n<nav aria-label=\"sections\"><ul>" + links +
           "</ul></nav>\n</header>\n<main>\n" + body + "</main>\n" + footer() + foot(scripts);
  }

 private:
  // First the first of each section, then the second of each, and so on until the room is used; those without room have
  // no SVG.
  std::vector<Figure> figures_with_room() const {
    std::vector<Figure> all = figures(data_, SvgUse::page, room_.figures);
    std::map<std::string, std::size_t> seen;
    std::vector<std::pair<std::size_t, std::size_t>> order;  // turn, place
    for (std::size_t i = 0; i < all.size(); ++i) order.emplace_back(seen[all[i].section]++, i);
    std::sort(order.begin(), order.end());
    std::size_t bytes = 0;
    for (const auto& [turn, place] : order) {
      bytes += all[place].svg.size();
      if (bytes > room_.figure_bytes && turn > 0) all[place].svg.clear();
    }
    return all;
  }

  std::string head(const std::vector<std::string>& scripts) const {
    std::string policy = "default-src 'none'; style-src 'unsafe-inline'; script-src";
    for (const std::string& script : scripts) policy += " " + script_hash(script);
    return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta http-equiv=\"Content-Security-Policy\" content=\"" +
           policy +
           "; base-uri 'none'; form-action 'none'\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
           for_html(data_.title) + "</title>\n<style>" + std::string(page_style) + svg_style() + "</style>\n</head>\n";
  }

  std::string summary() const {
    std::int64_t runs = 0, finished_runs = 0;
    for (const ComparisonRow& row : data_.rows) {
      if (row.task.empty()) continue;
      runs += static_cast<std::int64_t>(row.runs.size());
      finished_runs += finished(row);
    }
    return fmt::format("{} rows in {} tables, of {} runs, {} of them finished.", with_thousands(number_of_rows()),
                       groups_.size(), with_thousands(runs), with_thousands(finished_runs));
  }
  long long number_of_rows() const {
    return std::count_if(data_.rows.begin(), data_.rows.end(), [](const auto& row) { return !row.task.empty(); });
  }

  // The tables of single tasks come first, in the order of the groups: their first rows are the groups', and can be
  // chosen.
  std::string tables() const {
    std::string text = "<section id=\"tables\">\n<h2>Tables</h2>\n<div class=\"tools\"></div>\n";
    std::size_t group = 0;
    for (const Table& table : data_.tables) {
      const bool of_group = group < groups_.size() && table.rows.size() >= groups_[group].rows.size() &&
                            table.title.starts_with(groups_[group].task + " on " + groups_[group].backbone);
      text += html_section(table, of_group ? fmt::format("data-group=\"{}\"", group) : "");
      if (of_group) ++group;
    }
    return text + "</section>\n";
  }

  std::string plot_section(const PageSection& section, const std::vector<Figure>& plots) const {
    std::string svgs, lines;
    std::size_t left_out = 0;
    for (const Figure& figure : plots) {
      if (figure.section != section.id) continue;
      svgs += figure.svg;
      left_out += figure.svg.empty() ? 1 : 0;
    }
    if (left_out > 0)
      svgs += fmt::format("<p class=\"soft\">{} more plots: peft-bench report RUNS --figures DIR</p>\n", left_out);
    if (section.id == std::string_view("pairs")) lines = test_tables();
    const bool two_rows = section.id == std::string_view("pairs") &&
                          std::any_of(groups_.begin(), groups_.end(), [](const auto& g) { return g.rows.size() > 1; });
    if (svgs.empty() && lines.empty() && !two_rows) return {};
    std::string text = fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n", section.id, section.title);
    text += "<div class=\"plots\">\n" + svgs + "</div>\n";
    if (two_rows) text += "<noscript><p>The examples that two rows answer differently need scripts.</p></noscript>\n";
    return text + lines + "</section>\n";
  }

  std::string test_tables() const {
    Table table({Column("table"), Column("A"), Column("B"), right_column("A − B"), right_column("interval, 95 %"),
                 right_column("p"), right_column("p after Holm"), Column("test")});
    table.title = "tests of the differences between rows";
    for (const PairTest& pair : data_.tests.pairs) {
      if (table.rows.size() == room_.test_lines) break;
      const ComparisonRow &a = data_.rows.at(pair.a), &b = data_.rows.at(pair.b);
      table.add(
          {a.task + " on " + a.backbone, a.label, b.label, fmt::format("{:+.3f}", pair.difference),
           pair.interval ? Cell(fmt::format("[{:+.3f}, {:+.3f}]", pair.interval->low, pair.interval->high)) : Cell(),
           probability(pair.p), probability(pair.adjusted_p), pair.test});
    }
    if (table.empty()) return {};
    const std::size_t all = data_.tests.pairs.size();
    if (all > table.rows.size())
      table.notes.push_back(
          {"",
           {fmt::format("the first {} of {} tests", table.rows.size(), with_thousands(static_cast<long long>(all)))}});
    return "<details><summary>Tests as a table</summary>\n" + html_section(table) + "</details>\n";
  }
  static Cell probability(const std::optional<double>& p) {
    if (!p) return {};
    return *p < 0.0005 ? Cell("< 0.001") : Cell(fmt::format("{:.3f}", *p));
  }

  std::string notes() const {
    std::vector<std::string> lines = data_.notes;
    const std::size_t most = matrix_rows_of(data_, room_.data);
    for (const RowGroup& group : groups_)
      if (!data_.tests.pairs.empty() && group.rows.size() > most)
        lines.push_back(
            fmt::format("{} on {}: the pairs are those of the {} rows with the best scores, of {}; `compare` "
                        "and the other formats have all",
                        group.task, group.backbone, most, group.rows.size()));
    if (lines.empty()) return {};
    Table table;
    table.notes.push_back({"", std::move(lines)});
    return "<section id=\"notes\">\n<h2>Notes</h2>\n" + html_notes(table) + "</section>\n";
  }

  std::string footer() const {
    if (!data_.library)
      return "<footer>\n<p class=\"soft\">The plots of this page are static. Plots that can be pointed at and chosen "
             "among "
             "need Observable Plot and D3, which <code>tools/setup.sh</code> fetches where npm is installed; then make "
             "the "
             "page again.</p>\n</footer>\n";
    return "<footer>\n<details><summary>Licences of Observable Plot and D3, which this page holds</summary>\n<pre>" +
           licence() + "</pre>\n</details>\n</footer>\n";
  }
  std::string licence() const {
    std::string text;
    for (std::string_view rest = data_.library->licence; !rest.empty();) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      text += for_html(rest.substr(0, end)) + "\n";
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return text;
  }

  std::string foot(const std::vector<std::string>& scripts) const {
    std::string text =
        "<script type=\"application/json\" id=\"data\">" + script_json(page_json(data_, room_.data)) + "</script>\n";
    for (const std::string& script : scripts) text += "<script>" + script + "</script>\n";
    return text + "</body>\n</html>\n";
  }

  const PageData& data_;
  std::vector<RowGroup> groups_;
  Room room_;
};

}  // namespace

std::string script_hash(std::string_view script) {
  const std::string hex = sha256(script);
  const auto digit = [&](std::size_t i) { return hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10; };
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(digit(i) * 16 + digit(i + 1));
  return "'sha256-" + base64(bytes) + "'";
}

std::string render_page(const PageData& data) { return PageWriter(data).text(); }

}  // namespace peftbench::report
