// Hostile inputs for every reader: docs/robustness.md.
#include "fuzz/own_seeds.h"
#include "fuzz/self_test.h"
#include "fuzz/worker.h"
#include "support/layers.h"

#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

// Options of the sanitizers, before main. LibTorch keeps what it allocates, and its plugins share the host's globals.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
  return "detect_leaks=0:detect_odr_violation=0:quarantine_size_mb=16:max_allocation_size_mb=1024:exitcode=99:"
         "allocator_release_to_os_interval_ms=500";
}
extern "C" const char* __ubsan_default_options();
extern "C" const char* __ubsan_default_options() { return "print_stacktrace=1:halt_on_error=1"; }

namespace peftbench::hostile {

using namespace layers;

namespace {

struct Options {
  std::vector<std::string> names;
  std::int64_t mutants = 1000;
  double seconds = 1e9;
  std::uint64_t seed = 1;
  int jobs = 1;
  fs::path corpus = corpus_folder(), regressions = corpus_folder().parent_path() / "regressions", save;
  bool minimise = false;
  std::vector<fs::path> files;
  fs::path own_seeds;
};

std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string> inputs_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none))
    if (entry.is_regular_file(none)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<std::string> inputs;
  for (const fs::path& file : files) inputs.push_back(text_of(file));
  return inputs;
}

const char* name_of(Ending ending) {
  static constexpr const char* names[] = {"accepted", "refused", "untold", "crash", "hang", "memory"};
  return names[static_cast<int>(ending)];
}

// A smaller input with the same fault: ever smaller parts are left out as long as it stays.
std::string minimised(const Target& target, const Finding& finding) {
  const auto same = [&](const std::string& input) {
    const Finding other = run_alone(target, input);
    return other.ending == finding.ending && other.key == finding.key;
  };
  std::string input = finding.input;
  if (finding.ending == Ending::hang || !same(input)) return input;
  for (std::size_t part = input.size() / 2; part > 0; part /= 2) {
    for (std::size_t at = 0; at < input.size();) {
      std::string smaller = input;
      smaller.erase(at, part);
      if (same(smaller))
        input = std::move(smaller);
      else
        at += part;
      if (input.size() / part > 400) break;  // long ones stay long
    }
  }
  return input;
}

// Faults by target and cause, so that a hundred of one cause are one line.
class Findings {
 public:
  explicit Findings(const Options& options) : options_(options) {}

  void add(const Target& target, const Finding& finding) {
    const std::string key = std::string(target.name) + ": " + name_of(finding.ending) + ": " + finding.key;
    if (++times_[key] > 1) return;
    std::string report = finding.report.substr(0, finding.report.find("\nShadow bytes"));
    if (report.size() > 3000) report.resize(3000);
    std::cout << "\n" << key << "\n" << report << "\n";
    if (options_.save.empty()) return;
    const std::string input = options_.minimise ? minimised(target, finding) : finding.input;
    const fs::path file = options_.save / target.name /
                          fmt::format("{}-{:016x}", name_of(finding.ending), std::hash<std::string>()(input));
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << input;
    std::cout << "the input: " << file.string() << " (" << input.size() << " bytes)\n" << std::flush;
  }
  void print() const {
    for (const auto& [key, times] : times_) std::cout << fmt::format("{:6} × {}\n", times, key);
  }

 private:
  const Options& options_;
  std::map<std::string, std::int64_t> times_;
};

std::string row(const std::string& name, const Counts& c) {
  return fmt::format("{:20} {:>8} {:>9} {:>8} {:>7} {:>8} {:>9} {:>6} {:>8.1f}\n", name, c.mutants, c.accepted,
                     c.refused, c.crashes, c.untold, c.hangs, c.memory, c.seconds);
}

std::vector<const Target*> chosen(const Options& options) {
  std::vector<const Target*> result;
  for (const std::string& name : options.names) {
    const auto found =
        std::find_if(targets().begin(), targets().end(), [&](const Target& t) { return t.name == name; });
    if (found == targets().end()) throw std::runtime_error("there is no target '" + name + "'; --list names them");
    result.push_back(&*found);
  }
  if (result.empty())
    for (const Target& target : targets()) result.push_back(&target);
  return result;
}

