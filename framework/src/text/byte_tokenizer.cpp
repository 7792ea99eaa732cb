#include "text/byte_tokenizer.h"

#include "core/hash.h"
#include "core/json.h"
#include "core/numbers.h"
#include "core/utf8.h"
#include "text/token_matcher.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace peftbench::text {
namespace {

using nlohmann::json;

constexpr const char* config_file = "tokenizer_config.json";
constexpr std::string_view class_name = "ByT5Tokenizer";
constexpr int64_t pad = 0, eos = 1, unknown = 2, first_byte = 3, bytes = 256;
constexpr int64_t first_sentinel = first_byte + bytes;
constexpr int64_t byt5_sentinels = 125;
constexpr int64_t most_sentinels = 1 << 16;

class ByteTokenizer final : public Tokenizer {
 public:
  explicit ByteTokenizer(int64_t sentinels)
      : count_(sentinels), hash_(sha256(std::string(class_name) + "\n" + std::to_string(sentinels))) {
    for (int64_t k = 0; k < count_; ++k) matcher_.add(sentinel_name(k), first_sentinel + k);
  }

  std::vector<int64_t> encode(std::string_view text) const override {
    std::vector<int64_t> ids;
    ids.reserve(text.size());
    matcher_.encode(text, ids, [&](std::string_view part) {
      for (const char c : part) ids.push_back(first_byte + static_cast<unsigned char>(c));
    });
    return ids;
  }

  // Bytes that are not UTF-8 are dropped, as there.
  std::string decode(const std::vector<int64_t>& ids) const override {
    std::string text;
    for (const int64_t id : ids) {
      if (id == eos) break;
      if (id >= first_byte && id < first_sentinel)
        text += static_cast<char>(id - first_byte);
      else if (id >= first_sentinel && id < size())
        text += sentinel_name(id - first_sentinel);
    }
    std::string valid;
    for (std::size_t at = 0; at < text.size();) {
      const Utf8Character character = character_at(text, at);
      if (character.code >= 0) valid.append(text, at, character.size);
      at += character.size;
    }
    return valid;
  }

  std::string piece(int64_t id) const override {
    if (id == pad) return "<pad>";
    if (id == eos) return "</s>";
    if (id == unknown) return "<unk>";
    if (id >= first_byte && id < first_byte + 128) return printable(std::string(1, static_cast<char>(id - first_byte)));
    if (id >= first_byte && id < first_sentinel) return "<byte " + std::to_string(id - first_byte) + ">";
    if (id >= first_sentinel && id < size()) return sentinel_name(id - first_sentinel);
    return "<id " + std::to_string(id) + ">";
  }

  int64_t size() const override { return first_sentinel + count_; }
  int64_t eos_id() const override { return eos; }
  int64_t pad_id() const override { return pad; }
  int64_t unk_id() const override { return unknown; }
  const std::string& hash() const override { return hash_; }

 private:
  int64_t find_sentinel(int64_t k) const override { return k >= 0 && k < count_ ? first_sentinel + k : -1; }

  int64_t count_;
  TokenMatcher matcher_;
  std::string hash_;
};

json read_config(const fs::path& folder) { return read_json<json, DataError>(folder / config_file); }

[[noreturn]] void refuse(const fs::path& folder, const std::string& what, const std::string& found) {
  throw DataError(Problem{(folder / config_file).string() + ": " + what, printable(found, 200),
                          "the tokens of ByT5: pad, EOS, unknown, bytes, and sentinels <extra_id_0> … from id " +
                              std::to_string(first_sentinel),
                          "use the tokenizer files of the model"});
}

// Each token that the file lists has the id that follows from its name.
void check_added(const fs::path& folder, const json& config) {
  const auto listed = config.find("added_tokens_decoder");
  if (listed == config.end() || !listed->is_object()) return;
  for (const auto& [key, token] : listed->items()) {
    const auto content = token.is_object() ? token.find("content") : token.end();
    const std::string name =
        token.is_object() && content != token.end() && content->is_string() ? content->get<std::string>() : "";
    const std::optional<int64_t> id = parse_number<int64_t>(key);
    if (!id || *id < 0) refuse(folder, "invalid id in added_tokens_decoder", key);
    const std::string expected = *id == pad       ? "<pad>"
                                 : *id == eos     ? "</s>"
                                 : *id == unknown ? "<unk>"
                                                  : sentinel_name(*id - first_sentinel);
    if (name != expected) refuse(folder, "unsupported added token", key + ": " + name);
  }
}

int64_t sentinel_count(const fs::path& folder, const json& config) {
  int64_t listed = 0;
  if (const auto added = config.find("added_tokens_decoder"); added != config.end() && added->is_object())
    listed = std::max<int64_t>(0, static_cast<int64_t>(added->size()) - first_byte);
  const auto own = config.find("extra_ids");
  if (own == config.end() || own->is_null() || (own->is_number_integer() && *own == 0 && listed > 0))
    return listed > 0 ? listed : byt5_sentinels;
  if (!own->is_number_integer() || *own < 0 || *own > most_sentinels)
    refuse(folder, "invalid extra_ids", own->dump(-1, ' ', false, json::error_handler_t::replace));
  return own->get<int64_t>();
}

}  // namespace

bool is_byte_tokenizer(const fs::path& folder) {
  if (!file_exists(folder / config_file)) return false;
  JsonFault ignored;
  const auto config = parse_json<json>(read_text(folder / config_file), ignored);
  if (!config || !config->is_object()) return false;
  const auto name = config->find("tokenizer_class");
  return name != config->end() && name->is_string() && name->get<std::string>() == class_name;
}

std::shared_ptr<const Tokenizer> open_byte_tokenizer(const fs::path& folder) {
  const json config = read_config(folder);
  check_added(folder, config);
  return std::make_shared<const ByteTokenizer>(sentinel_count(folder, config));
}

}  // namespace peftbench::text
