#include "formats/safetensors.h"

#include "core/json.h"
#include "core/names.h"
#include "core/utf8.h"
#include "formats/mapped_tensor.h"

#include <peftbench/error.h>

#include <ATen/core/Tensor.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

namespace peftbench::formats {

namespace {

using nlohmann::json;
static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

constexpr std::uint64_t largest_header = 100'000'000;  // the official library's limit

struct Dtype {
  const char* name;
  at::ScalarType type;
};
// Widest first, in the official writer's order: so all are aligned without gaps.
constexpr Dtype dtypes[] = {{"I64", at::kLong},      {"F64", at::kDouble}, {"F32", at::kFloat}, {"I32", at::kInt},
                            {"BF16", at::kBFloat16}, {"F16", at::kHalf},   {"I16", at::kShort}, {"I8", at::kChar},
                            {"U8", at::kByte},       {"BOOL", at::kBool}};

[[noreturn]] void refuse(const fs::path& path, const std::string& fault, const std::string& found,
                         const std::string& expected) {
  throw CheckpointError(Problem{path.string() + ": " + fault, found, expected,
                                "the file is damaged or truncated: download or write it again"});
}

json parse_header(std::string_view text, const fs::path& path) {
  JsonFault fault;
  std::optional<json> header = parse_json<json>(text, fault);
  if (!header) refuse(path, "the header is not valid JSON", fault.text(), "the header of a safetensors file");
  return std::move(*header);
}

struct Entry {
  std::string name;
  at::ScalarType type;
  Shape shape;
  std::uint64_t begin, end;
};

// A list of whole numbers ≥ 0 that fit int64.
std::vector<int64_t> read_numbers(const json& object, const char* key, const std::string& name, const fs::path& path) {
  std::vector<int64_t> result;
  const auto found = object.find(key);
  bool good = found != object.end() && found->is_array() && found->size() <= 64;
  for (std::size_t i = 0; good && i < found->size(); ++i) {
    const json& number = (*found)[i];
    good = number.is_number_unsigned() && number.get<std::uint64_t>() <= static_cast<std::uint64_t>(INT64_MAX);
    if (good) result.push_back(number.get<int64_t>());
  }
  if (!good) {
    refuse(path, std::string("tensor '") + printable(name) + "' has an invalid " + key,
           found == object.end() ? "none" : printable(found->dump()), "a list of whole numbers");
  }
  return result;
}

Entry read_entry(const std::string& name, const json& object, std::uint64_t data_bytes, const fs::path& path) {
  const std::string subject = "tensor '" + printable(name) + "'";
  if (!object.is_object()) refuse(path, subject + " has an invalid description", printable(object.dump()), "an object");
  const auto dtype = object.find("dtype");
  if (dtype == object.end() || !dtype->is_string()) refuse(path, subject + " has no dtype", {}, "a string such as F32");
  const std::string dtype_name = dtype->get<std::string>();
  const auto known =
      std::find_if(std::begin(dtypes), std::end(dtypes), [&](const Dtype& d) { return dtype_name == d.name; });
  if (known == std::end(dtypes)) {
    throw CheckpointError(Problem{path.string() + ": " + subject + " has an unsupported dtype", printable(dtype_name),
                                  "F32, F16, BF16, F64, I64, I32, I16, I8, U8 or BOOL",
                                  "save it again as F32 or BF16"});
  }
  Entry entry{name, known->type, read_numbers(object, "shape", name, path), 0, 0};
  const std::vector<int64_t> offsets = read_numbers(object, "data_offsets", name, path);
  if (offsets.size() != 2 || offsets[0] > offsets[1] || static_cast<std::uint64_t>(offsets[1]) > data_bytes) {
    refuse(path, subject + " is outside the file", "data_offsets " + json(offsets).dump(),
           "offsets within the " + std::to_string(data_bytes) + " bytes of data");
  }
  entry.begin = static_cast<std::uint64_t>(offsets[0]);
  entry.end = static_cast<std::uint64_t>(offsets[1]);
  const std::optional<std::uint64_t> bytes = checked_bytes(entry.shape, entry.type);
  if (!bytes || *bytes != entry.end - entry.begin) {
    refuse(path, subject + " has a shape that does not match its size",
           "shape " + json(entry.shape).dump() + " of " + dtype_name + " in " +
               std::to_string(entry.end - entry.begin) + " bytes",
           bytes ? std::to_string(*bytes) + " bytes" : "a shape whose size does not overflow");
  }
  return entry;
}

// Data without gaps or overlaps: nothing is hidden in the file and nothing is read twice.
void check_spans(std::vector<Entry>& entries, std::uint64_t data_bytes, const fs::path& path) {
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  std::uint64_t end = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != end) {
      refuse(path,
             "tensor '" + printable(entry.name) +
                 (entry.begin < end ? "' overlaps the previous tensor" : "' leaves a gap before it"),
             "it begins at byte " + std::to_string(entry.begin) + " of the data", "byte " + std::to_string(end));
    }
    end = entry.end;
  }
  if (end != data_bytes) {
    refuse(path, "the data size does not match the header", std::to_string(data_bytes) + " bytes of data",
           std::to_string(end) + " bytes, as the header says");
  }
}

