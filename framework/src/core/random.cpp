#include "core/random.h"

namespace peftbench::core {

namespace {

constexpr std::uint64_t golden = 0x9e3779b97f4a7c15;  // 2^64 / φ, SplitMix64's step

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

std::uint64_t stream_seed(std::uint64_t seed, std::string_view name, std::uint64_t index) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a of the name
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  // Mixed one after another: (seed 1, index 2) and (seed 2, index 1) must not meet.
  return mix(mix(mix(seed + golden) ^ hash) + golden * (index + 1));
}

std::uint64_t Random::next() { return mix(state_ += golden); }

std::uint64_t Random::below(std::uint64_t n) {
  if (n < 2) return 0;
  const std::uint64_t rest = (0 - n) % n;  // 2^64 mod n: that many low numbers would come once too often
  std::uint64_t x = next();
  while (x < rest) x = next();
  return x % n;
}

double Random::uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

}  // namespace peftbench::core
