#pragma once

#include "report/column_choice.h"
#include "report/layer.h"
#include "report/table.h"
#include "results/comparison.h"

#include <string>
#include <vector>

namespace peftbench::report {

// What was scored: the task of a row, or another one that its runs were tried on. What columns show comes from here.
struct ScoredTask {
  const ComparisonRow& row;
  bool own;          // the row's own task
  std::string task;  // "films → tweets" for another one
  const std::string& metric;
  const std::string& split;
  const Summary& score;
  const std::optional<Interval>& interval;  // of a single score
  const std::optional<Range>& examples;
  const std::optional<double>& majority;
  const std::optional<double>& illegal_rate;
  const std::vector<MetricScore>& metrics;
};

ScoredTask own_task(const ComparisonRow& row);
ScoredTask other_task(const ComparisonRow& row, const OtherScore& other);

enum class Form { page, csv, json };  // a page is read by people: text, Markdown

// A column that a page can have.
struct ColumnMeaning {
  std::string key, title, meaning;
  bool by_default;
};
std::vector<ColumnMeaning> page_columns();

// A table of these rows with the columns of a form, of a page with those that were chosen. CSV has a row for each other
// task too; in JSON they are in the row. What is known of all runs of a row and of no single task is absent for other
// tasks.
Table comparison_table(const std::vector<const ComparisonRow*>& rows, Form form, const ColumnChoice& choice = {});

std::string range_text(const std::optional<Range>& range);

}  // namespace peftbench::report
