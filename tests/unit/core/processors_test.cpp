#include "core/processors.h"
#include "support/layers.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

namespace peftbench::processors_test {

using namespace layers;

namespace {

// S16: files of /proc and of control groups as a kernel shows them.
class Processors : public testing::Test {
 protected:
  ~Processors() override { fs::remove_all(root_); }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((root_ / name).parent_path());
    write_atomically(root_ / name, text);
  }
  void mount(const std::string& lines) const { write("proc/self/mountinfo", lines); }
  void group(const std::string& lines) const { write("proc/self/cgroup", lines); }
  std::optional<std::int64_t> limit() const { return processors_of_groups(root_); }

  fs::path root_ = fs::temp_directory_path() / ("peftbench-processors-" + std::to_string(::getpid()));
  const std::string unified_ = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
};

TEST_F(Processors, AreNotLimitedWhereNothingLimitsThem) {
  EXPECT_EQ(limit(), std::nullopt);
  mount(unified_);
  group("0::/user.slice/run\n");
  EXPECT_EQ(limit(), std::nullopt);
  write("sys/fs/cgroup/user.slice/run/cpu.max", "max 100000\n");
  EXPECT_EQ(limit(), std::nullopt);
}

TEST_F(Processors, AreThoseOfTheSecondVersionRoundedUp) {
  mount(unified_);
  group("0::/user.slice/run\n");
  write("sys/fs/cgroup/user.slice/run/cpu.max", "300000 100000\n");
  EXPECT_EQ(limit(), 3);
  write("sys/fs/cgroup/user.slice/run/cpu.max", "150000 100000\n");
  EXPECT_EQ(limit(), 2);
  write("sys/fs/cgroup/user.slice/run/cpu.max", "5000 100000\n");
  EXPECT_EQ(limit(), 1);
}

TEST_F(Processors, AGroupAboveLimitsThoseBelow) {
  mount(unified_);
  group("0::/user.slice/run\n");
  write("sys/fs/cgroup/user.slice/run/cpu.max", "max 100000\n");
  write("sys/fs/cgroup/user.slice/cpu.max", "200000 100000\n");
  EXPECT_EQ(limit(), 2);
  write("sys/fs/cgroup/cpu.max", "100000 100000\n");  // a container's own root
  EXPECT_EQ(limit(), 1);
}

TEST_F(Processors, OfTheFirstVersionAreInTheHierarchyOfCpu) {
  mount(
      "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
      "34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n" +
      unified_);
  group("3:cpuset:/\n2:cpu,cpuacct:/job\n0::/\n");
  write("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(limit(), std::nullopt);
  write("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "400000\n");
  EXPECT_EQ(limit(), 4);
}

// Docker without a namespace of groups: the mount shows the container's group as its root.
TEST_F(Processors, OfAContainerAreAtTheMount) {
  mount("30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n");
  group("0::/docker/abc\n");
  write("sys/fs/cgroup/cpu.max", "100000 50000\n");
  EXPECT_EQ(limit(), 2);
  group("0::/../elsewhere\n");
  EXPECT_EQ(limit(), 2);
}

TEST_F(Processors, FilesThatAreNotAsExpectedLimitNothing) {
  mount("nonsense\n30 23\n\n30 23 0:26 / /sys/fs/cgroup\\040x rw - cgroup2 cgroup2 rw\n");
  group("nonsense\n0::/\n");
  write("sys/fs/cgroup x/cpu.max", "many often\n");
  EXPECT_EQ(limit(), std::nullopt);
  write("sys/fs/cgroup x/cpu.max", "1e300 1\n");
  EXPECT_GE(limit().value(), 1000);
  write("sys/fs/cgroup x/cpu.max", "100000 100000");
  EXPECT_EQ(limit(), 1);
}

TEST_F(Processors, AreNoMoreThanTheAffinityNames) {
  const pid_t child = ::fork();
  if (child == 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    ::sched_getaffinity(0, sizeof set, &set);
    for (int cpu = 0, kept = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &set) && kept++ > 0) CPU_CLR(cpu, &set);
    ::_exit(::sched_setaffinity(0, sizeof set, &set) == 0 ? static_cast<int>(usable_processors()) : 99);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 1);
}

}  // namespace
}  // namespace peftbench::processors_test
