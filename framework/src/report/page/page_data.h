#pragma once

#include "report/layer.h"
#include "report/table.h"
#include "results/comparison.h"
#include "results/learning_curve.h"
#include "results/search_results.h"
#include "results/table_tests.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::report {

// What the runs of a row cost beyond what stands in the row; the first finished run's.
struct RowFacts {
  std::optional<double> backbone_size;  // parameters
  std::optional<double> added_length;   // rows that the method adds to a sequence of the encoder
  std::optional<double> trained_share;  // of all parameters, 0 to 1
};

// The learning curve of one run.
struct RunCurve {
  std::size_t row = 0;  // place in PageData::rows
  std::uint64_t seed = 0;
  LearningCurve curve;
};

// An example that rows of one table answer differently.
struct AnsweredExample {
  std::string place;  // as predictions.jsonl has it: films.tsv:17, or its index
  std::string input;  // text; or a hash, or nothing, where the file has no text
  std::string target;
  std::vector<std::string> answers;  // by the table's rows (TableAnswers::rows)
  std::vector<bool> right;           // likewise
};

// How many examples two rows answer differently.
struct PairDifference {
  std::size_t a = 0, b = 0;                         // places in TableAnswers::rows, a < b
  std::int64_t differ = 0, only_a = 0, only_b = 0;  // answers; and those that are right on one side alone
};

// The answers of one table's rows: of each row one seed, on the same examples.
struct TableAnswers {
  std::vector<std::size_t> rows;     // places in PageData::rows
  std::vector<std::uint64_t> seeds;  // likewise: whose answers these are
  std::int64_t examples = 0;         // that all of them answered
  std::vector<PairDifference> pairs;
  std::vector<AnsweredExample> shown;  // some of those with different answers
};

// Observable Plot and D3, which draw the plots of the page anew so that they can be pointed at.
struct PlotLibrary {
  std::string d3, plot, licence;
};

// All that the page shows. Places of rows are those in `rows`.
struct PageData {
  std::string title = "peft-bench report";
  std::vector<ComparisonRow> rows;
  std::vector<Table> tables;  // comparison_tables(rows, true), with what else they are asked for
  TableTests tests;
  std::vector<SearchResult> searches;
  std::vector<RowFacts> facts;  // by rows, or empty
  std::vector<RunCurve> curves;
  std::vector<TableAnswers> answers;
  std::vector<std::string> notes;  // what could not be read, and why
  std::optional<PlotLibrary> library;
};

// The rows of one table: of one task on one backbone, in the order of `rows`. Records that cannot be read are in none.
struct RowGroup {
  std::string task, backbone;
  std::vector<std::size_t> rows;
};
std::vector<RowGroup> row_groups(const std::vector<ComparisonRow>& rows);

// The interval of a row's score, 95 %: over seeds if a test gave one, else that of its single score.
std::optional<Interval> score_interval(const PageData& data, std::size_t row);

}  // namespace peftbench::report
