#pragma once

#include "core/layer.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace peftbench::core {

// SHA-256 in pieces.
class Sha256 {
 public:
  Sha256();
  void update(const void* data, std::size_t bytes);
  void update(std::string_view text) { update(text.data(), text.size()); }
  std::string hex();  // 64 digits; ends the hash

 private:
  void block(const std::uint8_t* data);
  std::uint32_t state_[8];
  std::uint8_t buffer_[64];
  std::size_t buffered_ = 0;
  std::uint64_t total_ = 0;
};

std::string sha256(std::string_view text);
std::string sha256_file(const std::filesystem::path& file);  // Throws DataError if it cannot be read completely

}  // namespace peftbench::core
