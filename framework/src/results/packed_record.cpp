#include "results/packed_record.h"

#include "core/hash.h"
#include "core/json.h"
#include "results/record_fields.h"

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <typeinfo>
#include <utility>
#include <vector>

namespace peftbench::results {
namespace {

// To be raised when the bytes change while the fields do not, and when a record is read otherwise.
constexpr int format_version = 1;

template <class T>
constexpr bool is_packed_optional = false;
template <class T>
constexpr bool is_packed_optional<std::optional<T>> = true;
template <class T>
constexpr bool is_packed_list = false;
template <class T>
constexpr bool is_packed_list<std::vector<T>> = true;

// Members of a record that are packed in one of its other parts.
using Elsewhere = std::array<const void*, 8>;

Elsewhere elsewhere(const RunRecord& r) {
  return {&r.program, &r.machine, &r.method, &r.task, &r.backbone, &r.vocabulary_hash, &r.sites, &r.config};
}

bool contains(const Elsewhere& members, const void* member) {
  return std::find(members.begin(), members.end(), member) != members.end();
}

enum class Kind : unsigned char { null, no, yes, positive, negative, real, text, array, object };

// The fields in the order of results/record_fields.h, without their keys. Integers have 7 bits a byte.
class Packer {
 public:
  explicit Packer(const Elsewhere& elsewhere = {}) : elsewhere_(elsewhere) {}

  template <class T, class... Held>
  void operator()(const Field&, const T& value, Held...) {
    if (!contains(elsewhere_, &value)) put(value);
  }

  void put(std::unsigned_integral auto value) {
    for (std::uint64_t rest = value;; rest >>= 7) {
      bytes += static_cast<char>(rest < 128 ? rest : rest | 128);
      if (rest < 128) return;
    }
  }
  void put(std::signed_integral auto value) {
    const auto wide = static_cast<std::int64_t>(value);
    put((static_cast<std::uint64_t>(wide) << 1) ^ static_cast<std::uint64_t>(wide >> 63));  // small if near 0
  }
  void put(double value) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    char eight[sizeof bits];
    std::memcpy(eight, &bits, sizeof bits);
    bytes.append(eight, sizeof eight);
  }
  void put(const std::string& text) {
    put(text.size());
    bytes += text;
  }
  void put(const Interval& interval) {
    put(interval.low);
    put(interval.high);
  }
  void put(const Json& json) {
    switch (json.type()) {
      case Json::value_t::boolean:
        return put_kind(json.get<bool>() ? Kind::yes : Kind::no);
      case Json::value_t::number_unsigned:
        put_kind(Kind::positive);
        return put(json.get<std::uint64_t>());
      case Json::value_t::number_integer:
        put_kind(Kind::negative);
        return put(json.get<std::int64_t>());
      case Json::value_t::number_float:
        put_kind(Kind::real);
        return put(json.get<double>());
      case Json::value_t::string:
        put_kind(Kind::text);
        return put(json.get_ref<const std::string&>());
      case Json::value_t::array:
        put_kind(Kind::array);
        put(json.size());
        for (const Json& item : json) put(item);
        return;
      case Json::value_t::object:
        put_kind(Kind::object);
        put(json.size());
        for (const auto& [key, value] : json.items()) put(key), put(value);
        return;
      default:
        return put_kind(Kind::null);
    }
  }
  template <class T>
  requires(is_packed_optional<T> || is_packed_list<T> || Listed<const T>) void put(const T& value) {
    if constexpr (is_packed_optional<T>) {
      put(static_cast<unsigned char>(value.has_value()));
      if (value) put(*value);
    } else if constexpr (is_packed_list<T>) {
      put(value.size());
      for (const auto& item : value) put(item);
    } else {
      visit_fields(*this, value);
    }
  }

  std::string bytes;

 private:
  void put_kind(Kind kind) { bytes += static_cast<char>(kind); }

