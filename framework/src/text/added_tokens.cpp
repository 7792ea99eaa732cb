#include "text/added_tokens.h"

#include "core/json.h"
#include "core/numbers.h"
#include "core/utf8.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>

namespace peftbench::text {
namespace {

using nlohmann::json;

constexpr const char* sentinel_begin = "<extra_id_";
constexpr std::int64_t usual_sentinels = 100;
// In transformers' order.
constexpr const char* named_keys[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                      "pad_token", "cls_token", "mask_token"};

[[noreturn]] void refuse(const fs::path& file, const std::string& what, const std::string& found,
                         const std::string& expected, const std::string& remedy) {
  throw DataError(Problem{file.string() + ": " + what, printable(found, 200), expected, remedy});
}

std::string quoted(const std::string& text) { return "'" + printable(text) + "'"; }

// A token as a file describes it, before it has an id.
struct Token {
  std::string content;
  bool special = false, normalized = false, single_word = false;
};

// What the files say, in the order and with the precedence of transformers' from_pretrained.
class Reader {
 public:
  Reader(const fs::path& folder, const PieceList& pieces) : folder_(folder), pieces_(pieces) {}
  FolderTokens read();

 private:
  json object(const char* name) const;  // null where there is no such file
  std::string text(const char* file, const json& value, const std::string& what) const;
  Token token(const char* file, const json& value, bool special) const;
  std::vector<json> list(const char* file, const json& value, const std::string& key) const;
  void read_config();
  void read_map();
  void read_added();
  void read_vocabulary();
  void check_named() const;
  std::vector<Token> extra_tokens() const;
  std::vector<Token> in_order() const;

