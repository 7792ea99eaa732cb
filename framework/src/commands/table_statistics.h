#pragma once

#include "commands/layer.h"
#include "core/progress.h"
#include "results/comparison.h"
#include "results/table_tests.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace peftbench::commands {

// Tables of a report that are tested. `automatic`: those with at most most_tested_rows rows.
enum class TestedTables { none, automatic, all };
inline constexpr std::size_t most_tested_rows = 40;

struct TableTestRequest {
  TestedTables tables = TestedTables::automatic;
  std::uint64_t seed = 0;  // random seed of bootstrap and permutation draws
  std::int64_t draws = 10'000;
};

// The tests of every table (one task and backbone) of these rows, from the predictions of their finished runs: the
// interval of each mean over seeds, the difference of each pair with its interval and test, ranks. Holm's adjustment is
// over the pairs of all tables. Nothing is thrown for a row that cannot be tested: it is among `untested`. Means of
// benchmarks have no predictions and are left out. docs/statistics.md defines the numbers.
TableTests test_tables(const std::vector<ComparisonRow>& rows, const StoredRuns& stored,
                       const TableTestRequest& request, ProgressSink& progress);

}  // namespace peftbench::commands
