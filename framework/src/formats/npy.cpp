#include "formats/npy.h"

#include "core/utf8.h"
#include "formats/mapped_tensor.h"

#include <peftbench/error.h>

#include <ATen/ops/empty.h>

#include <bit>
#include <charconv>
#include <cstring>
#include <optional>

namespace peftbench::formats {

namespace {

static_assert(std::endian::native == std::endian::little, ".npy files are read as little-endian");

constexpr std::string_view magic("\x93NUMPY");
constexpr std::size_t most_dimensions = 64;  // numpy's own limit

struct Header {
  std::optional<std::string> descr;
  std::optional<bool> fortran_order;
  std::optional<Shape> shape;
};

[[noreturn]] void refuse(const std::string& origin, const std::string& fault, const std::string& found,
                         const std::string& expected, const std::string& remedy) {
  throw CheckpointError(Problem{origin + ": " + fault, found, expected, remedy});
}

// The Python literal {'descr': '<f4', 'fortran_order': False, 'shape': (100, 768), } and nothing more general.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  std::optional<Header> parse() {
    Header header;
    if (!take('{')) return std::nullopt;
    while (!take('}')) {
      const auto key = string();
      if (!key || !take(':') || !value(*key, header)) return std::nullopt;
      if (!take(',') && !next_is('}')) return std::nullopt;
    }
    skip_space();
    if (!text_.empty() || !header.descr || !header.fortran_order || !header.shape) return std::nullopt;
    return header;
  }

 private:
  void skip_space() { text_.remove_prefix(std::min(text_.find_first_not_of(" \t\r\n"), text_.size())); }
  bool next_is(char c) {
    skip_space();
    return !text_.empty() && text_.front() == c;
  }
  bool take(char c) {
    if (!next_is(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool take(std::string_view word) {
    skip_space();
    if (!text_.starts_with(word)) return false;
    text_.remove_prefix(word.size());
    return true;
  }
  std::optional<std::string> string() {
    const char quote = next_is('\'') ? '\'' : '"';
    if (!take(quote)) return std::nullopt;
    const std::size_t end = text_.find(quote);
    if (end == std::string_view::npos) return std::nullopt;
    std::string result(text_.substr(0, end));
    text_.remove_prefix(end + 1);
    return result;
  }
  std::optional<Shape> tuple() {
    Shape shape;
    if (!take('(')) return std::nullopt;
    while (!take(')')) {
      skip_space();
      int64_t size = 0;
      const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), size);
      if (error != std::errc() || size < 0) return std::nullopt;
      text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
      shape.push_back(size);
      if (shape.size() > most_dimensions) return std::nullopt;
      if (!take(',') && !next_is(')')) return std::nullopt;
    }
    return shape;
  }
  // A key that is given twice, or is none of the three, is a fault.
  bool value(const std::string& key, Header& header) {
    if (key == "descr" && !header.descr) return (header.descr = string()).has_value();
    if (key == "shape" && !header.shape) return (header.shape = tuple()).has_value();
    if (key != "fortran_order" || header.fortran_order) return false;
    if (take("True"))
      header.fortran_order = true;
    else if (take("False"))
      header.fortran_order = false;
    return header.fortran_order.has_value();
  }

  std::string_view text_;
};

std::optional<at::ScalarType> type_of(const std::string& descr) {
  if (descr == "<f2") return at::kHalf;
  if (descr == "<f4") return at::kFloat;
  if (descr == "<f8") return at::kDouble;
  return std::nullopt;
}

}  // namespace

Tensor parse_npy(std::string_view bytes, const std::string& origin) {
  constexpr const char* damaged = "the file is damaged or truncated: write it again with numpy.save";
  if (!bytes.starts_with(magic) || bytes.size() < magic.size() + 2) {
    refuse(origin, "not a .npy file", std::to_string(bytes.size()) + " bytes of another format",
           "a file that begins with \\x93NUMPY", "write it with numpy.save");
  }
  const int version = static_cast<unsigned char>(bytes[magic.size()]);
  bytes.remove_prefix(magic.size() + 2);
  if (version < 1 || version > 3)
    refuse(origin, "unknown format version", std::to_string(version), "1, 2 or 3", damaged);

  const std::size_t width = version == 1 ? 2 : 4;
  std::uint32_t header_size = 0;
  if (bytes.size() >= width) std::memcpy(&header_size, bytes.data(), width);
  if (bytes.size() < width || bytes.size() - width < header_size) {
    refuse(origin, "truncated header", std::to_string(bytes.size()) + " bytes",
           std::to_string(header_size) + " bytes for the header alone", damaged);
  }
  const std::string_view text = bytes.substr(width, header_size);
  const auto header = HeaderParser(text).parse();
  if (!header)
    refuse(origin, "invalid header", printable(text, 200), "{'descr': …, 'fortran_order': …, 'shape': …}", damaged);
  const auto type = type_of(*header->descr);
  if (!type) {
    refuse(origin, "unsupported dtype", printable(*header->descr, 40), "'<f4', '<f8' or '<f2'",
           "numpy.save(file, array.astype('<f4'))");
  }
  if (*header->fortran_order && header->shape->size() > 1) {
    refuse(origin, "the array is in Fortran order", "fortran_order: True", "C order",
           "numpy.save(file, numpy.ascontiguousarray(array))");
  }
  const std::string_view data = bytes.substr(width + header_size);
  const auto needed = checked_bytes(*header->shape, *type);
  if (!needed || *needed != data.size()) {
    refuse(origin, "the data size does not match the shape", std::to_string(data.size()) + " bytes",
           needed ? std::to_string(*needed) + " bytes" : std::string("a shape whose size does not overflow"), damaged);
  }
  Tensor stored = at::empty(*header->shape, at::TensorOptions(*type));
  if (!data.empty()) std::memcpy(stored.mutable_data_ptr(), data.data(), data.size());
  return stored.to(at::kFloat);
}

Tensor read_npy(const fs::path& path) {
  const auto file = MappedFile::open(path);
  refuse_git_lfs_pointer(*file);
  return parse_npy(file->text(), path.string());
}

void write_npy(const fs::path& path, const Tensor& tensor) {
  const Tensor values = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
  std::string shape;
  for (const int64_t size : values.sizes()) shape += std::to_string(size) + ", ";
  if (values.dim() > 1) shape.resize(shape.size() - 2);  // a tuple of one keeps its comma
  if (values.dim() == 1) shape.pop_back();
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + shape + "), }";
  constexpr std::size_t before = 10;                                             // magic, version, size of the header
  header.resize((before + header.size() + 1 + 63) / 64 * 64 - before - 1, ' ');  // the data begins at a multiple of 64
  header += '\n';
  const auto size = static_cast<std::uint16_t>(header.size());
  write_atomically(path, [&](std::ostream& out) {
    out.write(magic.data(), static_cast<std::streamsize>(magic.size()));
    out.write("\x01\x00", 2);
    out.write(reinterpret_cast<const char*>(&size), 2);
    out.write(header.data(), static_cast<std::streamsize>(header.size()));
    out.write(static_cast<const char*>(values.const_data_ptr()), static_cast<std::streamsize>(values.nbytes()));
  });
}

}  // namespace peftbench::formats
