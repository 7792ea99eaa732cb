#include "data/preprocess/row_stream.h"

#include "core/names.h"
#include "data/task/task_spec.h"

#include <peftbench/error.h>

#include <utility>

namespace peftbench::data {

namespace {

std::string rows(std::int64_t count) { return with_thousands(count) + (count == 1 ? " row" : " rows"); }

std::string name_of(Split split) {
  return split == Split::train ? "the source" : split == Split::validation ? "validation" : "test";
}

}  // namespace

RowStream::RowStream(const TaskConfig& config, const FoundSource& source, ProgressSink* progress)
    : config_(config), source_(source), progress_(progress), formatter_(config) {
  for (const auto& [split, paths] :
       {std::pair{Split::train, &source.train}, std::pair{Split::validation, &source.validation},
        std::pair{Split::test, &source.test}}) {
    for (const fs::path& path : *paths) files_.push_back({split, path, &path == &paths->back()});
  }
}

bool RowStream::next(LoadedRow& row, Split& split) {
  constexpr std::int64_t every = 1 << 16;
  while (file_ < files_.size()) {
    const File& file = files_[file_];
    if (!reader_) {
      reader_ = RowReader::open(file.path, source_.source);
      read_ = 0;
    }
    while (reader_->next()) {
      ++read_;
      if (++all_ % every == 0 && progress_)
        progress_->update({"load", all_, 0, "rows of " + file.path.filename().string()});
      if (!formatter_.passes(*reader_)) {
        ++refused_;
        continue;
      }
      ++passed_;
      row = formatter_.format(*reader_, file.split);
      split = file.split;
      return true;
    }
    if (!next_file()) return false;
  }
  return false;
}

// What a file and a split must have held.
bool RowStream::next_file() {
  const std::int64_t skipped = reader_->skipped(), cut = reader_->cut();
  if (read_ == 0 && skipped > 0) {
    reader_->fail("every row has too few columns", rows(skipped) + ", none with the expected number",
                  "rows with the columns " + join(reader_->names()),
                  "set 'delimiter', 'quote' and 'columns' in the source to match the file");
  }
  const std::string name = files_[file_].path.filename().string();
  if (skipped > 0) notes_.push_back(rows(skipped) + " of " + name + " with too few columns skipped");
  if (cut > 0) notes_.push_back(rows(cut) + " of " + name + " with too many columns: the extra ones are ignored");
  if (const std::int64_t quoted = reader_->quoted(); quoted > 0)
    notes_.push_back(
        with_thousands(quoted) + " values of " + name +
        R"( are in quotes with doubled quotes inside, which are read as ordinary characters: if the file was )"
        R"(written with quotes (as pandas does), set quote: '"' in the source)");
  if (read_ == 0)
    reader_->fail("the file contains no rows", "no line after the header, or only empty lines",
                  "a row for each example");
  if (files_[file_].last) {
    if (passed_ == 0) {
      std::vector<std::string> names;
      for (const File& file : files_)
        if (file.split == files_[file_].split) names.push_back(file.path.string());
      throw ConfigError(Problem{config_.spec->source.place + ": no rows are left",
                                "the filter removes every row of " + join(names), "rows that pass 'filter'",
                                "compare the values in 'filter' with those in the file"});
    }
    if (refused_ > 0) {
      const auto all = static_cast<std::int64_t>(passed_) + refused_;
      notes_.push_back("the filter removed " + with_thousands(refused_) + " of " + rows(all) + " of " +
                       name_of(files_[file_].split));
    }
    passed_ = 0;
    refused_ = 0;
  }
  reader_.reset();
  return ++file_ < files_.size();
}

}  // namespace peftbench::data
