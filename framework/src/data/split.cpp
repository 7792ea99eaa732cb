#include "data/split.h"

#include "core/random.h"

#include <peftbench/error.h>

#include <cmath>
#include <numeric>
#include <string_view>
#include <unordered_map>

namespace peftbench {

namespace {

// Sets of rows that grow together; the first row of a set stands for it.
class Groups {
 public:
  explicit Groups(std::size_t rows) : parent_(rows) { std::iota(parent_.begin(), parent_.end(), std::size_t{0}); }
  std::size_t find(std::size_t row) {
    while (parent_[row] != row) row = parent_[row] = parent_[parent_[row]];
    return row;
  }
  void join(std::size_t a, std::size_t b) {
    a = find(a), b = find(b);
    if (a < b) parent_[b] = a;
    if (b < a) parent_[a] = b;
  }

 private:
  std::vector<std::size_t> parent_;
};

std::vector<std::vector<std::size_t>> group(const std::vector<RowKeys>& rows) {
  Groups groups(rows.size());
  std::unordered_map<std::string_view, std::size_t> first;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (const std::string& key : rows[row].keys) groups.join(first.emplace(key, row).first->second, row);
  }
  std::vector<std::vector<std::size_t>> result;
  std::unordered_map<std::size_t, std::size_t> place;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const auto [found, fresh] = place.emplace(groups.find(row), result.size());
    if (fresh) result.emplace_back();
    result[found->second].push_back(row);
  }
  return result;
}

std::size_t wanted(double part, std::size_t rows) {
  return static_cast<std::size_t>(part < 1 ? std::max(1.0, std::round(part * static_cast<double>(rows))) : part);
}

}  // namespace

std::vector<Split> split_rows(const std::vector<RowKeys>& rows, const SplitSpec& spec, SplitWants wants) {
  std::vector<Split> result(rows.size(), Split::train);
  std::vector<std::vector<std::size_t>> groups = group(rows);
  Random(stream_seed(spec.seed, "split")).shuffle(groups);
  const auto refuse = [&](const std::string& what, const std::string& found) {
    throw ConfigError(Problem{spec.place + ": " + what, found, "rows for train, validation and test",
                              spec.by.empty() ? "set smaller parts in 'split', or name more data"
                                              : "set smaller parts in 'split', or another field in 'split.by'"});
  };
  std::size_t left = rows.size();
  // A group that is too large for what is still wanted waits for the next split, and in the end for train.
  const auto take = [&](Split split, double part, const std::string& name) {
    const std::size_t want = wanted(part, rows.size());
    std::size_t have = 0;
    for (std::vector<std::size_t>& rows_of : groups) {
      if (rows_of.empty() || have + rows_of.size() > want) continue;
      for (const std::size_t row : rows_of) result[row] = split;
      have += rows_of.size();
      rows_of.clear();
      if (have == want) break;
    }
    left -= have;
    if (have == 0 || left == 0) {
      refuse(have == 0 ? "no group of rows is small enough for the " + name + " split"
                       : "the " + name + " split leaves no rows for train",
             std::to_string(rows.size()) + " rows in " + std::to_string(groups.size()) + " groups, of which " +
                 std::to_string(want) + " rows are wanted for " + name);
    }
  };
  if (wants.test) take(Split::test, spec.test, "test");
  if (wants.validation) take(Split::validation, spec.validation, "validation");
  return result;
}

}  // namespace peftbench
