#include "train/event_log.h"

#include "core/json.h"
#include "core/write_files.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

namespace peftbench {
namespace {

// Bytes of the lines at the beginning that are whole.
std::size_t whole_lines(std::string_view text) {
  JsonFault ignored;
  std::size_t end = 0;
  for (std::size_t next; (next = text.find('\n', end)) != std::string_view::npos; end = next + 1)
    if (const auto line = parse_json<nlohmann::json>(text.substr(end, next - end), ignored);
        !line || !line->is_object())
      break;
  return end;
}

}  // namespace

EventLog::EventLog(fs::path path) : path_(std::move(path)) {}

void EventLog::open() {
  if (file_.ok()) return;
  const bool is_new = !file_exists(path_);
  file_ = open_own_file(path_, O_WRONLY | O_APPEND | O_CREAT);
  if (is_new) flush_folder(path_.has_parent_path() ? path_.parent_path() : fs::path("."));
}

void EventLog::append(const nlohmann::json& event) {
  if (path_.empty()) return;
  open();
  const std::string line = event.dump() + "\n";
  write_all(file_, line, path_);
  position_ += static_cast<std::int64_t>(line.size());
  hash_.update(line);
}

LogPosition EventLog::flush() {
  if (path_.empty()) return {};
  open();
  if (::fdatasync(file_.get()) != 0 && errno != EINVAL) fail_to_write(path_, errno);
  return {position_, Sha256(hash_).hex()};
}

std::string EventLog::go_back_to(const LogPosition& position) {
  if (path_.empty()) return {};
  open();
  std::string text = read_text(path_);
  text.resize(std::min(text.size(), static_cast<std::size_t>(position.bytes)));
  const bool whole = static_cast<std::int64_t>(text.size()) == position.bytes &&
                     (position.sha256.empty() ? text.find('\0') == std::string::npos : sha256(text) == position.sha256);
  if (!whole) text.resize(whole_lines(text));
  if (::ftruncate(file_.get(), static_cast<off_t>(text.size())) != 0) fail_to_write(path_, errno);
  position_ = static_cast<std::int64_t>(text.size());
  hash_ = Sha256();
  hash_.update(text);
  if (whole) return {};
  return path_.string() + " does not hold what the checkpoint counts on: the events from byte " +
         std::to_string(text.size()) + " to " + std::to_string(position.bytes) +
         " are lost (did the machine lose its power?); the training itself is not changed by that";
}

}  // namespace peftbench
