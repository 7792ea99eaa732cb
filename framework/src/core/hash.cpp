#include "core/hash.h"

#include "core/files.h"
#include "core/sha256_block.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace peftbench::core {

namespace {

// First 32 bits of the fractions of the square roots of the first 8 primes.
constexpr std::uint32_t initial_state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                            0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

}  // namespace

Sha256::Sha256() { std::copy(std::begin(initial_state), std::end(initial_state), state_); }

void Sha256::block(const std::uint8_t* data) {
  static const bool fast = has_sha256_instructions();
  (fast ? fast_sha256_block : plain_sha256_block)(state_, data);
}

void Sha256::update(const void* data, std::size_t bytes) {
  const auto* in = static_cast<const std::uint8_t*>(data);
  total_ += bytes;
  if (buffered_ > 0) {
    const std::size_t take = std::min(bytes, sizeof buffer_ - buffered_);
    std::memcpy(buffer_ + buffered_, in, take);
    buffered_ += take, in += take, bytes -= take;
    if (buffered_ < sizeof buffer_) return;
    block(buffer_);
    buffered_ = 0;
  }
  for (; bytes >= sizeof buffer_; in += sizeof buffer_, bytes -= sizeof buffer_) block(in);
  if (bytes > 0) std::memcpy(buffer_, in, bytes);
  buffered_ = bytes;
}

std::string Sha256::hex() {
  const std::uint64_t bits = total_ * 8;
  const std::uint8_t padding[64] = {0x80};
  update(padding, (buffered_ < 56 ? 56 : 120) - buffered_);
  std::uint8_t length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<std::uint8_t>(bits >> (56 - 8 * i));
  update(length, sizeof length);
  std::string digits;
  for (const std::uint32_t word : state_) {
    for (int shift = 28; shift >= 0; shift -= 4) digits += "0123456789abcdef"[word >> shift & 15];
  }
  return digits;
}

std::string sha256(std::string_view text) {
  Sha256 hash;
  hash.update(text);
  return hash.hex();
}

std::string sha256_file(const std::filesystem::path& file) {
  InputFile in(file);
  std::vector<char> block(1 << 20);
  Sha256 hash;
  while (const std::size_t got = in.read(block.data(), block.size())) hash.update(block.data(), got);
  return hash.hex();
}

}  // namespace peftbench::core