// Files as they are, each in a process of its own.
int replay(const Options& options) {
  scratch_root();
  int faults = 0;
  for (const Target* target : chosen(options))
    for (const fs::path& file : options.files) {
      const Finding found = run_alone(*target, text_of(file));
      std::cout << target->name << ": " << file.string() << ": " << name_of(found.ending) << "\n"
                << found.report << "\n";
      faults += found.ending != Ending::accepted && found.ending != Ending::refused;
    }
  return faults > 0;
}

int run(const Options& options) {
  scratch_root();  // of all workers
  const auto begun = std::chrono::steady_clock::now();
  const std::vector<const Target*> all = chosen(options);
  Findings findings(options);
  Counts total;
  std::cout << fmt::format("{:20} {:>8} {:>9} {:>8} {:>7} {:>8} {:>9} {:>6} {:>8}\n", "format", "inputs", "accepted",
                           "refused", "crashes", "untold", "hang >5s", ">1 GB", "seconds")
            << std::flush;
  std::vector<std::unique_ptr<Campaign>> running;
  int without_seeds = 0;
  for (std::size_t next = 0; next < all.size() || !running.empty();) {
    while (next < all.size() && running.size() < static_cast<std::size_t>(options.jobs)) {
      const Target& target = *all[next++];
      std::vector<std::string> seeds = inputs_in(options.corpus / target.name);
      if (seeds.empty()) {
        std::cout << target.name << ": no seeds in " << (options.corpus / target.name).string() << "\n";
        ++without_seeds;
      }
      running.push_back(std::make_unique<Campaign>(target, std::move(seeds),
                                                   inputs_in(options.regressions / target.name), options.seed));
      running.back()->start(options.mutants, options.seconds);
    }
    for (auto& campaign : running) {
      if (campaign->poll([&](const Finding& finding) { findings.add(campaign->target(), finding); })) continue;
      const Counts& counts = campaign->counts();
      std::cout << row(campaign->target().name, counts) << std::flush;
      total.mutants += counts.mutants;
      total.accepted += counts.accepted;
      total.refused += counts.refused;
      total.crashes += counts.crashes;
      total.untold += counts.untold;
      total.hangs += counts.hangs;
      total.memory += counts.memory;
      campaign.reset();
    }
    std::erase(running, nullptr);
    ::usleep(2000);
  }
  total.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  std::cout << row("all", total);
  findings.print();
  return total.faults() > 0 || without_seeds > 0;
}

}  // namespace
}  // namespace peftbench::hostile

int main(int argc, char** argv) {
  using namespace peftbench::hostile;
  Options options;
  bool list = false, test = false;
  CLI::App app("Mutants of small files for every reader of peft-bench: each is to be read or refused with a message");
  app.add_option("--target", options.names, "only this format; may be repeated")->allow_extra_args(false);
  app.add_option("--mutants", options.mutants, "of each format")->capture_default_str();
  app.add_option("--seconds", options.seconds, "at most so long for each format");
  app.add_option("--seed", options.seed, "the random seed: the same seed gives the same mutants")
      ->capture_default_str();
  app.add_option("--jobs", options.jobs, "formats at a time")->capture_default_str();
  app.add_option("--corpus", options.corpus, "folder with a folder of seed files for each format")
      ->capture_default_str();
  app.add_option("--regressions", options.regressions, "inputs that failed once, run first")->capture_default_str();
  app.add_option("--save", options.save, "folder for inputs that fail; empty: they are not kept");
  app.add_flag("--minimise", options.minimise, "keep smaller inputs with the same fault");
  app.add_option("--own-seeds", options.own_seeds,
                 "write the seeds that this program itself makes into a folder, no more");
  app.add_flag("--list", list, "the formats");
  app.add_flag("--self-test", test, "whether faults are found at all");
  app.add_option("files", options.files, "run these files alone, as they are");
  CLI11_PARSE(app, argc, argv);
  int status = 0;
  try {
    if (list)
      for (const Target& target : targets()) std::cout << target.name << "\n";
    else if (test)
      status = self_test();
    else if (!options.own_seeds.empty())
      write_own_seeds(options.own_seeds);
    else
      status = options.files.empty() ? run(options) : replay(options);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    status = 2;
  }
  std::error_code none;
  peftbench::core::fs::remove_all(scratch_root(), none);
  return status;
}
