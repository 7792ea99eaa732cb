#include "commands/predict.h"

#include "backbone/finite.h"
#include "backbone/unchanged.h"
#include "commands/scored_run.h"
#include "config/machine.h"
#include "core/names.h"
#include "data/prepared/text_counts.h"
#include "data/preprocess/formatter.h"
#include "data/task/task_mixture.h"
#include "data/task/task_spec.h"
#include "eval/voting.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <utility>

namespace peftbench::commands {
namespace {

using Line = nlohmann::ordered_json;

Line label_json(const Answer& answer, const std::vector<std::string>& labels) {
  return answer.label < 0 ? Line() : Line(labels[static_cast<std::size_t>(answer.label)]);
}

// A run that answers the rows of the input, which it formats for itself.
class AnsweringRun {
 public:
  AnsweringRun(std::unique_ptr<ScoredRun> run, const PredictRequest& request)
      : run_(std::move(run)),
        show_input_(request.show_input),
        scored_(request.scores || !evaluator().generates(run_->plan())),
        formatter_(config()) {
    if (scored_ && evaluator().scored_words(run_->plan()).empty())
      throw ConfigError({"--scores needs a task with label words", "'" + config().name + "' has free-text answers",
                         "a task with label words", "remove --scores"});
    evaluator().prepare(run_->plan());
  }

  const std::string& id() const { return run_->record().id; }
  const TaskConfig& config() const { return run_->bench().task.config; }
  ScoredRun& run() { return *run_; }

  void add(const RowReader& row) { texts_.push_back(formatter_.format_input(row)); }

  // Of the rows that were added since the last call; `places` are theirs, for messages.
  std::vector<Reply> answer(const std::vector<std::string>& places) {
    std::vector<Cut> cuts;
    encoded_ = run_->scoring().first().encode(texts_, &cuts);
    texts_.clear();
    for (const Cut& cut : cuts) cuts_.add(cut, -1);
    ExampleBatch batch;
    batch.copies = replicas_of(run_->plan());
    for (const EncodedExample& example : encoded_) batch.examples.push_back(&example);
    try {
      return evaluator().reply(run_->plan(), batch, scored_);
    } catch (const NotFiniteError& error) {
      const auto place = static_cast<std::size_t>(error.place() / batch.copies);
      throw error.of("the row " + places.at(place));
    }
  }

  // A reply to the row of this place in the last batch.
  void describe(const Reply& reply, std::size_t place, Line& line) const {
    line["prediction"] = reply.answer.text;
    if (!config().labels.empty()) line["label"] = label_json(reply.answer, config().labels);
    if (scored_) {
      Line& scores = line["scores"] = Line::object();
      const std::vector<std::string>& words = evaluator().scored_words(run_->plan());
      for (std::size_t word = 0; word < words.size(); ++word) scores[words[word]] = reply.scores[word];
    }
    if (show_input_) line["input"] = input_text(encoded_[place]);
  }

  std::vector<std::string> remarks() const { return run_->scoring().first().cut_remarks_on(cuts_, "given"); }

 private:
  const Evaluator& evaluator() const { return run_->scoring().first().evaluator(); }

  // What the ids say that the model saw, without the positions that the method fills in.
  std::string input_text(const EncodedExample& example) const {
    std::vector<std::int64_t> ids;
    for (std::size_t i = 0; i < example.input.size(); ++i)
      if (example.slots.empty() || example.slots[i] < 0) ids.push_back(example.input[i]);
    return run_->bench().tokenizer->decode(ids);
  }

  std::unique_ptr<ScoredRun> run_;
  bool show_input_, scored_;
  Formatter formatter_;
  TextCounts cuts_;
  std::vector<TextExample> texts_;
  std::vector<EncodedExample> encoded_;
};

// A task that rows without targets can be given to. Throws ConfigError for another.
TaskConfig answerable_task(Resources& resources, const FinishedRun& run) {
  TaskConfig task = configured_task(resources, run.setup.config);
  if (task.mixture) {
    std::vector<std::string> names;
    for (const TaskConfig* part : parts_of(task)) names.push_back(part->name);
    throw ConfigError({"rows are answered as those of one task",
                       "the run " + run.record.id + " is of the mixture '" + task.name + "'",
                       "--task with one of " + join(names), "add --task"});
  }
  if (const auto problem = input_needs_answer(task)) throw ConfigError(*problem);
  return task;
}

// The names that the value of a line has in the tasks' templates.
std::vector<std::string> line_names(const std::vector<TaskConfig>& tasks) {
  std::vector<std::string> names;
  for (const TaskConfig& task : tasks) {
    const std::vector<std::string> fields = input_fields(*task.spec);
    if (fields.size() != 1)
      throw ConfigError({"lines of text have one value, and the input of '" + task.name + "' another number of fields",
                         fields.empty() ? "no field" : "the fields " + join(fields), "a task whose input has one field",
                         "give CSV, TSV or JSONL with these fields"});
    names.push_back(fields.front());
  }
  return names;
}

// One backbone for all of them, each with its own task.
std::unique_ptr<ScoredRun> open_scored(FinishedRun finished, Workbench bench, const Asked& asked, Resources& resources,
                                       ProgressSink& progress) {
  finished.setup.config.options.train.encoder_cache_bytes = 0;  // a row of a stream is seen once
  bench.setup = finished.setup;
  bench.task = {};
  bench.task.config = configured_task(resources, finished.setup.config);
  auto run = std::make_unique<ScoredRun>(finished, bench, resources, asked, progress);
  if (!run->plan().only() || !run->plan().only()->layout) return run;
  bench.task = open_task(resources, finished.setup.config, &progress);  // the layout may show training examples
  return std::make_unique<ScoredRun>(std::move(finished), bench, resources, asked, progress);
}

// Whether the runs' answers are answers to one question.
bool can_vote(const std::vector<std::unique_ptr<AnsweringRun>>& runs) {
  const TaskConfig& first = runs.front()->config();
  return std::all_of(runs.begin(), runs.end(), [&](const auto& run) {
    const TaskConfig& task = run->config();
    return task.labels == first.labels && (!task.labels.empty() || task.canonical == first.canonical);
  });
}

class Answers {
 public:
  Answers(std::vector<std::unique_ptr<AnsweringRun>> runs, std::int64_t batch_size)
      : runs_(std::move(runs)), batch_size_(static_cast<std::size_t>(batch_size)), votes_(can_vote(runs_)) {}

