#include "fuzz/mutator.h"
#include "support/layers.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace peftbench::hostile {

using namespace layers;

namespace {

constexpr std::array<std::uint64_t, 18> edges = {0,
                                                 1,
                                                 2,
                                                 7,
                                                 63,
                                                 64,
                                                 127,
                                                 128,
                                                 255,
                                                 0x7fff,
                                                 0xffff,
                                                 0x7fffffff,
                                                 0x80000000,
                                                 0xffffffff,
                                                 0x100000000,
                                                 0x7fffffffffffffff,
                                                 0x8000000000000000,
                                                 0xffffffffffffffff};

std::size_t place(const std::string& bytes, Random& random) { return random.below(bytes.size()); }

// A range that is short more often than not.
std::pair<std::size_t, std::size_t> range(const std::string& bytes, Random& random) {
  const std::size_t begin = place(bytes, random);
  const std::size_t most = bytes.size() - begin;
  const std::size_t limit = random.below(2) ? std::min<std::size_t>(most, 16) : most;
  return {begin, 1 + random.below(limit)};
}

void overwrite(std::string& bytes, std::size_t at, std::uint64_t value, std::size_t width) {
  if (at + width <= bytes.size()) std::memcpy(bytes.data() + at, &value, width);
}

std::uint64_t number_at(const std::string& bytes, std::size_t at, std::size_t width) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data() + at, width);
  return value;
}

// A little-endian number that may be a length or a place of this file.
void edit_length(std::string& bytes, Random& random) {
  const std::size_t width = std::array<std::size_t, 3>{2, 4, 8}[random.below(3)];
  if (bytes.size() < width) return;
  std::vector<std::size_t> places;
  for (std::size_t at = 0; at + width <= bytes.size() && places.size() < 4096; ++at) {
    const std::uint64_t value = number_at(bytes, at, width);
    if (value > 0 && value <= bytes.size()) places.push_back(at);
  }
  if (places.empty()) return;
  const std::size_t at = places[random.below(places.size())];
  const std::uint64_t value = number_at(bytes, at, width);
  switch (random.below(6)) {
    case 0:
      return overwrite(bytes, at, value + 1, width);
    case 1:
      return overwrite(bytes, at, value - 1, width);
    case 2:
      return overwrite(bytes, at, bytes.size() - random.below(16), width);
    case 3:
      return overwrite(bytes, at, bytes.size() + random.below(16), width);
    case 4:
      return overwrite(bytes, at, value << random.below(8 * width), width);
    default:
      return overwrite(bytes, at, edges[random.below(edges.size())], width);
  }
}

}  // namespace

void mutate_bytes(std::string& bytes, Random& random) {
  if (bytes.empty()) bytes.assign(1 + random.below(8), static_cast<char>(random.below(256)));
  switch (random.below(12)) {
    case 0:
    case 1:
      for (std::uint64_t flips = 1 + random.below(4); flips > 0; --flips)
        bytes[place(bytes, random)] ^= static_cast<char>(1 << random.below(8));
      return;
    case 2: {
      static constexpr std::string_view edge_bytes("\x00\xff\x7f\x80\n\"'{[,:\x1b\xc0\xed\x09\x01", 16);
      bytes[place(bytes, random)] = edge_bytes[random.below(edge_bytes.size())];
      return;
    }
    case 3:
      bytes.resize(random.below(bytes.size()));
      return;
    case 4: {
      const auto [begin, count] = range(bytes, random);
      bytes.erase(begin, count);
      return;
    }
    case 5: {  // repeated blocks, now and then very many
      const auto [begin, count] = range(bytes, random);
      const std::string block = bytes.substr(begin, count);
      std::size_t times = 1 + random.below(random.below(50) == 0 ? 200'000 : 40);
      times = std::min(times, (random.below(50) == 0 ? largest_input : 65536) / block.size() + 1);
      std::string repeated;
      for (std::size_t i = 0; i < times; ++i) repeated += block;
      bytes.insert(begin, repeated);
      return;
    }
    case 6: {
      const auto [begin, count] = range(bytes, random);
      const std::string block = bytes.substr(begin, count);
      bytes.insert(place(bytes, random), block);
      return;
    }
    case 7: {
      std::string noise(1 + random.below(8), '\0');
      for (char& byte : noise) byte = static_cast<char>(random.below(256));
      bytes.insert(place(bytes, random), noise);
      return;
    }
    case 8:
      overwrite(bytes, place(bytes, random), edges[random.below(edges.size())], std::size_t{1} << random.below(4));
      return;
    case 9: {
      const std::size_t width = std::size_t{1} << random.below(4);
      if (bytes.size() < width) return;
      const std::size_t at = random.below(bytes.size() - width + 1);
      overwrite(bytes, at, number_at(bytes, at, width) + random.below(71) - 35, width);
      return;
    }
    default:
      edit_length(bytes, random);
  }
}

}  // namespace peftbench::hostile