std::map<std::string, std::string> read_metadata(const json& object, const fs::path& path) {
  std::map<std::string, std::string> metadata;
  if (!object.is_object()) refuse(path, "invalid __metadata__", printable(object.dump()), "an object of strings");
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) refuse(path, "invalid __metadata__", printable(value.dump()), "strings only");
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

const Dtype& dtype_of(const Tensor& tensor, const std::string& name) {
  for (const Dtype& dtype : dtypes) {
    if (dtype.type == tensor.scalar_type()) return dtype;
  }
  throw Error(Problem{.what = "tensor '" + name + "' cannot be written as safetensors",
                      .found = c10::toString(tensor.scalar_type()),
                      .expected = "a safetensors dtype"});
}

}  // namespace

TensorFile read_safetensors(const fs::path& path) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  refuse_git_lfs_pointer(*file);
  if (file->size() < 8) {
    refuse(path, "not a safetensors file", std::to_string(file->size()) + " bytes", "at least 8");
  }
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file->data(), 8);
  if (header_bytes > largest_header || header_bytes > file->size() - 8) {
    refuse(path, "the header is longer than the file or the limit",
           "a header of " + std::to_string(header_bytes) + " bytes",
           "at most " + std::to_string(std::min<std::uint64_t>(largest_header, file->size() - 8)));
  }
  const std::string_view header_text = file->text().substr(8, header_bytes);
  if (header_text.find('\0') != std::string_view::npos)  // would end the text for the parser
    refuse(path, "the header is not valid JSON", "a NUL character", "the header of a safetensors file");
  const json header = parse_header(header_text, path);
  if (!header.is_object())
    refuse(path, "the header is not a JSON object", printable(header.dump()), "an object that maps names to tensors");

  TensorFile result;
  std::vector<Entry> entries;
  const std::uint64_t data_bytes = file->size() - 8 - header_bytes;
  for (const auto& [name, object] : header.items()) {
    if (name == "__metadata__") {
      result.metadata = read_metadata(object, path);
    } else {
      entries.push_back(read_entry(name, object, data_bytes, path));
    }
  }
  check_spans(entries, data_bytes, path);
  for (const Entry& entry : entries) {
    const std::byte* data = file->data() + 8 + header_bytes + entry.begin;
    result.tensors[entry.name] = mapped_tensor(file, data, entry.shape, contiguous_strides(entry.shape), entry.type);
  }
  return result;
}

void write_safetensors(const fs::path& path, const TensorMap& tensors,
                       const std::map<std::string, std::string>& metadata) {
  struct Item {
    const std::string* name;
    const Dtype* dtype;
    Tensor tensor;
  };
  std::vector<Item> items;
  for (const auto& [name, tensor] : tensors) {
    items.push_back({&name, &dtype_of(tensor, name), tensor.detach().cpu().contiguous()});
  }
  // The map is in order of names, which stays among equals.
  std::stable_sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.dtype < b.dtype; });

  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const Item& item : items) {
    const std::uint64_t end = offset + item.tensor.nbytes();
    header[*item.name] = {
        {"dtype", item.dtype->name}, {"shape", item.tensor.sizes().vec()}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t header_bytes = text.size();
  write_atomically(path, [&](std::ostream& out) {
    out.write(reinterpret_cast<const char*>(&header_bytes), 8);
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
    for (const Item& item : items) {
      out.write(static_cast<const char*>(item.tensor.const_data_ptr()),
                static_cast<std::streamsize>(item.tensor.nbytes()));
    }
  });
}

}  // namespace peftbench::formats
