#include "run/costs.h"
#include "support/layers.h"

#include <gtest/gtest.h>

namespace peftbench::costs_test {

using namespace layers;

namespace {

TEST(Costs, AddUpOverProcesses) {
  CostMeter meter;
  meter.begin("train");
  volatile double work = 0;
  for (int i = 0; i < 20000000; ++i) work = work + 1;
  meter.begin("evaluate");
  meter.end();
  std::vector<PhaseCost> phases = meter.phases();
  ASSERT_EQ(phases.size(), 2u);
  EXPECT_GT(phases[0].wall_seconds, 0);
  EXPECT_GT(phases[0].cpu_seconds, 0);
  EXPECT_GT(phases[0].peak_memory_bytes, 1 << 20);

  meter.add_earlier({{"train", 100, 50, std::int64_t{1} << 50, false}});
  phases = meter.phases();
  EXPECT_GT(phases[0].wall_seconds, 100);
  EXPECT_LT(phases[0].wall_seconds, 110);
  EXPECT_EQ(phases[0].peak_memory_bytes, std::int64_t{1} << 50);
  EXPECT_FALSE(phases[0].peak_is_of_phase);
}

}  // namespace
}  // namespace peftbench::costs_test
