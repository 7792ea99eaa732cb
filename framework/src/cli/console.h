#pragma once

#include "cli/layer.h"
#include "core/clock.h"
#include "core/progress.h"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace peftbench::cli {

// Columns of the terminal behind this descriptor; 0 if it is none.
std::size_t terminal_width(int descriptor);

// What leaves the program goes through these, print_json, ConsoleProgress and print_error: none of it can make a
// terminal do something, whatever names and texts it holds.

// Who read standard output has gone away, as `head` does: no fault, and nobody is left to tell.
struct ReaderGone {};

// Writes all of it to standard output. Throws ReaderGone, or Error where it cannot be written.
void print(const std::string& text);
// The same without a change: of a page, whose scripts are allowed by their hashes and whose texts are escaped already.
void print_unchanged(const std::string& text);
// The same as JSON, indented; bytes that are not UTF-8 become U+FFFD.
void print_json(const nlohmann::json& json);
void print_json(const nlohmann::ordered_json& json);
// Lines of JSON, each with its end.
void print_json_lines(const std::string& lines);
// "peft-bench: MESSAGE" on standard error.
void print_error(const std::string& message);

// What a user should know of a result that is printed all the same: lines on standard error.
void print_warnings(const std::vector<std::string>& warnings);

// Draws progress on standard error: one line that is drawn over on a terminal, else a few lines.
class ConsoleProgress final : public ProgressSink {
 public:
  ConsoleProgress() : width_(terminal_width(2)) {}
  ~ConsoleProgress() override { clear(); }
  void update(const Progress& progress) override;
  void note(const std::string& line) override;
  void clear();  // takes the drawn line away

  // The line for `progress`, without what depends on the terminal. Public for its test.
  static std::string line(const Progress& progress, double rate);

 private:
  // Time spent in a phase alone: phases alternate.
  struct Pace {
    std::int64_t first = 0, last = 0;
    double seconds = 0;
    bool shown = false;
  };
  std::size_t width_;
  bool drawn_ = false;
  std::string phase_;
  std::map<std::string, Pace> paces_;
  Stopwatch clock_;
  double last_update_ = 0, last_line_ = 0;
};

}  // namespace peftbench::cli
