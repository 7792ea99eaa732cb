#include "formats/safetensors.h"
#include "support/layers.h"

#include "support/weights_fixture.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace peftbench::safetensors_test {

using namespace layers;

namespace {

using namespace testing_files;
using testing::HasSubstr;

std::string file_of(const std::string& header, const std::string& data, std::uint64_t length) {
  return little(length) + header + data;
}
std::string file_of(const std::string& header, const std::string& data) { return file_of(header, data, header.size()); }

std::string refusal_of(const std::string& bytes) {
  const TempFolder folder;
  write_bytes(folder / "x.safetensors", bytes);
  return refusal([&] { read_safetensors(folder / "x.safetensors"); });
}

TEST(Safetensors, EveryTypeComesBack) {
  const TempFolder folder;
  TensorMap tensors;
  for (const at::ScalarType type : {at::kDouble, at::kLong, at::kFloat, at::kInt, at::kBFloat16, at::kHalf, at::kShort,
                                    at::kChar, at::kByte, at::kBool}) {
    tensors[c10::toString(type)] = at::arange(6).remainder(2).reshape({2, 3}).to(type);
  }
  tensors["scalar"] = at::tensor(2.5f).reshape({});
  tensors["empty"] = at::zeros({0, 3});
  tensors["turned"] = at::arange(6).reshape({2, 3}).t();
  write_safetensors(folder / "a.safetensors", tensors, {{"format", "pt"}, {"note", "ü \"quoted\"\n"}});
  const TensorFile read = read_safetensors(folder / "a.safetensors");
  EXPECT_EQ(read.metadata, (std::map<std::string, std::string>{{"format", "pt"}, {"note", "ü \"quoted\"\n"}}));
  ASSERT_EQ(read.tensors.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const Tensor& back = read.tensors.at(name);
    EXPECT_EQ(back.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(back, tensor)) << name;
    EXPECT_FALSE(back.requires_grad());
  }
}

TEST(Safetensors, BytesAreThoseOfTheOfficialLibrary) {
  const TempFolder folder;
  const TensorMap tensors = {
      {"b", at::full({1}, 7, at::kByte)}, {"a", at::full({1, 2}, 1.0f)}, {"c", at::full({1}, 2.0f)}};
  write_safetensors(folder / "a.safetensors", tensors, {{"format", "pt"}});
  // safetensors 0.8.0 (Python), save_file of the same.
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
      R"("c":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"b":{"dtype":"U8","shape":[1],"data_offsets":[12,13]}})";
  const std::string data("\0\0\x80?\0\0\x80?\0\0\0@\x07", 13);
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(read_text(folder / "a.safetensors"), file_of(padded, data));
}

TEST(Safetensors, TensorsOutliveTheReaderAndAreNotCopied) {
  const TempFolder folder;
  write_safetensors(folder / "a.safetensors", {{"w", at::arange(1000, at::kFloat)}, {"v", at::arange(10, at::kFloat)}});
  TensorMap tensors = read_safetensors(folder / "a.safetensors").tensors;
  // Both lie in one mapping, "v" first.
  EXPECT_EQ(
      static_cast<const char*>(tensors["w"].const_data_ptr()) - static_cast<const char*>(tensors["v"].const_data_ptr()),
      40);
  tensors.erase("v");
  fs::remove(folder / "a.safetensors");
  EXPECT_TRUE(at::equal(tensors["w"], at::arange(1000, at::kFloat)));
}

TEST(Safetensors, DataThatIsNotAlignedIsCopied) {
  const TempFolder folder;
  std::string header = R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  while (header.size() % 4 != 1) header += ' ';
  write_bytes(folder / "a.safetensors", file_of(header, std::string("\0\0\x80?\0\0\0@", 8)));
  EXPECT_TRUE(at::equal(read_safetensors(folder / "a.safetensors").tensors.at("w"), at::tensor({1.0f, 2.0f})));
}

TEST(Safetensors, WrongFilesAreRefusedWithTheirFault) {
  const std::string data(16, '\0');
  const auto tensor = [](const std::string& fields) { return "{\"w\":{" + fields + "}}"; };
  EXPECT_THAT(refusal_of(""), HasSubstr("not a safetensors file"));
  EXPECT_THAT(refusal_of("1234567"), HasSubstr("not a safetensors file"));
  const std::string huge = refusal_of(file_of("{}", "", std::uint64_t{1} << 60));
  EXPECT_THAT(huge, HasSubstr("a header of 1152921504606846976 bytes"));
  EXPECT_THAT(huge, HasSubstr("fix:"));
  EXPECT_THAT(refusal_of(file_of("{}", "", 3)), HasSubstr("header is longer"));
  EXPECT_THAT(refusal_of(file_of("{nonsense", "")), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal_of(file_of("[1]", "")), HasSubstr("not a JSON object"));
  EXPECT_THAT(refusal_of(file_of("{\"\xff\":1}", "")), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal_of(file_of("{\"w\":3}", "")), HasSubstr("invalid description"));
  EXPECT_THAT(refusal_of(file_of(tensor(R"("dtype":"F8_E4M3","shape":[16],"data_offsets":[0,16])"), data)),
              HasSubstr("F8_E4M3"));
  EXPECT_THAT(refusal_of(file_of(tensor(R"("shape":[4],"data_offsets":[0,16])"), data)), HasSubstr("no dtype"));
  EXPECT_THAT(refusal_of(file_of(tensor(R"("dtype":"F32","shape":[-4],"data_offsets":[0,16])"), data)),
              HasSubstr("invalid shape"));
  EXPECT_THAT(refusal_of(file_of(tensor(R"("dtype":"F32","shape":[4.5],"data_offsets":[0,16])"), data)),
              HasSubstr("invalid shape"));
  EXPECT_THAT(refusal_of(file_of(tensor(R"("dtype":"F32","shape":[3],"data_offsets":[0,16])"), data)),
              HasSubstr("12 bytes"));
  EXPECT_THAT(refusal_of(file_of(tensor(R"("dtype":"F32","shape":[4],"data_offsets":[0,17])"), data)),
              HasSubstr("outside the file"));
  EXPECT_THAT(refusal_of(file_of(tensor(R"("dtype":"F32","shape":[4],"data_offsets":[16,0])"), data)),
              HasSubstr("outside the file"));
  EXPECT_THAT(refusal_of(file_of(tensor(R"("dtype":"F32","shape":[3],"data_offsets":[0,12])"), data)),
              HasSubstr("does not match the header"));
  EXPECT_THAT(refusal_of(file_of(tensor(R"("dtype":"F32","shape":[3],"data_offsets":[4,16])"), data)),
              HasSubstr("gap"));
  EXPECT_THAT(
      refusal_of(file_of(tensor(R"("dtype":"F32","shape":[0,4611686018427387904,8],"data_offsets":[0,0])"), "")),
      HasSubstr("does not overflow"));
  EXPECT_THAT(refusal_of(file_of(R"({"w":{"dtype":"U8","shape":[16],"data_offsets":[0,16]},)"
                                 R"("v":{"dtype":"U8","shape":[8],"data_offsets":[8,16]}})",
                                 data)),
              HasSubstr("overlaps"));
  EXPECT_THAT(refusal_of(file_of(R"({"w":{"dtype":"U8","shape":[16],"data_offsets":[0,16]},)"
                                 R"("w":{"dtype":"U8","shape":[16],"data_offsets":[0,16]}})",
                                 data)),
              HasSubstr("duplicate key"));
  EXPECT_THAT(refusal_of(file_of(R"({"__metadata__":{"a":1}})", "")), HasSubstr("__metadata__"));
  EXPECT_THAT(refusal_of(file_of(tensor(R"("dtype":"BOOL","shape":[1],"data_offsets":[0,1])"), "\x02")),
              HasSubstr("invalid value in a boolean tensor"));
  EXPECT_THAT(refusal_of("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
              HasSubstr("git lfs pull"));
  EXPECT_THAT(refusal([] { read_safetensors("/nonexistent/a.safetensors"); }), HasSubstr("cannot open"));
}

TEST(Safetensors, AFileCutShortAnywhereIsRefused) {
  const TempFolder folder;
  write_safetensors(folder / "good", {{"a", at::arange(4)}, {"b", at::arange(3)}});
  const std::string good = read_text(folder / "good");
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_NE(refusal_of(good.substr(0, size)), "nothing was refused") << size;
  }
}

TEST(Safetensors, DamageNeverCrashes) {
  const TempFolder folder;
  write_safetensors(
      folder / "good",
      {{"first", at::arange(4)}, {"second", random_tensor({2, 2}, 1)}, {"third", at::zeros({2}, at::kBool)}},
      {{"format", "pt"}});
  const int refused = count_refused_mutants(folder / "bad", read_text(folder / "good"), 4000,
                                            [](const fs::path& file) { return read_safetensors(file).tensors; });
  EXPECT_GT(refused, 2000);
  EXPECT_LT(refused, 4000);
}

// hostile 11: a header is read in linear time.
TEST(Safetensors, ManyTensorsTakeNoTime) {
  std::string header = "{";
  for (int i = 0; i < 100'000; ++i) {
    if (i > 0) header += ",";
    header += "\"t" + std::to_string(i) + R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
  }
  const TempFolder folder;
  write_bytes(folder / "many.safetensors", file_of(header + "}", ""));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(read_safetensors(folder / "many.safetensors").tensors.size(), 100'000u);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(8));
}

}  // namespace
}  // namespace peftbench::safetensors_test
