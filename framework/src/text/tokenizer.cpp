#include "text/tokenizer.h"

#include "text/byte_tokenizer.h"

#include <peftbench/error.h>

namespace peftbench::text {

Tokenizer::~Tokenizer() = default;

std::string sentinel_name(int64_t k) { return "<extra_id_" + std::to_string(k) + ">"; }

int64_t Tokenizer::sentinel(int k) const {
  const int64_t id = find_sentinel(k);
  if (id >= 0) return id;
  int64_t count = 0;
  while (find_sentinel(count) >= 0) ++count;
  throw ConfigError(Problem{
      .what = "unknown sentinel",
      .found = sentinel_name(k),
      .expected = count > 0 ? sentinel_name(0) + " to " + sentinel_name(count - 1) : "none in this vocabulary"});
}

int64_t Tokenizer::sentinels() const {
  const int64_t first = find_sentinel(0);
  int64_t count = first < 0 ? 0 : 1;
  while (count > 0 && find_sentinel(count) == first - count) ++count;
  return count;
}

bool has_tokenizer(const fs::path& folder) { return file_exists(folder / spiece_file) || is_byte_tokenizer(folder); }

std::shared_ptr<const Tokenizer> open_tokenizer(const fs::path& folder) {
  if (!file_exists(folder / spiece_file) && is_byte_tokenizer(folder)) return open_byte_tokenizer(folder);
  return Tokenizer::load(folder / spiece_file);
}

}  // namespace peftbench::text
