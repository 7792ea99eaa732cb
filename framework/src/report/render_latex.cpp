#include "report/escape.h"
#include "report/format.h"
#include "report/render.h"
#include "report/table_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

namespace peftbench::report {
namespace {

// Columns of a terminal that fit a line of an A4 page in \footnotesize.
constexpr std::size_t latex_page = 100;

// "tab:films-on-t5" of a title "films on t5: accuracy on 500 test examples": no sign that a label cannot hold.
std::string latex_label(const std::string& title) {
  std::string label;
  for (const char c : title.substr(0, title.find(':'))) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && std::isalnum(byte))
      label += static_cast<char>(std::tolower(byte));
    else if (!label.empty() && label.back() != '-')
      label += '-';
  }
  while (!label.empty() && label.back() == '-') label.pop_back();
  return "tab:" + (label.empty() ? "scores" : label);
}

std::string latex_row(const std::vector<std::string>& cells) {
  std::string line = "   ";
  for (std::size_t c = 0; c < cells.size(); ++c) line += (c == 0 ? " " : " & ") + cells[c];
  return line + " \\\\\n";
}

std::string latex_tabular(const Table& table, const ColumnPlaces& places) {
  std::string sides;
  std::vector<std::string> titles;
  for (const std::size_t c : places) {
    sides += table.columns[c].align == Align::right ? 'r' : 'l';
    titles.push_back(for_latex(table.columns[c].title));
  }
  std::string text = "  \\begin{tabular}{" + sides + "}\n    \\toprule\n" + latex_row(titles) + "    \\midrule\n";
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    if (!is_shown(table, r, places)) continue;
    std::vector<std::string> cells;
    for (const std::size_t c : places) {
      const Cell& cell = table.rows[r][c];
      const std::string shown = for_latex(cell.shown);
      cells.push_back((cell.best ? "\\textbf{" + shown + "}" : shown) +
                      (cell.tied ? "\\textsuperscript{\\textdagger}" : ""));
    }
    if (table.has_rule(r)) text += "    \\midrule\n";
    text += latex_row(cells);
  }
  return text + "    \\bottomrule\n  \\end{tabular}\n";
}

std::string latex_notes(const Table& table) {
  if (table.notes.empty()) return {};
  std::string text = "  \\par\\medskip\n  \\begin{minipage}{\\linewidth}\n    \\raggedright\n";
  for (const Note& note : table.notes) {
    if (!note.title.empty()) text += "    " + for_latex(with_capital(note.title)) + ":\\par\n";
    for (const std::string& line : note.lines)
      text += "    \\textbullet{} " + for_latex(with_mark(line, "†")) + "\\par\n";
  }
  return text + "  \\end{minipage}\n";
}

std::string latex_environment(const std::string& caption, const std::string& label, const std::string& body) {
  std::string text =
      "\\begin{table}\n  \\centering\n  \\footnotesize\n  \\setlength{\\tabcolsep}{4pt}\n"
      "  \\setlength{\\belowcaptionskip}{6pt}\n";
  if (!caption.empty()) text += "  \\caption{" + caption + "}\n  \\label{" + label + "}\n";
  return text + body + "\\end{table}\n";
}

std::string latex_table(const Table& table, const std::string& label) {
  const std::string title = for_latex(table.title);
  if (table.columns.empty()) return latex_environment(title, label, latex_notes(table));
  const std::vector<int> parts = column_parts(table);
  const ColumnPlaces all = columns_of(table, nullptr);
  if (parts.size() < 2 || natural_width(table, all) <= latex_page)
    return latex_environment(title, label, latex_tabular(table, all) + latex_notes(table));
  std::string text;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const std::string part = fmt::format("part {} of {}", p + 1, parts.size());
    const std::string notes = p + 1 == parts.size() ? latex_notes(table) : "";
    text += (p == 0 ? "" : "\n") + latex_environment(title.empty() ? "" : title + " (" + part + ")",
                                                     p == 0 ? label : fmt::format("{}-part-{}", label, p + 1),
                                                     latex_tabular(table, columns_of(table, &parts[p])) + notes);
  }
  return text;
}

}  // namespace

std::string render_latex(const std::vector<Table>& tables) {
  std::string text =
      "% Made by peft-bench. Needs \\usepackage{booktabs}; before LaTeX of 2020 also \\usepackage{textcomp} and\n"
      "% \\usepackage[utf8]{inputenc}; for names in scripts that pdfLaTeX has no font of, LuaLaTeX or XeLaTeX.\n";
  std::set<std::string> labels;
  for (const Table& table : tables) {
    const std::string base = latex_label(table.title);
    std::string label = base;
    for (int n = 2; !labels.insert(label).second; ++n) label = fmt::format("{}-{}", base, n);
    text += "\n" + latex_table(table, label);
  }
  return text;
}

}  // namespace peftbench::report
