#include "fuzz/self_test.h"
#include "support/layers.h"

#include "fuzz/worker.h"

#include <peftbench/error.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <stdexcept>

namespace peftbench::hostile {

using namespace layers;

namespace {

volatile char sink;  // so that nothing is left out for having no effect

// Does what its input says.
void obey(std::string_view bytes) {
  if (bytes == "refuse") throw DataError("no");
  if (bytes == "wrong type") throw std::runtime_error("no");
  if (bytes == "no message") throw DataError("");
  if (bytes == "raw message") throw DataError("[json.exception.parse_error.101] parse error");
  if (bytes == "signal") std::abort();
  if (bytes == "leave the heap") {
    const std::vector<char> heap(bytes.begin(), bytes.end());
    std::vector<char> more(heap.size() + 40);
    void* (*volatile copy)(void*, const void*, std::size_t) = std::memcpy;  // a call, not instructions in its place
    copy(more.data(), heap.data(), more.size());
    sink = more.back();
  }
  while (bytes == "hang" && sink != 'y') {
  }
  if (bytes == "memory") {
    std::vector<std::string> blocks;
    for (int i = 0; i < 40; ++i) {
      blocks.emplace_back(std::size_t{64} << 20, 'x');
      ::usleep(20'000);  // as long as it takes to fill it with something
    }
  }
  if (bytes == "one allocation") sink = std::vector<char>(std::size_t{3} << 30).back();
}

}  // namespace

int self_test() {
  const Target target{"self_test", Syntax::bytes, obey};
  const std::vector<std::string> inputs = {"accept",     "signal",      "refuse",         "wrong type",
                                           "no message", "raw message", "hang",           "leave the heap",
                                           "accept",     "memory",      "one allocation", "refuse"};
  Campaign campaign(target, {}, inputs, 1);
  campaign.start(0, 1e9);
  while (campaign.poll([](const Finding& finding) { std::cout << finding.input << ": " << finding.key << "\n"; }))
    ::usleep(500);
  const Counts& c = campaign.counts();
  const bool right = c.mutants == 12 && c.accepted == 2 && c.refused == 3 && c.untold == 2 && c.crashes == 2 &&
                     c.hangs == 1 && c.memory == 2;
  std::cout << (right ? "every fault was found" : "not every fault was found as what it is") << ": " << c.accepted
            << " accepted, " << c.refused << " refused, " << c.untold << " untold, " << c.crashes << " crashes, "
            << c.hangs << " hangs, " << c.memory << " over 1 GB\n";
  return right ? 0 : 1;
}

}  // namespace peftbench::hostile
