// nf4 and int8 against vectors that bitsandbytes 0.50.2 gave, and against the published maths written a second time.
#include "backbone/layers/frozen_linear.h"
#include "backbone/layers/nf4_linear.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace peftbench::quantization_test {

using namespace layers;

namespace {

using Bytes = std::vector<int64_t>;

Tensor random(Shape shape, double deviation, uint64_t seed) {
  return at::empty(shape).normal_(0, deviation, at::make_generator<at::CPUGeneratorImpl>(seed));
}

// Exact in fp32; three blocks, of which the last has 37 weights. The scales are far from halfway between two codes,
// where bitsandbytes' CPU library, which searches a table, may take the other one.
Tensor given_weight() {
  std::vector<float> values;
  for (int i = 0; i < 165; ++i)
    values.push_back(static_cast<float>((i * 37) % 101 - 50) / 64.0F * static_cast<float>(1 << i / 64));
  return at::tensor(values).view({5, 33});
}

Bytes list(const Tensor& tensor) {
  const Tensor wide = tensor.to(at::kLong).reshape({-1}).contiguous();
  return {wide.const_data_ptr<int64_t>(), wide.const_data_ptr<int64_t>() + wide.numel()};
}

TEST(NormalFloat4, HasThePublishedCodes) {
  const auto codes = nf4_codes();
  ASSERT_EQ(codes.size(), 16U);
  const std::vector<float> published = {-1.0F,
                                        -0.6961928009986877F,
                                        -0.5250730514526367F,
                                        -0.39491748809814453F,
                                        -0.28444138169288635F,
                                        -0.18477343022823334F,
                                        -0.09105003625154495F,
                                        0.0F,
                                        0.07958029955625534F,
                                        0.16093020141124725F,
                                        0.24611230194568634F,
                                        0.33791524171829224F,
                                        0.44070982933044434F,
                                        0.5626170039176941F,
                                        0.7229568362236023F,
                                        1.0F};
  EXPECT_EQ(std::vector<float>(codes.begin(), codes.end()), published);
}

TEST(DynamicCodes, AreThoseOfBitsandbytes) {
  const auto codes = dynamic_codes();
  ASSERT_EQ(codes.size(), 256U);
  const std::vector<std::pair<std::size_t, float>> some = {{0, -0.992968738079071F},
                                                           {1, -0.9789062738418579F},
                                                           {2, -0.96484375F},
                                                           {127, 0.0F},
                                                           {126, -5.500000384017767e-07F},
                                                           {128, 5.500000384017767e-07F},
                                                           {254, 0.992968738079071F},
                                                           {129, 3.250000190746505e-06F},
                                                           {191, 0.10703125596046448F},
                                                           {255, 1.0F}};
  for (const auto& [place, value] : some) EXPECT_EQ(codes[place], value) << place;
  double magnitude = 0;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    magnitude += std::fabs(static_cast<double>(codes[i]));
    EXPECT_TRUE(i == 0 || codes[i] > codes[i - 1]) << i;
  }
  EXPECT_NEAR(magnitude, 75.10526317200026, 1e-9);
}

TEST(Nf4, GivenVectorsGiveTheBytesOfBitsandbytes) {
  const auto quantized = quantize(given_weight(), Quantization::nf4);
  const Bytes bytes = {4,   193, 110, 41,  243, 176, 93,  23,  226, 159, 60,  5,   209, 142, 42,  244, 193,
                       110, 24,  227, 176, 93,  23,  226, 159, 59,  5,   209, 142, 42,  244, 193, 109, 24,
                       227, 176, 76,  23,  226, 159, 59,  5,   209, 126, 42,  244, 192, 109, 24,  226, 160,
                       76,  22,  226, 159, 59,  5,   209, 126, 41,  243, 192, 93,  24,  226, 175, 76,  22,
                       225, 142, 59,  5,   209, 126, 41,  243, 176, 93,  24,  226, 175, 76,  23};
  EXPECT_EQ(list(quantized->parts()[0]), bytes);
  EXPECT_EQ(list(quantized->parts()[1]), (Bytes{14, 56, 255}));
  EXPECT_FLOAT_EQ(quantized->parts()[3].item<float>(), 1.8229166269302368F);
  EXPECT_FLOAT_EQ(quantized->parts()[2].item<float>(), 1.3020833730697632F);
  EXPECT_EQ(quantized->bytes(), 83 + 3 + 4 + 4);

  const Tensor values = quantized->dequantize(at::kFloat).reshape({-1});
  const std::vector<std::pair<int64_t, float>> some = {
      {0, -0.7863361835479736F},   {1, -0.22366654872894287F}, {63, -0.5474416017532349F}, {64, -0.1416173279285431F},
      {127, 0.12377753853797913F}, {128, 2.25924015045166F},   {164, -2.175602436065674F}};
  for (const auto& [place, value] : some) EXPECT_FLOAT_EQ(values[place].item<float>(), value) << place;
}

