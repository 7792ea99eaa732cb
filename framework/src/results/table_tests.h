#pragma once

#include "results/layer.h"
#include "results/run_record.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::results {

// Two rows of one table (one task and backbone): the difference of their scores, and whether a test can tell them
// apart.
struct PairTest {
  std::size_t a = 0, b = 0;              // places in the list of all rows, a < b
  std::int64_t seeds = 0, examples = 0;  // that both have
  double difference = 0;                 // mean of a's score minus b's over those seeds
  std::optional<Interval> interval;      // 95 %, of the difference
  std::optional<double> p, adjusted_p;   // adjusted: Holm, over all pairs that the report makes
  std::string test;                      // its name; "n too small" without p
};

// What the tests say of a row in its table.
struct Standing {
  std::size_t row = 0;                       // place in the list of all rows
  std::optional<Interval> interval;          // 95 %, of the mean over seeds
  std::int64_t rank_low = 1, rank_high = 1;  // 1 + rows that are different and better; rows that are not worse
  bool tied_with_best = false;  // not distinguishable from the best row of the table; true for the best itself
  bool too_small = false;       // no test can tell: fewer than 5 seeds and under 100 examples
};

// All tests of a report. A table with a single row has none.
struct TableTests {
  std::vector<PairTest> pairs;
  std::vector<Standing> standings;
  std::vector<std::string> notes;  // rows that could not be tested, and why
};

}  // namespace peftbench::results
