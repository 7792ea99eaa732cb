#pragma once

#include "formats/layer.h"

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace peftbench::formats {

// Numbers and texts one after another, small numbers in one byte.
class ByteWriter {
 public:
  void number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  void whole(std::int64_t value) {  // −1 is as short as 1
    number(static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
  }
  void text(std::string_view value) {
    number(value.size());
    bytes_ += value;
  }
  void clear() { bytes_.clear(); }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Throws std::out_of_range if the bytes end too early.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1).front());
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw std::out_of_range("an unterminated number");
  }
  std::int64_t whole() {
    const std::uint64_t value = number();
    return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
  }
  std::string_view text() { return take(number()); }
  // A count of things of which each takes a byte or more.
  std::size_t count() {
    const std::uint64_t value = number();
    if (value > rest_.size()) throw std::out_of_range("more bytes than available");
    return value;
  }

 private:
  std::string_view take(std::uint64_t count) {
    if (count > rest_.size()) throw std::out_of_range("more bytes than available");
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::string_view rest_;
};

}  // namespace peftbench::formats
