#include "core/energy.h"
#include "support/layers.h"
#include "support/program.h"

#include <gtest/gtest.h>

#include <string>

namespace peftbench::energy_test {

using namespace layers;

namespace {

using testing_support::Scratch;

class Energy : public testing::Test {
 protected:
  void domain(const std::string& folder, const std::string& name, const std::string& counter,
              const std::string& range = "262143328850") const {
    scratch_.write(folder + "/name", name + "\n");
    scratch_.write(folder + "/max_energy_range_uj", range + "\n");
    count(folder, counter);
  }
  void count(const std::string& folder, const std::string& counter) const {
    scratch_.write(folder + "/energy_uj", counter + "\n");
  }
  EnergyMeter meter() const { return EnergyMeter(scratch_.path()); }

  Scratch scratch_;
};

TEST_F(Energy, IsTheSumOfThePackages) {
  domain("intel-rapl:0", "package-0", "1000000");
  domain("intel-rapl:1", "package-1", "5000000");
  EnergyMeter energy = meter();
  EXPECT_DOUBLE_EQ(energy.joules().value(), 0);
  count("intel-rapl:0", "3500000");
  EXPECT_DOUBLE_EQ(energy.joules().value(), 2.5);
  count("intel-rapl:1", "6000000");
  EXPECT_DOUBLE_EQ(energy.joules().value(), 3.5);
  energy.restart();
  EXPECT_DOUBLE_EQ(energy.joules().value(), 0);
}

TEST_F(Energy, PartsOfAPackageAndThePlatformAreNotAdded) {
  domain("intel-rapl:0", "package-0", "0");
  domain("intel-rapl:0:0", "core", "0");
  domain("intel-rapl:1", "psys", "0");
  domain("intel-rapl-mmio:0", "package-0", "0");
  EnergyMeter energy = meter();
  for (const char* other : {"intel-rapl:0:0", "intel-rapl:1", "intel-rapl-mmio:0"}) count(other, "9000000");
  EXPECT_DOUBLE_EQ(energy.joules().value(), 0);
}

TEST_F(Energy, ACounterStartsAnewAfterItsRange) {
  domain("intel-rapl:0", "package-0", "999000000", "1000000000");
  EnergyMeter energy = meter();
  count("intel-rapl:0", "2000000");
  EXPECT_NEAR(energy.joules().value(), 3, 1e-9);
  count("intel-rapl:0", "1000000");  // once more
  EXPECT_NEAR(energy.joules().value(), 3 + 999, 1e-6);
}

TEST_F(Energy, IsUnknownWhereACounterMayHaveStartedAnewTwice) {
  domain("intel-rapl:0", "package-0", "1", "2");  // 2 µJ: 2 ns at 1,000 W
  EnergyMeter energy = meter();
  EXPECT_FALSE(energy.joules());
  EXPECT_FALSE(energy.joules());
}

TEST_F(Energy, IsUnknownWithoutACounterThatCanBeRead) {
  EXPECT_FALSE(EnergyMeter(scratch_.path() / "missing").joules());
  EXPECT_FALSE(meter().joules());
  domain("intel-rapl:0", "package-0", "5");
  domain("intel-rapl:1", "package-1", "not a number");
  EXPECT_FALSE(meter().joules());
  count("intel-rapl:1", "5");
  EnergyMeter energy = meter();
  EXPECT_TRUE(energy.joules());
  fs::remove(scratch_.path() / "intel-rapl:1/energy_uj");
  EXPECT_FALSE(energy.joules());
}

}  // namespace
}  // namespace peftbench::energy_test