  void add(const RowReader& row) {
    for (const auto& run : runs_) run->add(row);
    places_.push_back(row.place());
  }
  bool full() const { return places_.size() >= batch_size_; }

  // The lines of the batch, which is empty afterwards.
  std::string take() {
    if (places_.empty()) return {};
    std::vector<std::vector<Reply>> replies;
    for (const auto& run : runs_) replies.push_back(run->answer(places_));
    std::string text;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      Line line = {{"index", answered_++}};
      if (runs_.size() == 1)
        runs_.front()->describe(replies.front()[i], i, line);
      else
        describe_all(replies, i, line);
      text += line.dump(-1, ' ', false, Line::error_handler_t::replace) + "\n";
    }
    places_.clear();
    return text;
  }

  std::int64_t answered() const { return answered_; }
  std::int64_t rows() const { return answered_ + static_cast<std::int64_t>(places_.size()); }
  std::vector<std::string> remarks() const {
    std::vector<std::string> all;
    for (const auto& run : runs_)
      for (std::string& remark : run->remarks())
        if (std::find(all.begin(), all.end(), remark) == all.end()) all.push_back(std::move(remark));
    return all;
  }

 private:
  void describe_all(const std::vector<std::vector<Reply>>& replies, std::size_t place, Line& line) const {
    std::vector<Answer> ballot;
    Line& answers = line["answers"] = Line::array();
    for (std::size_t r = 0; r < runs_.size(); ++r) {
      const Reply& reply = replies[r][place];
      Line answer = {{"run", runs_[r]->id()}};
      runs_[r]->describe(reply, place, answer);
      answers.push_back(std::move(answer));
      ballot.push_back(reply.answer);
    }
    if (!votes_) return;
    const std::vector<std::string>& labels = runs_.front()->config().labels;
    const Answer vote = majority_vote(ballot, std::vector<double>(ballot.size(), 1.0), labels, Tie::first_voter);
    line["vote"] = {{"prediction", vote.text}};
    if (!labels.empty()) line["vote"]["label"] = label_json(vote, labels);
  }

  std::vector<std::unique_ptr<AnsweringRun>> runs_;
  std::size_t batch_size_;
  bool votes_;
  std::vector<std::string> places_;  // of the rows of this batch
  std::int64_t answered_ = 0;
};

}  // namespace

void predict(const PredictRequest& request, const std::function<void(const std::string& lines)>& write,
             ProgressSink& progress) {
  Resources resources(request.paths);
  std::vector<FinishedRun> finished = open_finished(request.runs, request.asked, resources);
  std::vector<TaskConfig> tasks;
  for (const FinishedRun& run : finished) tasks.push_back(answerable_task(resources, run));
  const std::unique_ptr<RowReader> rows =
      open_rows(request.input, is_lines(request.input) ? line_names(tasks) : std::vector<std::string>());

  const TrainConfig& settings = finished.front().setup.config.options.train;
  const std::int64_t batch_size = settings.evaluation.batch_size;
  use_machine(finished.front().setup.config);
  progress.update({"load", 0, 0, "backbone"});
  const Workbench bench = open_workbench(resources, finished.front().setup, &progress, TaskNeed::definition);
  std::vector<std::string> warnings;
  const auto warn = [&](const std::string& warning) {
    if (std::find(warnings.begin(), warnings.end(), warning) != warnings.end()) return;  // said for another run
    warnings.push_back(warning);
    progress.note("warning: " + warning);
  };
  std::vector<std::unique_ptr<AnsweringRun>> runs;
  for (FinishedRun& run : finished) {
    runs.push_back(std::make_unique<AnsweringRun>(
        open_scored(std::move(run), bench, request.asked, resources, progress), request));
    for (const std::string& warning : runs.back()->run().warnings()) warn(warning);
    for (const std::string& warning : runs.back()->run().scoring().warnings()) warn(warning);
  }

  Answers answers(std::move(runs), batch_size);
  const auto answer = [&] {
    const std::string lines = answers.take();
    progress.update({"predict", answers.answered(), 0, {}});
    write(lines);
  };
  while ((request.examples == 0 || answers.rows() < request.examples) && rows->next()) {
    answers.add(*rows);
    if (answers.full()) answer();
  }
  if (answers.rows() == 0)
    rows->fail("the input contains no rows", "no line, or none after the header", "a row for each answer");
  if (answers.rows() > answers.answered()) answer();
  require_unchanged_files(*bench.backbone, bench.checksum);
  for (const std::string& remark : answers.remarks()) warn(remark);
  if (const std::int64_t quoted = rows->quoted(); quoted > 0)
    warn(with_thousands(quoted) +
         " values are in quotes with doubled quotes inside, which are read as ordinary characters of TSV: write the "
         "input as CSV if they are not");
}

}  // namespace peftbench::commands
