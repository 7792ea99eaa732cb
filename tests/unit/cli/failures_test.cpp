#include "cli/failures.h"
#include "support/layers.h"

#include "cli/console.h"

#include <peftbench/error.h>

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <stdexcept>

namespace peftbench::failures_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

template <class Code>
std::pair<int, std::string> told(Code&& code) {
  testing::internal::CaptureStderr();
  int status = -1;
  try {
    code();
  } catch (...) {
    status = tell_failure();
  }
  return {status, testing::internal::GetCapturedStderr()};
}

// hostile 15: whatever is thrown, it is said as what it is.
TEST(Failures, OfLibrariesAreToldInOurWords) {
  const auto [json_status, json] = told([] { (void)nlohmann::json("caf\xe9").dump(); });
  EXPECT_EQ(json_status, 1);
  EXPECT_THAT(json, AllOf(HasSubstr("peft-bench: internal error"), HasSubstr("found:"), HasSubstr("report it")));
  const auto [folder_status, folder] = told([] { std::filesystem::create_directories("/proc/none/x"); });
  EXPECT_EQ(folder_status, 1);
  EXPECT_THAT(folder, AllOf(HasSubstr("/proc/none"), HasSubstr("No such file"), Not(HasSubstr("filesystem error"))));
  EXPECT_EQ(told([] { throw 3; }).first, 1);
  EXPECT_THAT(told([] { throw std::logic_error("odd"); }).second, HasSubstr("odd"));
}

TEST(Failures, OfMemoryArePlain) {
  for (const std::string& said :
       {told([] { throw std::bad_alloc(); }).second,
        told([] { throw std::length_error("vector::_M_default_append"); }).second,
        told([] {
          TORCH_CHECK(false, "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes");
        }).second})
    EXPECT_THAT(said, AllOf(HasSubstr("not enough memory"), Not(HasSubstr("frame #"))));
}

TEST(Failures, OfDeterminismSayHowToAllowTheOthers) {
  // As at::Context::alertNotDeterministic says it.
  const std::string said = told([] {
                             TORCH_CHECK(false,
                                         "cumsum_cuda does not have a deterministic implementation, but you set "
                                         "'torch.use_deterministic_algorithms(True)'.");
                           }).second;
  EXPECT_THAT(said, AllOf(HasSubstr("no deterministic algorithm"), HasSubstr("cumsum_cuda"),
                          HasSubstr("device.deterministic=false")));
}

TEST(Failures, OursKeepTheirStatus) {
  EXPECT_EQ(told([] { throw ConfigError("wrong"); }), (std::pair<int, std::string>{2, "peft-bench: wrong\n"}));
  EXPECT_EQ(told([] { throw Error("broken"); }).first, 1);
}

TEST(Failures, AReaderThatHasGoneIsNone) {
  EXPECT_EQ(told([] { throw ReaderGone(); }), (std::pair<int, std::string>{141, ""}));
}

}  // namespace
}  // namespace peftbench::failures_test
