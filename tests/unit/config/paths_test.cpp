#include "config/paths.h"
#include "support/layers.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace peftbench::paths_test {

using namespace layers;

namespace {

TEST(Paths, IsFoundAndTheDataRootFollowsTheEnvironment) {
  EXPECT_TRUE(fs::exists(find_home() / "configs" / "tasks"));  // PEFTBENCH_HOME of the test
  EXPECT_EQ(find_data_root(fs::path("/given")), "/given");
  const char* old = std::getenv("PEFTBENCH_DATA");
  const std::string kept = old ? old : "";
  ::setenv("PEFTBENCH_DATA", "/from/environment", 1);
  EXPECT_EQ(find_data_root({}), "/from/environment");
  ::unsetenv("PEFTBENCH_DATA");
  ::setenv("XDG_DATA_HOME", "/xdg", 1);
  EXPECT_EQ(find_data_root({}), "/xdg/peft-bench");
  if (old) ::setenv("PEFTBENCH_DATA", kept.c_str(), 1);
}

}  // namespace
}  // namespace peftbench::paths_test
