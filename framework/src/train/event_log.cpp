#include "train/event_log.h"

#include "core/json.h"
#include "core/write_files.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>
#include <vector>

namespace peftbench::train {
namespace {

// What lies before a position.
struct Beginning {
  std::int64_t bytes = 0;  // fewer where the file is shorter
  Sha256 hash;
  bool has_nul = false;
};

Beginning beginning_of(const fs::path& path, std::int64_t end) {
  InputFile in(path);
  Beginning found;
  std::vector<char> block(1 << 20);
  while (found.bytes < end) {
    const auto wanted = std::min(static_cast<std::int64_t>(block.size()), end - found.bytes);
    const std::size_t got = in.read(block.data(), static_cast<std::size_t>(wanted));
    if (got == 0) break;
    found.bytes += static_cast<std::int64_t>(got);
    found.hash.update(block.data(), got);
    found.has_nul |= std::find(block.data(), block.data() + got, '\0') != block.data() + got;
  }
  return found;
}

// Bytes of the lines at the beginning that are whole, until `end`.
std::int64_t whole_lines(const fs::path& path, std::int64_t end) {
  std::string text(static_cast<std::size_t>(end), '\0');
  InputFile in(path);
  text.resize(in.read(text.data(), text.size()));
  std::size_t whole = 0;
  for (std::size_t next; (next = text.find('\n', whole)) != std::string::npos; whole = next + 1) {
    JsonFault ignored;
    const auto event = parse_json<nlohmann::json>(std::string_view(text).substr(whole, next - whole), ignored);
    if (!event || !event->is_object()) break;
  }
  return static_cast<std::int64_t>(whole);
}

}  // namespace

EventLog::EventLog(fs::path path, fs::path tensorboard)
    : path_(std::move(path)), tensorboard_(std::move(tensorboard)) {}

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
  tensorboard_.append(event);
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
  Beginning kept = beginning_of(path_, position.bytes);
  const bool whole = kept.bytes == position.bytes &&
                     (position.sha256.empty() ? !kept.has_nul : Sha256(kept.hash).hex() == position.sha256);
  if (!whole) kept = beginning_of(path_, whole_lines(path_, kept.bytes));
  if (::ftruncate(file_.get(), static_cast<off_t>(kept.bytes)) != 0) fail_to_write(path_, errno);
  position_ = kept.bytes;
  hash_ = kept.hash;
  tensorboard_.follow(path_);
  if (whole) return {};
  return path_.string() + " is shorter than the checkpoint expects: the events from byte " +
         std::to_string(kept.bytes) + " to " + std::to_string(position.bytes) +
         " are lost (was there a power failure?); training is not affected";
}

}  // namespace peftbench::train
