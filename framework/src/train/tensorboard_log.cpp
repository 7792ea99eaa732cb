#include "train/tensorboard_log.h"

#include "core/json.h"

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace peftbench::train {
namespace {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void add_scalar(TfEvent& event, std::string tag, const nlohmann::json& line, const char* key) {
  const auto found = line.find(key);
  if (found == line.end() || !found->is_number()) return;
  const auto value = found->get<float>();
  if (std::isfinite(value)) event.scalars.push_back({std::move(tag), value});
}

}  // namespace

TfEvent tensorboard_event(const nlohmann::json& line) {
  TfEvent event;
  if (!line.is_object()) return event;
  const auto step = line.find("step");
  if (step == line.end() || !step->is_number_integer()) return event;
  event.step = step->get<std::int64_t>();
  const std::string kind = line.value("event", "");
  if (kind == "step")
    for (const char* key : {"loss", "learning_rate", "gradient_norm"})
      add_scalar(event, std::string("train/") + key, line, key);
  if (kind != "evaluation") return event;
  for (const char* key : {"loss", "illegal_rate"}) add_scalar(event, std::string("validation/") + key, line, key);
  const auto metrics = line.find("metrics");
  if (metrics == line.end() || !metrics->is_array()) return event;
  for (const nlohmann::json& metric : *metrics)
    if (metric.is_object()) add_scalar(event, "validation/" + metric.value("name", "metric"), metric, "value");
  return event;
}

TensorBoardLog::TensorBoardLog(fs::path file) : path_(std::move(file)) {}

void TensorBoardLog::open() {
  if (!file_.ok()) file_ = open_own_file(path_, O_RDWR | O_APPEND | O_CREAT);
}

void TensorBoardLog::follow(const fs::path& log) {
  if (path_.empty()) return;
  std::vector<TfEvent> events;
  LineReader lines(log);
  for (std::string text; lines.next(text);) {
    if (text.empty()) continue;
    const auto line = parse_json<nlohmann::json>(text, log.string() + ":" + std::to_string(lines.number()));
    if (TfEvent event = tensorboard_event(line); !event.scalars.empty()) events.push_back(std::move(event));
  }
  open();
  struct stat state {};
  if (::fstat(file_.get(), &state) != 0) fail_to_write(path_, errno);
  const TfBeginning kept = tf_beginning(read_text(path_, static_cast<std::size_t>(state.st_size)), events);
  if (static_cast<off_t>(kept.bytes) != state.st_size && ::ftruncate(file_.get(), static_cast<off_t>(kept.bytes)) != 0)
    fail_to_write(path_, errno);
  std::string missing = kept.bytes == 0 ? tf_file_version(seconds_now()) : "";
  for (std::size_t i = kept.events; i < events.size(); ++i) {
    events[i].wall_time = seconds_now();
    missing += tf_record(events[i]);
  }
  write_all(file_, missing, path_);
}

void TensorBoardLog::append(const nlohmann::json& line) {
  if (path_.empty()) return;
  TfEvent event = tensorboard_event(line);
  if (event.scalars.empty()) return;
  event.wall_time = seconds_now();
  open();
  write_all(file_, tf_record(event), path_);
}

}  // namespace peftbench::train