  Elsewhere elsewhere_;
};

// Into values that may hold something already: their memory serves again, which is most of the time that this takes.
class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes, const Elsewhere& elsewhere = {}) : bytes_(bytes), elsewhere_(elsewhere) {}

  template <class T, class... Held>
  void operator()(const Field&, T& value, Held...) {
    if (!contains(elsewhere_, &value)) get(value);
  }

  template <std::unsigned_integral T>
  void get(T& value) {
    std::uint64_t sum = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1).front());
      sum |= static_cast<std::uint64_t>(byte & 127) << shift;
      if (byte >= 128) continue;
      value = static_cast<T>(sum);
      return;
    }
    throw DamagedPack("a number that is too long");
  }
  template <std::signed_integral T>
  void get(T& value) {
    std::uint64_t folded = 0;
    get(folded);
    value = static_cast<T>(static_cast<std::int64_t>(folded >> 1) ^ -static_cast<std::int64_t>(folded & 1));
  }
  void get(double& value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, take(sizeof bits).data(), sizeof bits);
    value = std::bit_cast<double>(bits);
  }
  void get(std::string& text) { text = get_text(); }
  void get(Interval& interval) {
    get(interval.low);
    get(interval.high);
  }
  void get(Json& json) { get_json(json, 0); }
  template <class T>
  requires(is_packed_optional<T> || is_packed_list<T> || Listed<T>) void get(T& value) {
    if constexpr (is_packed_optional<T>) {
      unsigned char there = 0;
      get(there);
      if (!there) return value.reset();
      if (!value) value.emplace();
      get(*value);
    } else if constexpr (is_packed_list<T>) {
      const std::size_t count = get_count();
      if (count < value.size()) value.resize(count);
      for (std::size_t i = 0; i < count; ++i) get(i < value.size() ? value[i] : value.emplace_back());
    } else {
      visit_fields(*this, value);
    }
  }
  std::string_view get_text() { return take(get_count()); }
  void end() const {
    if (!bytes_.empty()) throw DamagedPack("bytes that are left over");
  }

 private:
  std::string_view take(std::size_t count) {
    if (count > bytes_.size()) throw DamagedPack("too few bytes");
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  std::size_t get_count() {  // of what has at least a byte each
    std::size_t count = 0;
    get(count);
    if (count > bytes_.size()) throw DamagedPack("too few bytes");
    return count;
  }
  template <class T>
  void get_number(Json& json) {
    T value{};
    get(value);
    json = value;
  }
  void get_json(Json& json, std::size_t depth) {
    if (depth > max_json_depth) throw DamagedPack("JSON that is too deep");
    switch (static_cast<Kind>(take(1).front())) {
      case Kind::null:
        json = nullptr;
        return;
      case Kind::no:
        json = false;
        return;
      case Kind::yes:
        json = true;
        return;
      case Kind::positive:
        return get_number<std::uint64_t>(json);
      case Kind::negative:
        return get_number<std::int64_t>(json);
      case Kind::real:
        return get_number<double>(json);
      case Kind::text:
        if (!json.is_string()) json = std::string();
        json.get_ref<std::string&>() = get_text();
        return;
      case Kind::array: {
        if (!json.is_array()) json = Json::array();
        auto& items = json.get_ref<Json::array_t&>();
        const std::size_t count = get_count();
        if (count < items.size()) items.resize(count);
        for (std::size_t i = 0; i < count; ++i) get_json(i < items.size() ? items[i] : items.emplace_back(), depth + 1);
        return;
      }
      case Kind::object: {
        if (!json.is_object()) json = Json::object();
        auto& entries = json.get_ref<Json::object_t&>();  // a list: their keys differ already
        const std::size_t count = get_count();
        entries.reserve(std::min<std::size_t>(count, 256));
        for (std::size_t i = 0; i < count; ++i) {
          const std::string_view key = get_text();
          if (i < entries.size() && std::next(entries.begin(), static_cast<std::ptrdiff_t>(i))->first != key)
            while (entries.size() > i) entries.pop_back();
          if (i == entries.size()) entries.emplace_back(std::string(key), Json());
          get_json(std::next(entries.begin(), static_cast<std::ptrdiff_t>(i))->second, depth + 1);
        }
        while (entries.size() > count) entries.pop_back();
        return;
      }
    }
    throw DamagedPack("an unknown kind of JSON");
  }

  std::string_view bytes_;
  Elsewhere elsewhere_;
};

// What PackedRecord::place holds, in its order.
void visit_place(Is<RunRecord> auto& record, auto&& part) {
  part(record.program);
  part(record.machine);
  part(record.method);
  part(record.task);
  part(record.backbone);
  part(record.vocabulary_hash);
  part(record.sites);
}

// All keys and types of a record, in their order.
class FormatOf {
 public:
  template <class T, class... Held>
  void operator()(const Field& field, const T& value, Held...) {
    text += std::string(field.key) + ':' + typeid(T).name() + ' ';
    inside(value);
  }
  std::string text;

 private:
  template <class T>
  void inside(const T& value) {
    if constexpr (is_packed_optional<T> || is_packed_list<T>) {
      inside(typename T::value_type{});
    } else if constexpr (Listed<const T>) {
      text += '{';
      visit_fields(*this, value);
      text += '}';
    }
  }
};

}  // namespace

SharedBytes::Pointer SharedBytes::share(std::string bytes) {
  const std::lock_guard lock(mutex_);
  if (const auto known = known_.find(bytes); known != known_.end()) return known->second;
  const auto added = std::make_shared<const std::string>(std::move(bytes));
  known_.emplace(*added, added);
  return added;
}

PackedRecord pack(RunRecord record, SharedBytes& shared) {
  PackedRecord packed{record.id, record.status, {}, {}, {}};
  const bool seeded = record.config.is_object() && record.config.contains("seed");
  Json seed;
  if (seeded) std::swap(seed, record.config["seed"]);
  record.details = ScoreDetails();
  for (TaskScore& task : record.tasks) task.details = ScoreDetails();
  if (record.ledger.is_object()) record.ledger.erase("rows");
  Packer config, settings, place(Elsewhere{&record.method.values}), own(elsewhere(record));
  config.put(record.config);
  settings.put(config.bytes);
  settings.put(record.method.values);
  visit_place(record, [&](const auto& part) { place.put(part); });
  own.put(static_cast<unsigned char>(seeded));
  own.put(seed);
  own.put(record);
  packed.place = shared.share(std::move(place.bytes));
  packed.settings = shared.share(std::move(settings.bytes));
  packed.own = std::move(own.bytes);
  return packed;
}

void unpack(const PackedRecord& packed, RunRecord& record) {
  Unpacker own(packed.own, elsewhere(record)), place(*packed.place, Elsewhere{&record.method.values}),
      settings(*packed.settings);
  unsigned char seeded = 0;
  Json seed;
  own.get(seeded);
  own.get(seed);
  own.get(record);
  own.end();
  visit_place(record, [&](auto& part) { place.get(part); });
  place.end();
  Unpacker config(settings.get_text());
  config.get(record.config);
  config.end();
  settings.get(record.method.values);
  settings.end();
  if (seeded && record.config.is_object()) record.config["seed"] = std::move(seed);
}

std::string_view packed_configuration(const PackedRecord& packed) { return Unpacker(*packed.settings).get_text(); }

const std::string& packed_format() {
  static const std::string format = [] {
    FormatOf fields;
    const RunRecord record;
    visit_fields(fields, record);
    return sha256(std::to_string(format_version) + " " + fields.text);
  }();
  return format;
}

}  // namespace peftbench::results
