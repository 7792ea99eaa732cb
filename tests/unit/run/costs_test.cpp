#include "run/costs.h"
#include "support/layers.h"
#include "support/program.h"

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

TEST(Costs, HaveTheEnergyOfEachPhaseWhereTheMachineTellsIt) {
  const testing_support::Scratch scratch;
  scratch.write("intel-rapl:0/name", "package-0\n");
  scratch.write("intel-rapl:0/max_energy_range_uj", "262143328850\n");
  scratch.write("intel-rapl:0/energy_uj", "1000000\n");
  CostMeter meter({}, EnergyMeter(scratch.path()));
  meter.begin("train");
  scratch.write("intel-rapl:0/energy_uj", "3000000\n");
  EXPECT_DOUBLE_EQ(meter.phases().at(0).energy_joules.value(), 2);
  EXPECT_DOUBLE_EQ(meter.phases().at(0).energy_joules.value(), 2);
  meter.begin("evaluate");
  scratch.write("intel-rapl:0/energy_uj", "3500000\n");
  meter.begin("train");
  scratch.write("intel-rapl:0/energy_uj", "4500000\n");
  meter.end();
  EXPECT_DOUBLE_EQ(meter.phases().at(0).energy_joules.value(), 3);
  EXPECT_DOUBLE_EQ(meter.phases().at(1).energy_joules.value(), 0.5);
  PhaseCost earlier{"train", 1, 1, 1, true, 10.0};
  meter.add_earlier({earlier});
  EXPECT_DOUBLE_EQ(meter.phases().at(0).energy_joules.value(), 13);
  earlier.energy_joules.reset();  // a process on a machine that does not tell
  meter.add_earlier({earlier});
  EXPECT_FALSE(meter.phases().at(0).energy_joules);

  CostMeter nothing({}, EnergyMeter(scratch.path() / "missing"));
  nothing.begin("train");
  nothing.end();
  EXPECT_FALSE(nothing.phases().at(0).energy_joules);
}

}  // namespace
}  // namespace peftbench::costs_test
