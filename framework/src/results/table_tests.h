#pragma once

#include "results/layer.h"
#include "results/run_record.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace peftbench::results {

// Rows with fewer seeds than this and fewer examples are too small for a test.
inline constexpr std::int64_t least_tested_seeds = 5, least_tested_examples = 100;
inline constexpr const char* too_small_text = "n too small";
inline constexpr double significance = 0.05;  // of adjusted p values

// Two rows of one table (one task and backbone): the difference of their scores, and whether a test can tell them
// apart.
struct PairTest {
  std::size_t a = 0, b = 0;              // places in the list of all rows, a < b
  std::int64_t seeds = 0, examples = 0;  // of the row with fewer; examples or groups that both answered
  double difference = 0;                 // a's score (its mean over all its seeds) minus b's
  std::optional<Interval> interval;      // 95 %, of the difference
  std::optional<double> p, adjusted_p;   // adjusted: Holm, over all pairs that the report makes
  std::string test;                      // its name; "n too small" or "no variation" without p
};

// What the tests say of a row in its table.
struct Standing {
  std::size_t row = 0;                       // place in the list of all rows
  std::optional<Interval> interval;          // 95 %, of the mean over seeds
  std::int64_t rank_low = 1, rank_high = 1;  // 1 + rows that are different and better; rows that are not worse
  bool best = false;                         // has the largest score of the table; of equal ones the first
  bool tied_with_best = false;  // not distinguishable from the best row of the table; true for the best itself
  bool too_small = false;       // no test can tell: fewer than 5 seeds and under 100 examples
};

// A row that could not be tested.
struct UntestedRow {
  std::size_t row = 0;  // place in the list of all rows
  std::string why;
};

// What the tests say of a row in a column of a grid of several tasks: its own score or that on another task.
struct GridStanding {
  std::string task;      // of the column
  bool trained = false;  // the grid of the mixtures' own tasks; false: of tasks that were not trained on
  Standing standing;     // among the rows of the column
};

// All tests of a report. A table with a single row has none. The pairs of grids are adjusted among themselves, and are
// not among `pairs`: the marks of grids do not depend on the tables, nor these on grids.
struct TableTests {
  std::vector<PairTest> pairs;
  std::vector<Standing> standings;
  std::vector<GridStanding> grids;
  std::vector<UntestedRow> untested;
  std::vector<std::string> notes;  // of whole tables that were not tested, and why
};

// A row of one table, as standings are made from it.
struct RankedRow {
  std::size_t row = 0;  // place in the list of all rows
  double score = 0;     // mean over seeds
  std::int64_t seeds = 0, examples = 0;
  std::optional<Interval> interval = {};
};

bool is_too_small(std::int64_t seeds, std::int64_t examples);

// Fills in adjusted_p of all pairs.
void adjust_pairs(std::vector<PairTest>& pairs);

// Of the rows of one table, by their adjusted pairs; pairs of other rows do not matter. A pair without p tells no
// difference. The best row is that with the largest score, of equal ones the first.
std::vector<Standing> standings_of(const std::vector<RankedRow>& table, std::span<const PairTest> pairs);

}  // namespace peftbench::results
