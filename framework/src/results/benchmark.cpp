#include "results/benchmark.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

namespace peftbench::results {
namespace {

struct Member {
  std::string_view task;
  bool two_metrics;  // whose mean is the task's score
};
constexpr std::array<Member, 8> superglue = {{{"superglue/boolq", false},
                                              {"superglue/cb", true},
                                              {"superglue/copa", false},
                                              {"superglue/multirc", true},
                                              {"superglue/record", true},
                                              {"superglue/rte", false},
                                              {"superglue/wic", false},
                                              {"superglue/wsc", false}}};

constexpr std::string_view superglue_mean = "superglue (mean of 8)";

// The first row of each label and backbone.
using MemberRows = std::map<std::pair<std::string_view, std::string_view>, const ComparisonRow*>;

MemberRows rows_of(const Member& member, const std::vector<ComparisonRow>& rows) {
  MemberRows result;
  for (const ComparisonRow& row : rows)
    if (row.task == member.task && row.score.n > 0 && (!member.two_metrics || row.metric == "mean"))
      result.emplace(std::pair(std::string_view(row.label), std::string_view(row.backbone)), &row);
  return result;
}

std::optional<double> score_of(const ComparisonRow& row, std::uint64_t seed) {
  for (const SeedRun& run : row.runs)
    if (run.seed == seed && run.score) return run.score;
  return std::nullopt;
}

void widen(std::optional<Range>& sum, const std::optional<Range>& part) {
  if (sum && part)
    sum = Range{sum->low + part->low, sum->high + part->high};
  else
    sum.reset();
}

ComparisonRow mean_of(const std::vector<const ComparisonRow*>& tasks) {
  const auto count = static_cast<double>(tasks.size());
  const ComparisonRow& first = *tasks.front();
  ComparisonRow row;
  row.label = first.label;
  row.method = first.method;
  row.backbone = first.backbone;
  row.task = superglue_mean;
  row.metric = "mean";
  row.split = first.split;
  row.answers = first.answers;
  row.majority = 0;
  row.examples = Range{0, 0};
  for (const ComparisonRow* task : tasks) {
    if (task->split != row.split) row.split = "test or validation";
    if (task->answers != row.answers) row.answers = "in several ways";
    for (const std::string& item : task->otherwise)
      if (std::count(row.otherwise.begin(), row.otherwise.end(), item) == 0) row.otherwise.push_back(item);
    row.majority =
        row.majority && task->majority ? std::optional(*row.majority + *task->majority / count) : std::nullopt;
    widen(row.examples, task->examples);
    const auto& warnings = task->warnings;
    if (row.warnings.empty() && std::count(warnings.begin(), warnings.end(), chosen_on_scored) > 0)
      row.warnings.push_back(chosen_on_scored);
  }
  std::vector<double> scores;
  for (const SeedRun& run : first.runs) {
    double sum = 0;
    const bool all = std::all_of(tasks.begin(), tasks.end(), [&](const ComparisonRow* task) {
      const auto score = score_of(*task, run.seed);
      sum += score.value_or(0);
      return score.has_value();
    });
    if (!all) continue;
    scores.push_back(sum / count);
    row.runs.push_back({run.seed, "", "finished", "", scores.back()});
  }
  row.score = summarise(scores);
  return row;
}

}  // namespace

std::vector<ComparisonRow> benchmark_rows(const std::vector<ComparisonRow>& rows) {
  std::vector<ComparisonRow> means;
  std::vector<MemberRows> members;
  for (const Member& member : superglue) members.push_back(rows_of(member, rows));
  for (const ComparisonRow& row : rows) {
    if (row.task != superglue.front().task) continue;
    std::vector<const ComparisonRow*> tasks;
    for (const MemberRows& member : members)
      if (const auto found = member.find({row.label, row.backbone}); found != member.end())
        tasks.push_back(found->second);
    if (tasks.size() < superglue.size()) continue;
    if (ComparisonRow mean = mean_of(tasks); mean.score.n > 0) means.push_back(std::move(mean));
  }
  return means;
}

bool is_benchmark_mean(const ComparisonRow& row) { return row.task == superglue_mean; }

}  // namespace peftbench::results