// Dettmers et al. 2023, §3, once more, element by element and by nearest distance. Returns the dequantised weight.
std::vector<float> published_nf4(const Tensor& weight) {
  const float* w = weight.const_data_ptr<float>();
  const auto nearest = [](std::span<const float> codes, double value) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < codes.size(); ++i)
      if (std::fabs(codes[i] - value) < std::fabs(codes[best] - value)) best = i;
    return codes[best];
  };
  const auto n = static_cast<std::size_t>(weight.numel());
  std::vector<double> scales((n + 63) / 64), kept(scales.size());
  for (std::size_t i = 0; i < n; ++i) scales[i / 64] = std::max(scales[i / 64], std::fabs(static_cast<double>(w[i])));
  double mean = 0;
  for (const double scale : scales) mean += scale / static_cast<double>(scales.size());
  for (std::size_t first = 0; first < scales.size(); first += 256) {
    const std::size_t last = std::min(scales.size(), first + 256);
    double most = 0;
    for (std::size_t b = first; b < last; ++b) most = std::max(most, std::fabs(scales[b] - mean));
    for (std::size_t b = first; b < last; ++b)
      kept[b] = nearest(dynamic_codes(), (scales[b] - mean) / most) * most + mean;
  }
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i)
    values[i] = static_cast<float>(nearest(nf4_codes(), w[i] / scales[i / 64]) * kept[i / 64]);
  return values;
}

TEST(Nf4, ManyBlocksEqualThePublishedMaths) {
  const Tensor weight = random({301, 113}, 0.05, 3);  // 532 blocks, the last of 29; three groups of scales
  const Tensor values = quantize(weight, Quantization::nf4)->dequantize(at::kFloat);
  ASSERT_EQ(values.sizes(), weight.sizes());
  const Tensor expected = at::tensor(published_nf4(weight)).view(weight.sizes());
  // A value halfway between two codes may fall to either side in another precision.
  EXPECT_LE(((values - expected).abs() > 1e-6).sum().item<int64_t>(), 3);
}

TEST(Nf4, RoundTripStaysWithinHalfTheWidestGap) {
  const Tensor weight = random({64, 64}, 1, 5);
  const Tensor values = quantize(weight, Quantization::nf4)->dequantize(at::kFloat);
  const Tensor most = weight.view({-1, 64}).abs().amax(1, true);
  // Half of −1 … −0.696, and the error of the scale itself: at most half of 1.5 % of the scales' own spread.
  const Tensor allowed = most * 0.152 + 0.008 * (most - most.mean()).abs().max();
  EXPECT_TRUE(((values - weight).view({-1, 64}).abs() <= allowed).all().item<bool>());
  EXPECT_GT((values - weight).abs().max().item<float>(), 0.01F);
}

TEST(Nf4, OddSizesAndZerosComeBack) {
  for (const Shape& shape : {Shape{1, 1}, Shape{3, 7}, Shape{1, 64}, Shape{5, 13}, Shape{1, 129}}) {
    const Tensor weight = random(shape, 1, 7);
    const Tensor values = quantize(weight, Quantization::nf4)->dequantize(at::kFloat);
    ASSERT_EQ(values.sizes(), weight.sizes());
    const auto expected = at::tensor(published_nf4(weight)).view(shape);
    EXPECT_LE((values - expected).abs().max().item<float>(), 1e-6F) << c10::str(weight.sizes());
  }
  const Tensor zeros = random({4, 40}, 0, 1);
  EXPECT_TRUE(quantize(zeros, Quantization::nf4)->dequantize(at::kFloat).equal(zeros));
  EXPECT_TRUE(quantize(zeros, Quantization::int8)->dequantize(at::kFloat).equal(zeros));
}

