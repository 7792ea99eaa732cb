#include "data/task/split.h"

#include "core/random.h"

#include <peftbench/error.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <string_view>
#include <utility>

namespace peftbench::data {

namespace {

// Sets of rows that grow together; the first row of a set stands for it.
class Groups {
 public:
  explicit Groups(std::size_t rows) : parent_(rows) { std::iota(parent_.begin(), parent_.end(), std::uint32_t{0}); }
  std::uint32_t find(std::uint32_t row) {
    while (parent_[row] != row) row = parent_[row] = parent_[parent_[row]];
    return row;
  }
  void join(std::uint32_t a, std::uint32_t b) {
    a = find(a), b = find(b);
    if (a < b) parent_[b] = a;
    if (b < a) parent_[a] = b;
  }
  std::vector<std::uint32_t> take() {
    for (std::uint32_t row = 0; row < parent_.size(); ++row) parent_[row] = find(row);
    return std::move(parent_);
  }

 private:
  std::vector<std::uint32_t> parent_;
};

std::size_t wanted(double part, std::size_t rows) {
  return static_cast<std::size_t>(part < 1 ? std::max(1.0, std::round(part * static_cast<double>(rows))) : part);
}

}  // namespace

void KeyTable::add(const RowKeys& keys) {
  for (const std::string& key : keys.keys) {
    const auto hash = static_cast<std::uint64_t>(std::hash<std::string_view>()(key));
    entries_.push_back(
        {static_cast<std::uint32_t>(hash >> 32), static_cast<std::uint32_t>(hash), static_cast<std::uint32_t>(rows_)});
  }
  ++rows_;
}

void KeyTable::drop(const std::vector<bool>& rows) {
  std::vector<std::uint32_t> number(rows_);
  std::uint32_t kept = 0;
  for (std::size_t row = 0; row < rows_; ++row) {
    number[row] = kept;
    if (!rows[row]) ++kept;
  }
  std::erase_if(entries_, [&](const Entry& entry) { return rows[entry[2]]; });
  for (Entry& entry : entries_) entry[2] = number[entry[2]];
  rows_ = kept;
}

std::vector<std::uint32_t> KeyTable::take_groups() {
  Groups groups(rows_);
  std::sort(entries_.begin(), entries_.end());
  for (std::size_t i = 1; i < entries_.size(); ++i) {
    const Entry &a = entries_[i - 1], &b = entries_[i];
    if (a[0] == b[0] && a[1] == b[1]) groups.join(a[2], b[2]);
  }
  std::deque<Entry>().swap(entries_);
  rows_ = 0;
  return groups.take();
}

std::vector<Split> split_rows(KeyTable keys, const SplitSpec& spec, SplitWants wants) {
  const std::size_t rows = keys.rows();
  const std::vector<std::uint32_t> first = keys.take_groups();  // a group's first row is its number
  std::vector<std::uint32_t> sizes(rows), order;
  for (const std::uint32_t group : first) {
    if (sizes[group]++ == 0) order.push_back(group);
  }
  Random(stream_seed(spec.seed, "split")).shuffle(order);
  const auto refuse = [&](const std::string& what, const std::string& found) {
    if (order.size() == 1 && rows > 1) {
      throw ConfigError(
          Problem{spec.place + ": the rows cannot be split: all of them are in one group",
                  std::to_string(rows) + " rows in 1 group",
                  "at least two groups; rows with the same input, 'group' or 'split.by' text form a group",
                  "check the fields of 'input', 'group' and 'split.by'"});
    }
    throw ConfigError(Problem{spec.place + ": " + what, found, "rows for train, validation and test",
                              spec.by.empty() ? "set smaller split sizes in 'split', or add more data"
                                              : "set smaller split sizes in 'split', or another field in 'split.by'"});
  };
  std::vector<Split> result(rows, Split::train);
  std::size_t left = rows;
  // A group that is too large for what is still wanted waits for the next split, and in the end for train.
  const auto take = [&](Split split, double part, const std::string& name) {
    const std::size_t want = wanted(part, rows);
    std::size_t have = 0;
    for (const std::uint32_t group : order) {
      if (sizes[group] == 0 || have + sizes[group] > want) continue;
      result[group] = split;
      have += sizes[group];
      sizes[group] = 0;
      if (have == want) break;
    }
    left -= have;
    if (have == 0 || left == 0) {
      refuse(have == 0 ? "no group of rows is small enough for the " + name + " split"
                       : "the " + name + " split leaves no rows for train",
             std::to_string(rows) + " rows in " + std::to_string(order.size()) + " groups, of which " +
                 std::to_string(want) + " rows are needed for " + name);
    }
  };
  if (wants.test) take(Split::test, spec.test, "test");
  if (wants.validation) take(Split::validation, spec.validation, "validation");
  for (std::size_t row = 0; row < rows; ++row) result[row] = result[first[row]];
  return result;
}

}  // namespace peftbench::data
