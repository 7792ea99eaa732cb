#include "cli/console.h"

#include "core/names.h"
#include "core/terminal_text.h"
#include "report/format.h"

#include <peftbench/error.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace peftbench::cli {

std::size_t terminal_width(int descriptor) {
  winsize size{};
  if (!::isatty(descriptor)) return 0;
  return ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void print_warnings(const std::vector<std::string>& warnings) {
  ConsoleProgress progress;
  for (const std::string& warning : warnings) progress.note("warning: " + warning);
}

namespace {

void write(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return;
  const int reason = errno;
  if (reason == EPIPE) throw ReaderGone();
  throw Error({.what = "the output cannot be written", .found = std::strerror(reason)});
}

template <class Json>
std::string dumped(const Json& json) {
  return json_for_terminal(json.dump(1, ' ', false, Json::error_handler_t::replace)) + "\n";
}

}  // namespace

void print(const std::string& text) { write(for_terminal(text)); }

void print_unchanged(const std::string& text) { write(text); }

void print_json(const nlohmann::json& json) { write(dumped(json)); }

void print_json(const nlohmann::ordered_json& json) { write(dumped(json)); }

void print_json_lines(const std::string& lines) { write(json_for_terminal(lines)); }

void print_error(const std::string& message) {
  std::fprintf(stderr, "peft-bench: %s\n", for_terminal(message).c_str());
}

std::string ConsoleProgress::line(const Progress& progress, double rate) {
  std::string text = progress.phase;
  if (progress.total > 0) {
    text += fmt::format("  {}/{}", with_thousands(progress.done), with_thousands(progress.total));
    if (rate > 0) {
      text +=
          rate < 0.1 ? "  " + format_duration(1 / rate) + " each" : fmt::format("  {:.{}f}/s", rate, rate < 10 ? 1 : 0);
      if (progress.done < progress.total)
        text += "  " + format_duration(std::ceil(static_cast<double>(progress.total - progress.done) / rate)) + " left";
    }
  } else if (progress.done > 0) {
    text += "  " + with_thousands(progress.done);
  }
  return progress.detail.empty() ? text : text + "  " + progress.detail;
}

void ConsoleProgress::update(const Progress& progress) {
  const double now = clock_.wall_seconds();
  const auto [entry, added] = paces_.try_emplace(progress.phase);
  Pace& pace = entry->second;
  if (added || progress.done < pace.last) {
    pace.first = progress.done;
    pace.seconds = 0;
  } else if (phase_ == progress.phase) {
    pace.seconds += now - last_update_;
  } else {
    pace.first += progress.done - pace.last;  // what was done while another phase had the time is not counted
  }
  pace.last = progress.done;
  last_update_ = now;
  const bool other_phase = phase_ != progress.phase;
  phase_ = progress.phase;
  const double rate = pace.seconds > 0 ? static_cast<double>(progress.done - pace.first) / pace.seconds : 0;
  const bool done = progress.total > 0 && progress.done == progress.total;
  if (width_ > 0) {
    if (!other_phase && !done && now - last_line_ < 0.1) return;
    std::fprintf(stderr, "\r\x1b[K%s", cut_to_width(in_one_line(line(progress, rate)), width_ - 1).c_str());
    drawn_ = true;
  } else {
    const bool first = !pace.shown;
    if (!first && now - last_line_ < 20) return;
    std::fprintf(stderr, "%s\n", in_one_line(line(progress, rate)).c_str());
    pace.shown = true;
  }
  std::fflush(stderr);
  last_line_ = now;
}

void ConsoleProgress::note(const std::string& text) {
  clear();
  print_error(text);
}

void ConsoleProgress::clear() {
  if (drawn_) std::fprintf(stderr, "\r\x1b[K");
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace peftbench::cli
