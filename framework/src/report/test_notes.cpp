#include "report/test_notes.h"

#include "core/names.h"
#include "report/row_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace peftbench::report {
namespace {

// The rows of a table mostly stand together: most others are told by the ends.
bool is_among(const std::set<std::size_t>& places, std::size_t row) {
  return !places.empty() && row >= *places.begin() && row <= *places.rbegin() && places.contains(row);
}

std::vector<std::string> untested_lines(const std::vector<ComparisonRow>& all, const std::set<std::size_t>& places,
                                        const TableTests& tests) {
  std::vector<RowNote> notes;
  for (const UntestedRow& untested : tests.untested)
    if (is_among(places, untested.row)) notes.push_back({all.at(untested.row).label, untested.why});
  return joined_notes(notes, places.size());
}

}  // namespace

std::vector<Note> test_notes(const std::vector<ComparisonRow>& all, const std::vector<const ComparisonRow*>& shown,
                             const TableTests& tests) {
  std::set<std::size_t> places;
  bool tied = false, several = false, small = false;
  std::size_t ranked = 0;
  for (const ComparisonRow* row : shown) {
    places.insert(static_cast<std::size_t>(row - all.data()));
    if (!row->standing) continue;
    ++ranked;
    tied |= row->standing->tied_with_best && !row->standing->best;
    small |= row->standing->too_small;
    several |= row->score.n > 1 && row->standing->interval.has_value();
  }
  std::vector<std::string> names;
  std::size_t adjusted = 0;
  for (const PairTest& pair : tests.pairs) {
    adjusted += pair.p ? 1 : 0;
    if (pair.p && is_among(places, pair.a) && std::find(names.begin(), names.end(), pair.test) == names.end())
      names.push_back(pair.test);
  }
  std::vector<std::string> lines;
  const bool compared = ranked > 1;
  if (compared && tied) lines.push_back(std::string(tied_mark) + " not distinguishable from the best row of the table");
  if (compared && !names.empty())
    lines.push_back(fmt::format("p < {} after Holm's adjustment over {} of the report; tests: {}", significance,
                                adjusted == 1 ? "the only pair" : fmt::format("all {} pairs", adjusted),
                                join(names, "; ")));
  if (compared)
    lines.emplace_back(
        "rank: 1 + the rows that are significantly better, to the number of rows that are not significantly worse");
  if (compared && small)
    lines.push_back(fmt::format("{}: fewer than {} seeds and under {} examples", too_small_text, least_tested_seeds,
                                least_tested_examples));
  if (several) lines.emplace_back("intervals over seeds: 95 %, bootstrap of seeds and examples");
  std::vector<Note> notes;
  if (!lines.empty()) notes.push_back({"tests (docs/statistics.md)", std::move(lines)});
  if (std::vector<std::string> untested = untested_lines(all, places, tests); !untested.empty())
    notes.push_back({untested_title, std::move(untested)});
  return notes;
}

}  // namespace peftbench::report
