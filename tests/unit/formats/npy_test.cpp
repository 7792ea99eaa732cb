#include "formats/npy.h"
#include "support/layers.h"

#include "core/random.h"

#include <peftbench/error.h>

#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstring>

namespace peftbench::npy_test {

using namespace layers;

namespace {

using ::testing::HasSubstr;

// As numpy.save writes it: magic, version, length, a dictionary padded with spaces, and a line's end.
std::string npy(const std::string& dictionary, const std::string& data, int version = 1) {
  std::string header = dictionary;
  const std::size_t before = version == 1 ? 10 : 12;
  header.append(63 - (before + header.size()) % 64, ' ');
  header += '\n';
  std::string bytes("\x93NUMPY");
  bytes += static_cast<char>(version);
  bytes += '\0';
  const auto size = static_cast<std::uint32_t>(header.size());
  bytes.append(reinterpret_cast<const char*>(&size), version == 1 ? 2 : 4);
  return bytes + header + data;
}

std::string bytes_of(const Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
}

std::string dictionary(const std::string& descr, const std::string& shape, const std::string& fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
}

std::string refusal(const std::string& bytes) {
  try {
    parse_npy(bytes, "x.npy");
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Npy, ReadsEveryFloat) {
  const Tensor values = at::arange(6, at::kFloat).reshape({2, 3}) / 4;
  for (const auto& [type, descr] : {std::pair{at::kHalf, "<f2"}, {at::kFloat, "<f4"}, {at::kDouble, "<f8"}}) {
    for (const int version : {1, 2, 3}) {
      const Tensor read = parse_npy(npy(dictionary(descr, "(2, 3)"), bytes_of(values.to(type)), version), "x");
      EXPECT_EQ(read.scalar_type(), at::kFloat);
      EXPECT_TRUE(at::equal(read, values)) << descr << " version " << version;
    }
  }
}

// These bytes were written by numpy.save(file, numpy.array([[1.5, -2.0]], dtype='<f4')).
TEST(Npy, ReadsWhatNumpyWrote) {
  const std::string header =
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }" + std::string(58, ' ') + "\n";
  const std::string bytes =
      std::string("\x93NUMPY\x01\x00v\x00", 10) + header + std::string("\x00\x00\xc0\x3f\x00\x00\x00\xc0", 8);
  ASSERT_EQ(header.size(), 118u);
  const Tensor read = parse_npy(bytes, "x");
  EXPECT_EQ(read.sizes(), (at::IntArrayRef{1, 2}));
  EXPECT_EQ(read[0][0].item<float>(), 1.5f);
  EXPECT_EQ(read[0][1].item<float>(), -2.0f);
}

TEST(Npy, ShapesOfAllRanks) {
  const std::string one(4, '\0');
  EXPECT_EQ(parse_npy(npy(dictionary("<f4", "()"), one), "x").dim(), 0);
  EXPECT_EQ(parse_npy(npy(dictionary("<f4", "(1,)"), one), "x").sizes(), (at::IntArrayRef{1}));
  EXPECT_EQ(parse_npy(npy(dictionary("<f4", "(0, 5)"), ""), "x").sizes(), (at::IntArrayRef{0, 5}));
  EXPECT_EQ(parse_npy(npy(dictionary("<f4", "(1,)", "True"), one), "x").dim(), 1);  // NumPy says so of some vectors
}

TEST(Npy, WhatIsNotReadIsToldWithARemedy) {
  const std::string data(24, '\0');
  EXPECT_THAT(refusal(""), HasSubstr("not a .npy file"));
  EXPECT_THAT(refusal("PK\x03\x04 an .npz is an archive"), HasSubstr("numpy.save"));
  EXPECT_THAT(refusal(npy(dictionary("<f4", "(2, 3)"), data, 9)), HasSubstr("unknown format version"));
  EXPECT_THAT(refusal(npy(dictionary(">f4", "(2, 3)"), data)), HasSubstr(">f4"));
  EXPECT_THAT(refusal(npy(dictionary("<i8", "(3,)"), data)), HasSubstr("astype('<f4')"));
  EXPECT_THAT(refusal(npy(dictionary("|O", "(3,)"), data)), HasSubstr("|O"));
  EXPECT_THAT(refusal(npy(dictionary("<f4", "(2, 3)", "True"), data)), HasSubstr("ascontiguousarray"));
  EXPECT_THAT(refusal(npy(dictionary("<f4", "(2, 3)"), data.substr(1))), HasSubstr("23 bytes"));
  EXPECT_THAT(refusal(npy(dictionary("<f4", "(2, 3)"), data + "x")), HasSubstr("25 bytes"));
  EXPECT_THAT(refusal(npy(dictionary("<f4", "(4611686018427387904, 4)"), data)), HasSubstr("does not match the shape"));
  EXPECT_THAT(refusal(npy(dictionary("<f4", "(99999999999999999999,)"), data)), HasSubstr("invalid header"));
  EXPECT_THAT(refusal(npy(dictionary("<f4", "(-1,)"), data)), HasSubstr("invalid header"));
  EXPECT_THAT(refusal(npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}", data)),
              HasSubstr("invalid header"));
  EXPECT_THAT(refusal(npy("{'descr': '<f4', 'shape': (6,)}", data)), HasSubstr("invalid header"));
  EXPECT_THAT(refusal(npy("__import__('os')", data)), HasSubstr("invalid header"));
}

// Any bytes give a tensor of the file's size or a CheckpointError; under ASan this also says that none is overrun.
TEST(Npy, DamagedFilesAreRefused) {
  const std::string whole = npy(dictionary("<f4", "(2, 3)"), std::string(24, '\x3f'));
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_NE(refusal(whole.substr(0, size)), "accepted") << size;
  EXPECT_EQ(refusal(whole), "accepted");

  Random random(11);
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = whole;
    for (std::uint64_t changes = 1 + random.below(4); changes > 0; --changes) {
      bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    }
    try {
      const Tensor read = parse_npy(bytes, "fuzz");
      EXPECT_LE(read.numel(), 12);
      ++accepted;
    } catch (const CheckpointError&) {
    }
  }
  EXPECT_GT(accepted, 0);  // changes in the data alone do no harm
}

// hostile 11
TEST(Npy, AMillionDimensionsAreRefusedAtOnce) {
  std::string ones = "(";
  for (int i = 0; i < 1'000'000; ++i) ones += "1,";
  const std::string bytes = npy(dictionary("<f4", ones + ")"), std::string(4, '\0'), 2);
  EXPECT_NE(refusal(bytes).find("invalid header"), std::string::npos);
}

TEST(Npy, WhatIsWrittenIsWhatNumpyWrites) {
  const fs::path file = fs::temp_directory_path() / ("peftbench-npy-" + std::to_string(::getpid()) + ".npy");
  for (const Shape& shape : {Shape{2, 3}, Shape{6}, Shape{}, Shape{1, 2, 3}}) {
    const Tensor values = at::arange(0, shape.empty() ? 1 : 6, at::kFloat).reshape(shape) / 7;
    write_npy(file, values);
    EXPECT_TRUE(at::equal(read_npy(file), values));
    const std::string text = shape.empty()       ? "()"
                             : shape.size() == 1 ? "(6,)"
                             : shape.size() == 2 ? "(2, 3)"
                                                 : "(1, 2, 3)";
    EXPECT_EQ(read_text(file), npy(dictionary("<f4", text), bytes_of(values))) << text;
  }
  fs::remove(file);
}

}  // namespace
}  // namespace peftbench::npy_test
