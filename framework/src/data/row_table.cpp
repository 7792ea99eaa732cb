#include "data/row_table.h"

#include "core/names.h"

#include <peftbench/error.h>

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

namespace peftbench {

RowTable::RowTable(const SplitSpec& spec, bool validation_given, bool test_given, bool scored_alone)
    : spec_(spec),
      wants_{!scored_alone && !validation_given, !scored_alone && !test_given && spec.test > 0},
      compare_(!spec.keep_overlap && (validation_given || test_given)) {}

void RowTable::add(const LoadedRow& row, Split split, std::uint32_t record, std::int32_t trained) {
  Rows& rows = split == Split::train ? train_ : split == Split::validation ? validation_ : test_;
  if (rows.count == 0) rows.first = record;
  if (split == Split::train) {
    // As soon as one row is not one record, all are listed.
    if (trained >= 0 && trained_.empty()) {
      for (std::uint32_t i = 0; i < rows.count; ++i) rows.records.push_back(rows.first + i);
      trained_.assign(rows.count, -1);
    }
    if (trained >= 0 || !trained_.empty()) {
      rows.records.push_back(record);
      trained_.push_back(trained);
    }
    if (wants_.validation || wants_.test) keys_.add(row.keys);
  }
  ++rows.count;
  if (compare_) rows.inputs.push_back(std::hash<std::string_view>()(row.keys.keys.front()));
  if (split == Split::test && !row.labelled && bare_++ == 0) bare_origin_ = row.origin;
}

// Splits that the source gives as files may overlap: what is scored must not have been trained on.
void RowTable::drop_seen(Rows& rows, const Rows& seen, const std::string& what) {
  Hashes inputs = seen.inputs;
  std::sort(inputs.begin(), inputs.end());
  rows.dropped.resize(rows.count);
  long long dropped = 0;
  for (std::uint32_t row = 0; row < rows.count; ++row) {
    if (rows.dropped[row] || !std::binary_search(inputs.begin(), inputs.end(), rows.inputs[row])) continue;
    rows.dropped[row] = true;
    ++dropped;
  }
  if (dropped > 0) result_.notes.push_back(with_thousands(dropped) + " rows left out of " + what);
}

// The splits that files give; those that are set aside from train share nothing with it anyway.
void RowTable::drop_overlap() {
  if (test_.count > 0) drop_seen(train_, test_, "train that are in test too");
  if (validation_.count > 0) drop_seen(train_, validation_, "train that are in validation too");
  if (test_.count > 0 && validation_.count > 0) drop_seen(validation_, test_, "validation that are in test too");
  for (Rows* rows : {&train_, &validation_, &test_}) Hashes().swap(rows->inputs);
}

void RowTable::check_labels() {
  if (bare_ == 0) return;
  if (bare_ < test_.count) {
    throw DataError(Problem{bare_origin_ + ": the row has no label, but others of the test split have",
                            "no answer, or the label -1", "a label in every row of test, or in none",
                            "leave such rows out with 'filter'"});
  }
  result_.notes.emplace_back("the rows of test have no labels: validation is scored in its place");
  result_.test_labelled = false;
}

// `splits`: of the rows of train that were not dropped; empty where none is set aside.
void RowTable::share_out(const std::vector<Split>& splits) {
  const auto list_of = [&](Split split) -> std::vector<std::uint32_t>& {
    return split == Split::test ? result_.test : split == Split::validation ? result_.validation : result_.train;
  };
  for (const auto& [rows, split] :
       {std::pair{&train_, Split::train}, std::pair{&validation_, Split::validation}, std::pair{&test_, Split::test}}) {
    list_of(split).reserve(rows->count);
    std::size_t kept = 0;
    for (std::uint32_t row = 0; row < rows->count; ++row) {
      if (!rows->dropped.empty() && rows->dropped[row]) continue;
      const Split place = rows == &train_ && !splits.empty() ? splits[kept++] : split;
      const std::uint32_t record = rows->record(row);
      if (place != Split::train || trained_.empty() || trained_[row] < 0) {
        list_of(place).push_back(record);
        continue;
      }
      for (std::int32_t i = 1; i <= trained_[row]; ++i) result_.train.push_back(record + static_cast<std::uint32_t>(i));
    }
  }
}

RowTable::Splits RowTable::finish() {
  check_labels();
  if (compare_) drop_overlap();
  std::vector<Split> splits;
  if (wants_.validation || wants_.test) {
    if (!train_.dropped.empty()) keys_.drop(train_.dropped);
    splits = split_rows(std::move(keys_), spec_, wants_);
  }
  share_out(splits);
  return std::move(result_);
}

}  // namespace peftbench