  const fs::path& folder_;
  const PieceList& pieces_;
  json config_, whole_;       // tokenizer_config.json, tokenizer.json
  bool has_decoder_ = false;  // the configuration names all added tokens, so older files are not asked
  std::map<std::string, json> named_;
  std::vector<std::pair<std::string, json>> of_model_;  // other keys that end in _token
  std::optional<std::vector<json>> extra_;              // special tokens that a file lists, even none
  std::vector<json> own_list_;                          // additional_special_tokens of special_tokens_map.json
  std::map<std::int64_t, std::pair<const char*, Token>> numbered_;  // by id, with the file
  std::optional<std::int64_t> extra_ids_;
  FolderTokens result_;
};

json Reader::object(const char* name) const {
  const fs::path file = folder_ / name;
  if (!file_exists(file)) return {};
  json value = read_json<json>(file, "download the file again");
  if (!value.is_object()) refuse(file, "not a JSON object", value.type_name(), "an object", "download the file again");
  return value;
}

std::string Reader::text(const char* file, const json& value, const std::string& what) const {
  if (!value.is_string())
    refuse(folder_ / file, what + " is not a string", value.dump(), "a string", "correct the file");
  return value.get<std::string>();
}

// A string, or an object with `content` and flags. White space beside a token is dropped in any case, so lstrip and
// rstrip change nothing.
Token Reader::token(const char* file, const json& value, bool special) const {
  Token result;
  result.special = special;
  if (value.is_string()) {
    result.content = value.get<std::string>();
  } else if (value.is_object() && value.contains("content")) {
    const auto flag = [&](const char* key, bool standard) {
      const auto found = value.find(key);
      if (found == value.end()) return standard;
      if (!found->is_boolean())
        refuse(folder_ / file, std::string(key) + " of a token is not a boolean", value.dump(), "true or false",
               "correct the file");
      return found->get<bool>();
    };
    result.content = text(file, value.at("content"), "the content of a token");
    result.special = special || flag("special", false);
    result.normalized = flag("normalized", !result.special);
    result.single_word = flag("single_word", false);
    return result;
  } else {
    refuse(folder_ / file, "not a token", value.dump(), "a string, or an object with content", "correct the file");
  }
  result.normalized = !result.special;
  return result;
}

std::vector<json> Reader::list(const char* file, const json& value, const std::string& key) const {
  if (value.is_null()) return {};
  if (!value.is_array())
    refuse(folder_ / file, key + " is not a list", value.dump(), "a list of tokens", "correct the file");
  return {value.begin(), value.end()};
}

void Reader::read_config() {
  constexpr const char* file = "tokenizer_config.json";
  config_ = object(file);
  if (config_.is_null()) return;
  if (const auto type = config_.find("tokenizer_class"); type != config_.end() && type->is_string()) {
    const std::string name = type->get<std::string>();
    if (name.find("T5Tokenizer") == std::string::npos || name.starts_with("ByT5"))
      refuse(folder_ / file, "unsupported tokenizer class", name, "T5Tokenizer or MT5Tokenizer",
             "use a backbone with a SentencePiece vocabulary (spiece.model) in T5's layout");
  }
  if (const auto split = config_.find("split_special_tokens"); split != config_.end() && *split == true)
    refuse(folder_ / file, "split_special_tokens is not supported", "true", "false", "remove the key");
  if (const auto count = config_.find("extra_ids"); count != config_.end() && !count->is_null()) {
    if (!count->is_number_integer() || *count < 0 || *count > 1'000'000)
      refuse(folder_ / file, "extra_ids is not a valid number of sentinels", count->dump(), "0 to 1000000",
             "correct the file");
    extra_ids_ = count->get<std::int64_t>();
  }
  for (const auto& [key, value] : config_.items()) {
    if (!key.ends_with("_token") || value.is_null() || value.is_boolean()) continue;
    if (std::find(std::begin(named_keys), std::end(named_keys), key) != std::end(named_keys))
      named_[key] = value;
    else if (value.is_string() || (value.is_object() && value.contains("content")))
      of_model_.emplace_back(key, value);
  }
  const auto find = [&](const char* key) {
    const auto found = config_.find(key);
    return found == config_.end() ? nullptr : &*found;
  };
  const json *extra = find("extra_special_tokens"), *additional = find("additional_special_tokens");
  const bool empty = !extra || extra->is_null() || extra->empty();
  const char* key = empty && additional ? "additional_special_tokens" : "extra_special_tokens";
  if (empty && additional) extra = additional;
  if (extra && extra->is_object()) {
    for (const auto& [name, value] : extra->items()) of_model_.emplace_back(name, value);
  } else if (extra) {
    extra_ = list(file, *extra, key);
  }
  if (const json* decoder = find("added_tokens_decoder")) {
    if (!decoder->is_object())
      refuse(folder_ / file, "added_tokens_decoder is not an object", decoder->type_name(),
             "an object that maps ids to tokens", "correct the file");
    has_decoder_ = true;
    for (const auto& [id, value] : decoder->items()) {
      if (id.empty() || id.size() > 9 || id.find_first_not_of("0123456789") != std::string::npos)
        refuse(folder_ / file, "added_tokens_decoder has a key that is not an id", id, "a whole number",
               "correct the file");
      numbered_[parse_number<int64_t>(id).value()] = {file, token(file, value, false)};
    }
  }
}

void Reader::read_map() {
  constexpr const char* file = "special_tokens_map.json";
  const json map = object(file);
  if (map.is_null()) return;
  for (const auto& [key, value] : map.items()) {
    if (key == "extra_special_tokens" && value.is_array()) {
      if (!extra_) extra_.emplace();
      for (const json& each : value)
        if (std::find(extra_->begin(), extra_->end(), each) == extra_->end()) extra_->push_back(each);
    } else if (key == "additional_special_tokens") {
      own_list_ = list(file, value, key);
    } else if (key.ends_with("_token") && !value.is_null()) {
      named_[key] = value;
    }
  }
}

// Older files, where the configuration does not name the added tokens.
void Reader::read_added() {
  constexpr const char *file = "added_tokens.json", *config = "tokenizer_config.json";
  std::unordered_set<std::string> special = {pieces_.eos, pieces_.pad, pieces_.unk};
  for (const auto& [key, value] : named_) special.insert(token(config, value, true).content);
  if (extra_)
    for (const json& value : *extra_) special.insert(token(config, value, true).content);
  const json added = object(file);
  for (const auto& [content, id] : added.items()) {
    if (!id.is_number_integer() || id < 0 || id > 1'000'000'000)
      refuse(folder_ / file, "the id of " + quoted(content) + " is not a token id", id.dump(), "a whole number",
             "correct the file");
    numbered_[id.get<std::int64_t>()] = {file, token(file, content, special.contains(content))};
  }
  if (whole_.is_null()) return;
  constexpr const char* json_file = "tokenizer.json";
  const auto tokens = whole_.find("added_tokens");
  if (tokens == whole_.end()) return;
  for (const json& value : list(json_file, *tokens, "added_tokens")) {
    const auto id = value.is_object() ? value.find("id") : value.end();
    if (!value.is_object() || id == value.end() || !id->is_number_integer() || *id < 0)
      refuse(folder_ / json_file, "an added token has no id", value.dump(), "an object with id and content",
             "download the file again");
    numbered_[id->get<std::int64_t>()] = {json_file, token(json_file, value, false)};
  }
}

// The tail behind the pieces: of tokenizer.json where there is one, else the sentinels.
void Reader::read_vocabulary() {
  if (!whole_.is_null()) {
    constexpr const char* file = "tokenizer.json";
    const fs::path path = folder_ / file;
    const json vocabulary = whole_.value("/model/vocab"_json_pointer, json());
    const std::string remedy = "use both files of the same model, or remove " + std::string(file);
    if (!vocabulary.is_array())
      refuse(path, "not a unigram vocabulary", vocabulary.type_name(), "model.vocab: a list of pieces and scores",
             remedy);
    for (std::size_t id = 0; id < std::max(vocabulary.size(), pieces_.pieces.size()); ++id) {
      const json* entry = id < vocabulary.size() ? &vocabulary[id] : nullptr;
      if (entry && (!entry->is_array() || entry->size() != 2 || !(*entry)[0].is_string() || !(*entry)[1].is_number()))
        refuse(path, "entry " + std::to_string(id) + " is not a piece and its score", entry->dump(), "[piece, score]",
               remedy);
      const auto piece =
          entry ? std::pair((*entry)[0].get<std::string>(), (*entry)[1].get<float>()) : std::pair(std::string(), 0.0F);
      if (id >= pieces_.pieces.size())
        result_.tail.push_back(piece);
      else if (!entry || piece != pieces_.pieces[id])
        refuse(path, "its vocabulary differs from spiece.model",
               entry ? "piece " + std::to_string(id) + " is " + quoted(piece.first)
                     : std::to_string(vocabulary.size()) + " pieces",
               entry ? quoted(pieces_.pieces[id].first) + " with the same score"
                     : std::to_string(pieces_.pieces.size()) + " or more",
               remedy);
    }
    return;
  }
  const auto own = [&](const auto& names, auto&& name_of) {
    return std::count_if(names.begin(), names.end(),
                         [&](const auto& entry) { return name_of(entry).find(sentinel_begin) != std::string::npos; });
  };
  const auto in_pieces = own(pieces_.pieces, [](const auto& piece) -> const std::string& { return piece.first; });
  const auto marked = own(pieces_.marked, [](const std::string& name) -> const std::string& { return name; });
  if (!extra_ids_ && in_pieces > 0 && marked == 0)
    refuse(folder_ / "spiece.model", "it contains sentinels, and no file says whether more are added",
           std::to_string(in_pieces) + " pieces with " + sentinel_begin, "extra_ids in tokenizer_config.json",
           "write {\"extra_ids\": 0} there if these are all sentinels, as in mT5");
  if (extra_ids_ && *extra_ids_ > 0 && marked > 0 && *extra_ids_ != marked)
    refuse(folder_ / "tokenizer_config.json", "extra_ids does not match the sentinels in spiece.model",
           "extra_ids " + std::to_string(*extra_ids_) + ", " + std::to_string(marked) + " in spiece.model",
           "0, or the same number", "correct the file");
  const std::int64_t count = extra_ids_.value_or(marked > 0 ? 0 : usual_sentinels);
  for (std::int64_t k = count - 1; k >= 0; --k)
    result_.tail.emplace_back(sentinel_begin + std::to_string(k) + ">", 0.0F);
}

// The vocabulary's own ends and unknown piece are used: other names for them would mean other ids.
void Reader::check_named() const {
  constexpr const char* file = "tokenizer_config.json";
  for (const auto& [key, own] :
       {std::pair{"eos_token", pieces_.eos}, {"pad_token", pieces_.pad}, {"unk_token", pieces_.unk}}) {
    const auto found = named_.find(key);
    if (found == named_.end()) continue;
    const std::string name = token(file, found->second, true).content;
    if (name != own)
      refuse(folder_ / file, std::string(key) + " differs from spiece.model", quoted(name), quoted(own),
             "use spiece.model and tokenizer files of the same model");
  }
}

// Special tokens without a name of their own. A list in a file takes the place of T5's own, the sentinels.
std::vector<Token> Reader::extra_tokens() const {
  std::vector<Token> tokens;
  if (extra_) {
    for (const json& value : *extra_) tokens.push_back(token("tokenizer_config.json", value, true));
    return tokens;
  }
  const auto add_sentinels = [&] {
    if (std::any_of(tokens.begin(), tokens.end(),
                    [](const Token& each) { return each.content.find(sentinel_begin) != std::string::npos; }))
      return;
    for (std::int64_t k = 0; k < extra_ids_.value_or(usual_sentinels); ++k)
      tokens.push_back({sentinel_begin + std::to_string(k) + ">", true});
  };
  if (whole_.is_null())
    for (const std::string& piece : pieces_.marked) tokens.push_back({piece, true});
  else
    for (const json& value : own_list_) tokens.push_back(token("special_tokens_map.json", value, true));
  add_sentinels();
  return tokens;
}

// In the order in which they get ids; a content counts once.
std::vector<Token> Reader::in_order() const {
  std::vector<Token> tokens;
  std::unordered_set<std::string> seen;
  const auto add = [&](Token each) {
    if (seen.insert(each.content).second) tokens.push_back(std::move(each));
  };
  for (const auto& [id, entry] : numbered_) add(entry.second);
  for (const char* key : named_keys)
    if (const auto found = named_.find(key); found != named_.end())
      add(token("tokenizer_config.json", found->second, true));
  for (const auto& [key, value] : of_model_) add(token("tokenizer_config.json", value, true));
  for (Token& each : extra_tokens()) add(std::move(each));
  return tokens;
}

FolderTokens Reader::read() {
  read_config();
  whole_ = object("tokenizer.json");
  if (!has_decoder_) {
    read_map();
    read_added();
  }
  check_named();
  read_vocabulary();

  std::unordered_map<std::string, std::int64_t> ids;
  std::int64_t next = 0;
  for (const auto* part : {&pieces_.pieces, &std::as_const(result_.tail)})
    for (const auto& [name, score] : *part) ids[name] = next++;
  for (const Token& each : in_order()) {
    if (each.content.empty()) continue;
    const auto [place, fresh] = ids.emplace(each.content, next);
    if (fresh) ++next;
    if (each.content == pieces_.eos || each.content == pieces_.pad || each.content == pieces_.unk) continue;
    if (each.single_word)
      refuse(folder_, "a token with single_word is not supported", quoted(each.content), "tokens without single_word",
             "set single_word to false, or remove the token");
    if (each.normalized && each.content.find_first_of(" \t\n\r") != std::string::npos)
      refuse(folder_, "a normalized token with white space is not supported", quoted(each.content), "normalized: false",
             "set normalized to false, or remove the token");
    result_.added.push_back({each.content, place->second, each.normalized});
  }
  for (const auto& [id, entry] : numbered_) {
    const auto& [file, each] = entry;
    if (each.content.empty())
      refuse(folder_ / file, "an added token is empty", "the id " + std::to_string(id), "a non-empty string",
             "remove the token");
    const std::int64_t given = ids.at(each.content);
    if (given != id)
      refuse(folder_ / file, "the id of " + quoted(each.content) + " does not match its position", std::to_string(id),
             std::to_string(given) + ": transformers numbers added tokens consecutively after the vocabulary",
             "write the expected id, and move its row in the embedding table accordingly");
  }
  return std::move(result_);
}

}  // namespace

FolderTokens read_folder_tokens(const fs::path& folder, const PieceList& pieces) {
  return Reader(folder, pieces).read();
}

}  // namespace peftbench::text
