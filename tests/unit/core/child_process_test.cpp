#include "core/child_process.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

namespace peftbench::child_process_test {

using namespace layers;

namespace {

using testing::HasSubstr;

class Child : public testing::Test {
 protected:
  ~Child() override {
    std::signal(SIGCHLD, SIG_DFL);
    std::error_code ignored;
    fs::remove(log_, ignored);
  }
  std::vector<std::string> shell(const std::string& script) const { return {"/bin/sh", "-c", script}; }
  fs::path log_ = fs::temp_directory_path() / ("peftbench-child-" + std::to_string(::getpid()));
};

TEST_F(Child, GivesItsStatusAndBothOutputs) {
  ChildProcess child(shell("echo out $WORD; echo err >&2; exit 3"), {{"WORD", "given"}}, log_);
  const ChildExit exit = child.wait();
  EXPECT_EQ(exit.status, 3);
  EXPECT_EQ(exit.text(), "exit status 3");
  EXPECT_EQ(child.poll()->status, 3);
  EXPECT_EQ(read_text(log_), "out given\nerr\n");
}

TEST_F(Child, TellsWhichSignalEndedIt) {
  ChildProcess child(shell("sleep 60"), {}, log_);
  EXPECT_FALSE(child.poll());
  child.signal(SIGKILL);
  const ChildExit exit = child.wait();
  EXPECT_EQ(exit.status, 137);
  EXPECT_THAT(exit.text(), HasSubstr("signal 9"));
}

// As `trap "" CHLD` in a script leaves it: the kernel then forgets a child as it ends.
TEST_F(Child, IsToldOfWhereSigchldWasIgnored) {
  std::signal(SIGCHLD, SIG_IGN);
  ChildProcess child(shell("exit 3"), {}, log_);
  EXPECT_EQ(child.wait().status, 3);
}

TEST_F(Child, OneThatTheKernelForgotHasEnded) {
  ChildProcess child(shell("sleep 60"), {}, log_);
  std::signal(SIGCHLD, SIG_IGN);
  child.signal(SIGKILL);
  std::optional<ChildExit> exit;
  for (int i = 0; i < 10000 && !exit; ++i, ::usleep(1000)) exit = child.poll();
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->text(), "exit status 1");  // nobody can tell how it ended
}

TEST_F(Child, IsInAGroupOfItsOwn) {
  ChildProcess child(shell("cut -d\" \" -f5 /proc/$$/stat"), {}, log_);
  child.wait();
  EXPECT_NE(std::stol(read_text(log_)), static_cast<long>(::getpgrp()));
}

TEST_F(Child, EndsWithItsOwner) {
  const fs::path ready = log_.string() + ".pid";
  {
    const ChildProcess child(shell("echo $$ > " + ready.string() + "; exec sleep 60"), {}, log_);
    while (!fs::exists(ready) || read_text(ready).empty()) ::usleep(1000);
  }
  EXPECT_NE(::kill(static_cast<pid_t>(std::stol(read_text(ready))), 0), 0);
  fs::remove(ready);
}

TEST_F(Child, AProgramThatCannotStartIsNamed) {
  try {
    const ChildProcess child({"/no/such/program"}, {}, log_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("/no/such/program"));
    EXPECT_THAT(error.what(), HasSubstr("No such file"));
  }
}

}  // namespace
}  // namespace peftbench::child_process_test