TEST(Int8, GivenVectorsGiveTheBytesOfBitsandbytes) {
  const Tensor weight = given_weight();
  const auto quantized = quantize(weight, Quantization::int8);
  EXPECT_EQ(list(quantized->parts()[0][0]),
            (Bytes{-127, -33, 61,  -102, -8, 86,   -76, 18, 112, -51, 43,  -119, -25, 69,  -94, 0, 94,
                   -69,  25,  119, -43,  51, -112, -18, 76, -86, 8,   102, -61,  33,  127, -36, 58}));
  const Tensor most = at::tensor(std::vector<float>{0.78125F, 1.0F, 1.53125F, 3.125F, 3.0625F});
  EXPECT_TRUE(quantized->parts()[1].allclose(most / 127.0, 1e-6, 0));
  const Tensor error = (quantized->dequantize(at::kFloat) - weight).abs();
  EXPECT_TRUE((error <= (most / 254.0).unsqueeze(1) * 1.001).all().item<bool>());
  EXPECT_EQ(quantized->bytes(), 165 + 5 * 4);
}

TEST(Dequantize, InBf16IsTheRoundedFp32) {
  const Tensor weight = random({9, 70}, 1, 2);
  for (const Quantization kind : {Quantization::nf4, Quantization::int8}) {
    const auto quantized = quantize(weight, kind);
    const Tensor narrow = quantized->dequantize(at::kBFloat16);
    EXPECT_EQ(narrow.scalar_type(), at::kBFloat16);
    EXPECT_TRUE(narrow.equal(quantized->dequantize(at::kFloat).to(at::kBFloat16)));
  }
}

TEST(QuantizedLinear, EqualsTheDequantisedWeightInValueAndGradient) {
  const Tensor weight = random({24, 50}, 0.2, 11);
  for (const Quantization kind : {Quantization::nf4, Quantization::int8}) {
    const auto quantized = quantize(weight, kind);
    const Tensor values = quantized->dequantize(at::kFloat);
    Tensor x = random({7, 50}, 1, 12).set_requires_grad(true);
    Tensor y = random({7, 50}, 1, 12).set_requires_grad(true);
    const Tensor ours = (*quantized)(x), plain = at::linear(y, values);
    EXPECT_TRUE(ours.equal(plain));
    ours.square().sum().backward();
    plain.square().sum().backward();
    EXPECT_TRUE(x.grad().allclose(y.grad(), 1e-6, 1e-6));
    EXPECT_GT(x.grad().abs().max().item<float>(), 0.1F);
  }
}

TEST(QuantizedLinear, NeedsNoGraphWhereNothingIsTrained) {
  const auto quantized = quantize(random({4, 8}, 1, 1), Quantization::nf4);
  EXPECT_FALSE((*quantized)(random({2, 8}, 1, 2)).requires_grad());
}

TEST(Quantize, OnlyTakesMatrices) {
  EXPECT_THAT([&] { quantize(random({4}, 1, 1), Quantization::nf4); },
              ::testing::ThrowsMessage<Error>(::testing::HasSubstr("needs a matrix")));
  EXPECT_THAT(
      [&] {
        quantize(random({4, 4}, 1, 1), Quantization::none);
      },
      ::testing::ThrowsMessage<Error>(::testing::HasSubstr("other than none")));
}

TEST(Quantization, HasNames) {
  for (const Quantization kind : {Quantization::none, Quantization::nf4, Quantization::int8})
    EXPECT_EQ(enum_from<Quantization>(enum_name(kind)), kind);
  EXPECT_EQ(enum_from<Quantization>("fp4"), std::nullopt);
}

}  // namespace
}  // namespace peftbench::quantization_test
