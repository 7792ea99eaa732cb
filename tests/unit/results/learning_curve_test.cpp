#include "results/learning_curve.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <unistd.h>

namespace peftbench::learning_curve_test {

using namespace layers;

namespace {

class LearningCurveTest : public testing::Test {
 protected:
  ~LearningCurveTest() override { fs::remove(file_); }
  LearningCurve read(const std::string& log) const {
    write_atomically(file_, log);
    return read_learning_curve(file_);
  }
  fs::path file_ = fs::temp_directory_path() / ("peftbench-log-" + std::to_string(::getpid()) + ".jsonl");
};

const std::string step5 = R"({"event":"step","step":5,"loss":1.5,"learning_rate":0.1})"
                          "\n";
const std::string step10 = R"({"event":"step","step":10,"loss":1.25,"learning_rate":0.1})"
                           "\n";
const std::string score10 =
    R"({"event":"evaluation","step":10,"loss":1,"metrics":[{"name":"accuracy","value":0.75},{"name":"f1","value":0.5}]})"
    "\n";

TEST_F(LearningCurveTest, HasLossesAndTheFirstMetric) {
  const LearningCurve curve = read(step5 + step10 + score10 +
                                   R"({"event":"end","step":10,"best_step":10})"
                                   "\n");
  ASSERT_EQ(curve.loss.size(), 2u);
  EXPECT_EQ(curve.loss[1].step, 10);
  EXPECT_EQ(curve.loss[1].value, 1.25);
  ASSERT_EQ(curve.validation.size(), 1u);
  EXPECT_EQ(curve.validation[0].value, 0.75);
  EXPECT_EQ(curve.metric, "accuracy");
}

TEST_F(LearningCurveTest, AHalfWrittenLineAndNumbersThatAreNoneAreLeftOut) {
  const LearningCurve curve = read(step5 +
                                   R"({"event":"step","step":6,"loss":null})"
                                   "\n[]\n" +
                                   std::string(3, '\0') + "\n" + step10.substr(0, 20));
  EXPECT_EQ(curve.loss.size(), 1u);
  EXPECT_TRUE(curve.validation.empty());
  EXPECT_TRUE(read("").empty());
  EXPECT_TRUE(read_learning_curve(file_.string() + ".absent").empty());
}

TEST_F(LearningCurveTest, StepsThatWereDoneAgainCountOnce) {
  const LearningCurve curve = read(step5 + step10 +
                                   R"({"event":"step","step":5,"loss":1.4})"
                                   "\n");
  ASSERT_EQ(curve.loss.size(), 1u);
  EXPECT_EQ(curve.loss[0].value, 1.4);
}

TEST(Thinned, KeepsTheEndsAndOwnPoints) {
  std::vector<CurvePoint> points;
  for (int i = 0; i <= 1000; ++i) points.push_back({static_cast<double>(i), static_cast<double>(i * i)});
  const std::vector<CurvePoint> few = thinned(points, 11);
  EXPECT_LE(few.size(), 12u);
  EXPECT_GE(few.size(), 10u);
  EXPECT_EQ(few.front().step, 0);
  EXPECT_EQ(few.back().step, 1000);
  for (const CurvePoint& point : few) EXPECT_EQ(point.value, point.step * point.step);
  EXPECT_EQ(thinned(points, 1001).size(), 1001u);
  EXPECT_EQ(thinned({}, 5).size(), 0u);
}

}  // namespace
}  // namespace peftbench::learning_curve_test
