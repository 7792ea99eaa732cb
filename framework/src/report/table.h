#pragma once

#include "report/layer.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace peftbench::report {

using Json = nlohmann::ordered_json;

enum class Align { left, right };

// What stands in a cell: its text for readers, and its value for other programs. The value is a number, a text, a list
// or any other JSON; null is absent.
struct Cell {
  Cell() = default;  // absent
  Cell(const char* text) : Cell(std::string(text)) {}
  Cell(std::string text) : shown(text), value(std::move(text)) {}
  Cell(std::string text, Json of) : shown(std::move(text)), value(std::move(of)) {}
  Cell(const std::vector<std::string>& list);  // "a, b", and the list

  static constexpr const char* absent = "–";
  std::string shown = absent;
  Json value = nullptr;
  bool best = false;  // of its column: LaTeX and HTML emphasise it
  bool tied = false;  // not distinguishable from the best: a mark in every form that people read
};

// A whole number with its thousands apart.
Cell count_cell(long long number);

struct Column {
  Column(const char* header) : Column(std::string(header)) {}
  Column(std::string header, Align side = Align::left) : title(header), key(std::move(header)), align(side) {}
  Column(std::string header, Align side, std::string name, int of_part = 0)
      : title(std::move(header)), key(std::move(name)), align(side), part(of_part) {}

  std::string title;  // for readers
  std::string key;    // for other programs: CSV, JSON
  Align align = Align::left;
  int part = 0;  // of a table that is too wide; columns of one part stand together, below or beside the first column
};

// A column of numbers, set to the right.
inline Column right_column(std::string title) { return {std::move(title), Align::right}; }

// The mark of tied cells. A line of a note that begins with it begins with the mark of the form.
inline constexpr const char* tied_mark = "≈";

// Lines below a table. Without a title they stand in the place of the table.
struct Note {
  std::string title;
  std::vector<std::string> lines;
};

// Rows of cells under columns, as report/render.h writes them. It knows nothing of what it shows.
struct Table {
  explicit Table(std::vector<Column> of = {}) : columns(std::move(of)) {}
  void add(std::vector<Cell> row);  // as many cells as columns
  bool empty() const { return rows.empty(); }
  void add_rule();  // before the next row; none before the first
  bool has_rule(std::size_t row) const;

  std::string title;
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;
  std::vector<std::size_t> rules;  // rows that stand below a rule, apart from those above
  std::vector<Note> notes;
};

}  // namespace peftbench::report
