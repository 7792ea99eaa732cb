#include "data/prepared/row_table.h"

#include "core/names.h"

#include <peftbench/error.h>

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

namespace peftbench::data {

namespace {

constexpr std::uint64_t no_key = 0;

}  // namespace

// Groups that a preprocessor makes are not compared between files: their numbers begin anew in each of them.
RowTable::RowTable(const TaskSpec& spec, bool validation_given, bool test_given, bool scored_alone)
    : spec_(spec.split),
      wants_{!scored_alone && !validation_given, !scored_alone && !test_given && spec_.test > 0},
      scored_alone_(scored_alone),
      compare_(!scored_alone && (validation_given || test_given)),
      compared_(1 + spec_.by.size() + (spec.group.empty() ? 0 : 1)) {}

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
  if (compare_) {
    rows.keys.resize(compared_);
    for (std::size_t key = 0; key < compared_; ++key)
      rows.keys[key].push_back(key < row.keys.keys.size() ? std::hash<std::string_view>()(row.keys.keys[key]) : no_key);
  }
  if (split == Split::test && !row.labelled && bare_++ == 0) bare_origin_ = row.origin;
}

// Splits that the source gives as files may overlap: what is scored must not have been trained on, unless the task says
// so; then it is told.
void RowTable::drop_seen(Rows& rows, const std::string& name, const Rows& seen, const std::string& other) {
  const bool drops = !spec_.keep_overlap;
  if (drops) rows.dropped.resize(rows.count);
  for (std::size_t key = 0; key < (drops ? compared_ : 1); ++key) {
    Hashes hashes = seen.keys[key];
    std::sort(hashes.begin(), hashes.end());
    long long dropped = 0;
    for (std::uint32_t row = 0; row < rows.count; ++row) {
      const std::uint64_t hash = rows.keys[key][row];
      if ((drops && rows.dropped[row]) || hash == no_key || !std::binary_search(hashes.begin(), hashes.end(), hash))
        continue;
      if (drops) rows.dropped[row] = true;
      ++dropped;
    }
    if (dropped == 0) continue;
    if (!drops) {
      result_.notes.push_back(with_thousands(dropped) + " rows of " + name + " are in " + other +
                              " too, and are kept in both ('overlap: keep')");
      continue;
    }
    const std::string why = key == 0                 ? "are in " + other + " too"
                            : key <= spec_.by.size() ? "agree in '" + spec_.by[key - 1] + "' with rows of " + other
                                                     : "belong to a group that is in " + other + " too";
    result_.notes.push_back(with_thousands(dropped) + " rows removed from " + name + " that " + why);
  }
}

// The splits that files give; those that are set aside from train share nothing with it anyway.
void RowTable::drop_overlap() {
  if (test_.count > 0) drop_seen(train_, "train", test_, "test");
  if (validation_.count > 0) drop_seen(train_, "train", validation_, "validation");
  if (test_.count > 0 && validation_.count > 0) drop_seen(validation_, "validation", test_, "test");
  for (Rows* rows : {&train_, &validation_, &test_}) std::vector<Hashes>().swap(rows->keys);
}

void RowTable::check_labels() {
  if (bare_ == 0) return;
  if (bare_ < test_.count) {
    throw DataError(Problem{bare_origin_ + ": the row has no label, but other rows of the test split have one",
                            "no answer, or the label -1", "labels for all rows of test, or for none",
                            "remove such rows with 'filter'"});
  }
  if (scored_alone_) {
    throw DataError(Problem{bare_origin_ + ": no row of the test split has a label", "no answer, or the label -1",
                            "labels for scoring, because the task has no validation split",
                            "use a file with labels, or add 'validation' to 'source'"});
  }
  result_.notes.emplace_back("the rows of test have no labels: validation is scored instead");
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

}  // namespace peftbench::data
