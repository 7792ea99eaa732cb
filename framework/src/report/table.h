#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace peftbench {

// Rows of text under headers, aligned by columns of the terminal.
class TextTable {
 public:
  // A header that starts with '>' marks a right-aligned column, for numbers.
  explicit TextTable(const std::vector<std::string>& headers);
  void add(std::vector<std::string> row);  // as many cells as headers
  bool empty() const { return rows_.empty(); }

  // The last column is wrapped to fit `width`; 0: not wrapped.
  std::string text(std::size_t width = 0) const;

 private:
  std::vector<std::string> headers_;
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

// "  label   text" lines, the text wrapped: how one thing is shown with its properties.
class TextSheet {
 public:
  void add(std::string label, std::string text) { lines_.emplace_back(std::move(label), std::move(text)); }
  std::string text(std::size_t width = 0) const;

 private:
  std::vector<std::pair<std::string, std::string>> lines_;
};

}  // namespace peftbench
