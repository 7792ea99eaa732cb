#pragma once

// Files of weights for tests, made byte by byte so that they can also be wrong.
#include "core/files.h"
#include "core/random.h"
#include "plan/compiled_plan.h"
#include "support/layers.h"

#include <peftbench/error.h>
#include <peftbench/spec.h>

#include <ATen/ops/empty.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace peftbench::testing_files {

using namespace layers;

class TempFolder {
 public:
  TempFolder() {
    std::string name = (fs::temp_directory_path() / "peftbench-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TempFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  operator const fs::path&() const { return path_; }
  fs::path operator/(const fs::path& name) const { return path_ / name; }

 private:
  fs::path path_;
};

inline void write_bytes(const fs::path& path, std::string_view bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// The message with which a user's mistake is refused.
template <class Function>
std::string refusal(const Function& function) {
  try {
    function();
  } catch (const UserError& error) {
    return error.what();
  }
  return "nothing was refused";
}

template <class Integer>
std::string little(Integer value) {
  std::string bytes(sizeof value, '\0');
  for (char& byte : bytes)
    byte = static_cast<char>(value & 0xff), value = static_cast<Integer>(value >> 8 * (sizeof value > 1));
  return bytes;
}

// A stored zip archive. `wide` writes Zip64 records, as archives over 4 GB have them.
inline std::string zip(const std::vector<std::pair<std::string, std::string>>& entries, bool wide = false,
                       int method = 0) {
  constexpr std::uint32_t in_extra = 0xffffffff;
  std::string body, directory;
  for (const auto& [name, data] : entries) {
    const auto size = static_cast<std::uint32_t>(data.size());
    const auto common = [&](std::uint32_t bytes) {
      return little<std::uint16_t>(45) + little<std::uint16_t>(0) + little(static_cast<std::uint16_t>(method)) +
             little<std::uint32_t>(0) + little<std::uint32_t>(0) + little(bytes) + little(bytes) +
             little(static_cast<std::uint16_t>(name.size()));
    };
    const std::uint64_t offset = body.size();
    // torch.save pads each entry to 64 bytes in an extra field named FB.
    const auto padding = static_cast<std::uint16_t>(63 - (body.size() + 30 + name.size() + 4 + 63) % 64);
    body += "PK\x03\x04" + common(size) + little(static_cast<std::uint16_t>(padding + 4)) + name + "FB" +
            little(padding) + std::string(padding, 'Z') + data;
    const std::string extra = wide ? little<std::uint16_t>(1) + little<std::uint16_t>(24) +
                                         little<std::uint64_t>(size) + little<std::uint64_t>(size) + little(offset)
                                   : "";
    directory += "PK\x01\x02" + little<std::uint16_t>(45) + common(wide ? in_extra : size) +
                 little(static_cast<std::uint16_t>(extra.size())) + little<std::uint16_t>(0) +
                 little<std::uint32_t>(0) + little<std::uint32_t>(0) +
                 little(wide ? in_extra : static_cast<std::uint32_t>(offset)) + name + extra;
  }
  const std::uint64_t start = body.size(), count = entries.size();
  std::string tail;
  if (wide) {
    tail = "PK\x06\x06" + little<std::uint64_t>(44) + little<std::uint32_t>(45) + little<std::uint64_t>(0) +
           little(count) + little(count) + little<std::uint64_t>(directory.size()) + little(start);
    tail += "PK\x06\x07" + little<std::uint32_t>(0) + little<std::uint64_t>(start + directory.size()) +
            little<std::uint32_t>(1);
  }
  const auto entries16 = wide ? std::uint16_t{0xffff} : static_cast<std::uint16_t>(count);
  tail += "PK\x05\x06" + little<std::uint32_t>(0) + little(entries16) + little(entries16) +
          little(static_cast<std::uint32_t>(directory.size())) +
          little(wide ? in_extra : static_cast<std::uint32_t>(start)) + little<std::uint16_t>(0);
  return body + directory + tail;
}

// A pickle in the words of its operations.
namespace pickled {
inline std::string text(const std::string& value) {
  return "X" + little(static_cast<std::uint32_t>(value.size())) + value;
}
inline std::string integer(std::int32_t value) { return "J" + little(value); }
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string tuple(const std::vector<int64_t>& values) {
  std::string result = "(";
  for (const int64_t value : values) result += integer(static_cast<std::int32_t>(value));
  return result + "t";
}
inline std::string tensor(const std::string& type, const std::string& key, int64_t elements, int64_t offset,
                          const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  const std::string storage = "(" + text("storage") + global("torch", type) + text(key) + text("cpu") +
                              integer(static_cast<std::int32_t>(elements)) + "tQ";
  return global("torch._utils", "_rebuild_tensor_v2") + "(" + storage + integer(static_cast<std::int32_t>(offset)) +
         tuple(shape) + tuple(strides) + "\x89" + global("collections", "OrderedDict") + ")RtR";
}
inline std::string dict(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string result = global("collections", "OrderedDict") + ")R(";
  for (const auto& [name, value] : items) result += text(name) + value;
  return "\x80\x02" + result + "u.";
}
}  // namespace pickled

inline std::string bytes_of(const Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), static_cast<std::size_t>(tensor.nbytes())};
}

// What torch.save makes of a state dict of float32 tensors.
inline std::string torch_file(const TensorMap& tensors) {
  std::vector<std::pair<std::string, std::string>> items, entries;
  for (const auto& [name, tensor] : tensors) {
    const std::string key = std::to_string(items.size());
    items.emplace_back(
        name, pickled::tensor("FloatStorage", key, tensor.numel(), 0, tensor.sizes().vec(), tensor.strides().vec()));
    entries.emplace_back("archive/data/" + key, bytes_of(tensor));
  }
  entries.insert(entries.begin(), {"archive/data.pkl", pickled::dict(items)});
  entries.emplace_back("archive/version", "3\n");
  return zip(entries);
}

inline Tensor random_tensor(const Shape& shape, std::uint64_t seed) {
  Random random(seed);
  Tensor tensor = at::empty(shape, at::kFloat);
  float* values = tensor.mutable_data_ptr<float>();
  for (int64_t i = 0; i < tensor.numel(); ++i) values[i] = static_cast<float>(random.uniform() - 0.5);
  return tensor;
}

inline TensorMap random_weights(const BackboneSpec& spec) {
  TensorMap tensors;
  for (const TensorEntry& entry : spec.tensors()) {
    tensors[entry.name] = random_tensor(entry.shape, stream_seed(7, entry.name));
  }
  return tensors;
}

// `rounds` copies of the bytes, each with a few bits turned or its end cut off; `read` may refuse, never crash.
template <class Read>
int count_refused_mutants(const fs::path& file, const std::string& good, int rounds, const Read& read) {
  Random random(11);
  int refused = 0;
  for (int round = 0; round < rounds; ++round) {
    std::string bytes = good;
    if (round % 4 == 0) bytes.resize(random.below(bytes.size()));
    for (std::uint64_t flips = round % 4 == 0 ? 0 : 1 + random.below(3); flips > 0; --flips) {
      bytes[random.below(bytes.size())] ^= static_cast<char>(1 << random.below(8));
    }
    fs::remove(file);  // some file systems flush a file that is cut and written again
    write_bytes(file, bytes);
    try {
      for (const auto& [name, tensor] : read(file)) static_cast<void>(tensor.clone());  // every byte is there
    } catch (const UserError&) {
      ++refused;
    }
  }
  return refused;
}

}  // namespace peftbench::testing_files
