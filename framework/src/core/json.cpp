#include "core/json.h"

#include "core/utf8.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

namespace peftbench::core {

namespace {

// A value takes up to a hundred bytes where its text takes three, so bytes alone are no bound of memory.
constexpr std::size_t max_json_values = 4'000'000;

// Builds the value from the parser's events. The library's own builder checks neither depth nor keys.
template <class Json>
class Builder final : public nlohmann::json_sax<Json> {
  using Base = nlohmann::json_sax<Json>;
  using typename Base::binary_t, typename Base::number_float_t, typename Base::number_integer_t,
      typename Base::number_unsigned_t, typename Base::string_t;
  static constexpr bool ordered = !std::is_same_v<Json, nlohmann::json>;

 public:
  Builder(Numbers numbers, std::string& fault, std::size_t& position)
      : numbers_(numbers), fault_(fault), position_(position) {}

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t& digits) override {
    return numbers_ == Numbers::as_written && Json(value).dump() != digits ? put(digits) : put(value);
  }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t& value) override { return put(std::move(value)); }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (is_known(name)) {
      fault_ = "duplicate key '" + printable(name) + "'";
      return false;
    }
    key_ = std::move(name);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error while …"
    std::string_view what = error.what();
    if (const auto end = what.find("] "); end != std::string_view::npos) what.remove_prefix(end + 2);
    if (const auto column = what.find("column "); column != std::string_view::npos) {
      const auto colon = what.find(": ", column);
      if (colon != std::string_view::npos) what.remove_prefix(colon + 2);
    }
    fault_ = printable(what, 300);
    position_ = position;
    return false;
  }

  Json take() { return std::move(root_); }

 private:
  // Whether the innermost object has the key. An ordered map looks through its keys, so many are kept in a set.
  bool is_known(const std::string& name) {
    auto& object = open_.back()->template get_ref<typename Json::object_t&>();
    if constexpr (ordered) {
      constexpr std::size_t few = 16;
      std::unordered_set<std::string>& keys = keys_.back();
      if (object.size() < few) return object.find(name) != object.end();
      if (keys.empty())
        for (const auto& entry : object) keys.insert(entry.first);
      return !keys.insert(name).second;
    } else {
      return object.find(name) != object.end();
    }
  }
  template <class Value>
  bool put(Value&& value) {
    if (!count()) return false;
    add(Json(std::forward<Value>(value)));
    return true;
  }
  bool count() {
    if (++values_ <= max_json_values) return true;
    fault_ = "more than " + std::to_string(max_json_values) + " values";
    return false;
  }
  bool open(Json container) {
    if (!count()) return false;
    if (open_.size() == max_json_depth) {
      fault_ = "nested deeper than " + std::to_string(max_json_depth) + " levels";
      return false;
    }
    open_.push_back(add(std::move(container)));
    keys_.emplace_back();
    return true;
  }
  bool close() {
    open_.pop_back();
    keys_.pop_back();
    return true;
  }
  // Pointers to open containers stay valid: a container grows only while it is the innermost one.
  Json* add(Json value) {
    if (open_.empty()) return &(root_ = std::move(value));
    Json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    auto& object = parent.template get_ref<typename Json::object_t&>();
    if constexpr (ordered) {
      // Appended to the list under it, since the map's own emplace looks through all keys; `keys_` has looked already.
      std::vector<typename Json::object_t::value_type, typename Json::object_t::allocator_type>& list = object;
      list.emplace_back(std::move(key_), std::move(value));
      return &list.back().second;
    } else {
      return &object.insert_or_assign(std::move(key_), std::move(value)).first->second;
    }
  }

  Numbers numbers_;
  std::string& fault_;
  std::size_t& position_;
  Json root_;
  std::vector<Json*> open_;
  std::vector<std::unordered_set<std::string>> keys_;  // of the open containers
  std::string key_;
  std::size_t values_ = 0;
};

}  // namespace

std::string JsonFault::text() const {
  return line == 0 ? what : "line " + std::to_string(line) + ", column " + std::to_string(column) + ": " + what;
}

template <class Json>
std::optional<Json> parse_json(std::string_view text, JsonFault& fault, Numbers numbers) {
  fault = {};
  std::size_t position = 0;
  Builder<Json> builder(numbers, fault.what, position);
  if (Json::sax_parse(text.begin(), text.end(), &builder)) return builder.take();
  if (position > 0) {
    const std::string_view before = text.substr(0, std::min(position, text.size()));
    fault.line = 1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
    const std::size_t begin = before.rfind('\n');
    fault.column = before.size() - (begin == std::string_view::npos ? 0 : begin + 1);
  }
  return std::nullopt;
}

template <class Json>
std::optional<std::int64_t> json_integer(const Json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() &&
      value.template get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return std::nullopt;
  return value.template get<std::int64_t>();
}

template <class Json>
std::string json_text(const Json& value) {
  return value.is_string() ? value.template get<std::string>() : value.dump();
}

template std::optional<nlohmann::json> parse_json(std::string_view, JsonFault&, Numbers);
template std::optional<nlohmann::ordered_json> parse_json(std::string_view, JsonFault&, Numbers);
template std::optional<std::int64_t> json_integer(const nlohmann::json&);
template std::optional<std::int64_t> json_integer(const nlohmann::ordered_json&);
template std::string json_text(const nlohmann::json&);
template std::string json_text(const nlohmann::ordered_json&);

}  // namespace peftbench::core
