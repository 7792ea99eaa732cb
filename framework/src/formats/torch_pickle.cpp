#include "formats/torch_pickle.h"

#include "core/utf8.h"
#include "formats/mapped_tensor.h"
#include "formats/pickle.h"
#include "formats/zip_archive.h"

#include <peftbench/error.h>

#include <algorithm>
#include <optional>

namespace peftbench::formats {

namespace {

using Kind = PickleNode::Kind;
using Entries = std::map<std::string, std::string_view>;

constexpr std::size_t largest_pickle = 8 << 20;  // names and shapes alone: T5-11B takes 200 KB

std::optional<at::ScalarType> storage_type(std::string_view global) {
  constexpr std::pair<std::string_view, at::ScalarType> types[] = {
      {"torch.FloatStorage", at::kFloat},   {"torch.HalfStorage", at::kHalf}, {"torch.BFloat16Storage", at::kBFloat16},
      {"torch.DoubleStorage", at::kDouble}, {"torch.LongStorage", at::kLong}, {"torch.IntStorage", at::kInt},
      {"torch.ShortStorage", at::kShort},   {"torch.CharStorage", at::kChar}, {"torch.ByteStorage", at::kByte},
      {"torch.BoolStorage", at::kBool}};
  for (const auto& [name, type] : types) {
    if (name == global) return type;
  }
  return std::nullopt;
}

bool allowed(const std::string& global) {
  return global == "collections.OrderedDict" || global == "torch._utils._rebuild_tensor_v2" ||
         global == "torch._utils._rebuild_parameter" || storage_type(global).has_value();
}

bool is_call(const PickleNode& node, std::string_view function, std::size_t arguments) {
  return node.kind == Kind::call && node.items[0]->text == function && node.items[1]->items.size() >= arguments;
}

// Builds the tensors that a pickle describes over the archive's entries.
class Rebuilder {
 public:
  Rebuilder(std::shared_ptr<const MappedFile> file, const Entries& entries, std::string root)
      : file_(std::move(file)), entries_(entries), root_(std::move(root)) {}

  Tensor tensor(const std::string& name, const PickleNode& value) const {
    // A parameter wraps its tensor.
    const PickleNode& node = is_call(value, "torch._utils._rebuild_parameter", 1) ? *value.items[1]->items[0] : value;
    if (!is_call(node, "torch._utils._rebuild_tensor_v2", 4)) refuse(name, "not a tensor");
    const std::vector<const PickleNode*>& arguments = node.items[1]->items;
    const Storage storage = find_storage(name, *arguments[0]);
    const Shape offset = numbers(name, {arguments[1]});
    const Shape shape = numbers(name, tuple(name, *arguments[2]));
    Shape strides = numbers(name, tuple(name, *arguments[3]));
    const std::optional<std::uint64_t> bytes = checked_bytes(shape, storage.type);
    const auto width = static_cast<std::uint64_t>(c10::elementSize(storage.type));
    if (!bytes || strides.size() != shape.size()) refuse(name, "its shape and strides do not match");
    if (*bytes == 0) strides = contiguous_strides(shape);
    // An expanded tensor could claim more elements than there are; no state dict holds one.
    std::uint64_t last = *bytes == 0 ? 0 : static_cast<std::uint64_t>(offset[0]);
    bool fits = *bytes / width <= storage.elements;
    for (std::size_t i = 0; i < shape.size() && *bytes > 0 && fits; ++i) {
      std::uint64_t step = 0;
      fits = !__builtin_mul_overflow(static_cast<std::uint64_t>(shape[i] - 1), static_cast<std::uint64_t>(strides[i]),
                                     &step) &&
             !__builtin_add_overflow(last, step, &last);
    }
    if (!fits || (*bytes > 0 && last >= storage.elements)) refuse(name, "it extends beyond its storage");
    const std::uint64_t first = *bytes == 0 ? 0 : static_cast<std::uint64_t>(offset[0]) * width;
    return mapped_tensor(file_, reinterpret_cast<const std::byte*>(storage.bytes.data()) + first, shape, strides,
                         storage.type);
  }

 private:
  struct Storage {
    std::string_view bytes;
    at::ScalarType type;
    std::uint64_t elements;
  };

  [[noreturn]] void refuse(const std::string& name, const std::string& found) const {
    throw CheckpointError(Problem{file_->path().string() + ": '" + printable(name) + "' cannot be read", found,
                                  "a state dict: names mapped to tensors",
                                  "download the file again, or save the model as safetensors (with save_pretrained)"});
  }

  const std::vector<const PickleNode*>& tuple(const std::string& name, const PickleNode& node) const {
    if (node.kind != Kind::tuple || node.items.size() > 64) refuse(name, "its shape or strides are not a tuple");
    return node.items;
  }

  Shape numbers(const std::string& name, const std::vector<const PickleNode*>& nodes) const {
    Shape result;
    for (const PickleNode* node : nodes) {
      if (node->kind != Kind::integer || node->integer < 0) refuse(name, "a size that is not a whole number");
      result.push_back(node->integer);
    }
    return result;
  }

  // The id of a storage: ("storage", type, key, device, elements).
  Storage find_storage(const std::string& name, const PickleNode& node) const {
    if (node.kind != Kind::persistent || node.items[0]->kind != Kind::tuple) refuse(name, "it has no storage");
    const std::vector<const PickleNode*>& id = node.items[0]->items;
    const bool form = id.size() == 5 && id[0]->kind == Kind::text && id[0]->text == "storage" &&
                      id[1]->kind == Kind::global && id[2]->kind == Kind::text && id[4]->kind == Kind::integer &&
                      id[4]->integer >= 0;
    const std::optional<at::ScalarType> type = form ? storage_type(id[1]->text) : std::nullopt;
    if (!type) refuse(name, "invalid storage description");
    const auto entry = entries_.find(root_ + "data/" + id[2]->text);
    if (entry == entries_.end()) refuse(name, "its storage '" + printable(id[2]->text) + "' is not in the archive");
    const auto elements = static_cast<std::uint64_t>(id[4]->integer);
    if (elements > entry->second.size() / c10::elementSize(*type)) {
      refuse(name, "its storage holds " + std::to_string(entry->second.size()) + " bytes, less than its " +
                       std::to_string(elements) + " elements need");
    }
    return {entry->second, *type, elements};
  }

  std::shared_ptr<const MappedFile> file_;
  const Entries& entries_;
  std::string root_;
};

[[noreturn]] void refuse_form(const MappedFile& file) {
  const std::string path = file.path().string();
  if (file.text().starts_with("\x80\x02")) {
    throw CheckpointError(Problem{path + " is in the format used before PyTorch 1.6", "a bare pickle",
                                  "a zip archive, or safetensors",
                                  "use the model's safetensors file, or load and save it with a newer PyTorch: "
                                  "torch.save(torch.load(f, weights_only=True), f)"});
  }
  throw CheckpointError(Problem{.what = path + " is not a torch.save file",
                                .expected = "a zip archive with data.pkl",
                                .remedy = "download the file again"});
}

}  // namespace

TensorMap read_torch_pickle(const fs::path& path) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  refuse_git_lfs_pointer(*file);
  if (!file->text().starts_with("PK\x03\x04")) refuse_form(*file);
  const Entries entries = read_stored_zip(*file);
  const auto is_pickle = [](const auto& entry) {
    const std::size_t slash = entry.first.find('/');
    return slash != std::string::npos && entry.first.substr(slash) == "/data.pkl";
  };
  const auto found = std::find_if(entries.begin(), entries.end(), is_pickle);
  if (found == entries.end()) refuse_form(*file);
  const std::string root = found->first.substr(0, found->first.size() - std::string_view("data.pkl").size());
  if (const auto order = entries.find(root + "byteorder"); order != entries.end() && order->second != "little") {
    throw CheckpointError(Problem{path.string() + " was written on a machine with another byte order",
                                  printable(order->second), "little",
                                  "save the model as safetensors, whose byte order is fixed"});
  }
  if (found->second.size() > largest_pickle) refuse_form(*file);

  const Pickle pickle = parse_pickle(found->second, allowed, path.string());
  if (pickle.root->kind != Kind::dict) {
    throw CheckpointError(Problem{path.string() + " does not contain a state dict", "another object",
                                  "names mapped to tensors", "save the model's state_dict()"});
  }
  const Rebuilder rebuilder(file, entries, root);
  TensorMap result;
  const std::vector<const PickleNode*>& items = pickle.root->items;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i]->kind != Kind::text) {
      throw CheckpointError(Problem{path.string() + " does not contain a state dict", "a key that is not a string",
                                    "names mapped to tensors", "save the model's state_dict()"});
    }
    result[items[i]->text] = rebuilder.tensor(items[i]->text, *items[i + 1]);
  }
  return result;
}

}  // namespace peftbench::formats
