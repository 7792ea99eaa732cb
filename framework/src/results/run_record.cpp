#include "results/run_record.h"

#include "results/record_fields.h"

#include <peftbench/error.h>

#include <algorithm>
#include <concepts>
#include <ctime>
#include <limits>
#include <utility>

namespace peftbench::results {
namespace {

// A number that a field cannot hold is damage, and is never made to fit.
struct Damage {
  std::string what;
};

template <class T>
void whole(const Json& json, const char* key, T& value) {
  const bool fits = json.is_number_unsigned()  ? std::in_range<T>(json.get<std::uint64_t>())
                    : json.is_number_integer() ? std::in_range<T>(json.get<std::int64_t>())
                                               : false;
  if (!fits) throw Damage{std::string("'") + key + "' is " + json.dump() + ", not a valid whole number"};
  value =
      json.is_number_unsigned() ? static_cast<T>(json.get<std::uint64_t>()) : static_cast<T>(json.get<std::int64_t>());
}

template <class T>
constexpr bool is_optional = false;
template <class T>
constexpr bool is_optional<std::optional<T>> = true;
template <class T>
constexpr bool is_list_of_listed = false;
template <Listed T>
constexpr bool is_list_of_listed<std::vector<T>> = true;

class RecordWriter {
 public:
  explicit RecordWriter(Json& json) : json_(json) {}

  template <class T, class... Held>
  void operator()(const Field& field, const T& value, Held...) {
    json_[field.key] = written(value);
  }

 private:
  static Json written(const Interval& value) { return Json::array({value.low, value.high}); }
  template <class T>
  static Json written(const T& value) {
    if constexpr (is_optional<T>) {
      return value ? written(*value) : Json(nullptr);
    } else if constexpr (is_list_of_listed<T>) {
      Json list = Json::array();
      for (const auto& item : value) list.push_back(written(item));
      return list;
    } else if constexpr (Listed<const T>) {
      Json json = Json::object();
      RecordWriter writer(json);
      visit_fields(writer, value);
      return json;
    } else {
      return Json(value);  // JSON has no NaN: it becomes null as it is written
    }
  }

  Json& json_;
};

class RecordReader {
 public:
  explicit RecordReader(const Json& json) : json_(json) {}

  template <class T, class... Held>
  void operator()(const Field& field, T& value, Held...) {
    if (field.presence == Presence::newer && !json_.contains(field.key)) return;
    read(json_.at(field.key), field.key, value);
  }

 private:
  static void read(const Json& json, const char*, double& value) {
    value = json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
  }
  static void read(const Json& json, const char* key, Interval& value) {
    read(json.at(0), key, value.low);
    read(json.at(1), key, value.high);
  }
  static void read(const Json& json, const char*, Json& value) { value = json; }
  template <class T>
  static void read(const Json& json, const char* key, T& value) {
    if constexpr (is_optional<T>) {
      value.reset();
      if (!json.is_null()) read(json, key, value.emplace());
    } else if constexpr (is_list_of_listed<T>) {
      for (const Json& item : json) read(item, key, value.emplace_back());
    } else if constexpr (Listed<T>) {
      RecordReader reader(json);
      visit_fields(reader, value);
    } else if constexpr (std::integral<T> && !std::same_as<T, bool>) {
      whole(json, key, value);
    } else {
      json.get_to(value);
    }
  }

  const Json& json_;
};

}  // namespace

DamagedRecord::DamagedRecord(const std::string& where, const std::string& fault)
    : DataError({where + " is not a run record", fault, "JSON with the fields in docs/results-schema.md",
                 "run the command of the run again, or peft-bench --config with the config.yaml next to the record: it "
                 "continues from the run's checkpoint and rewrites the record"}) {}

double RunRecord::wall_seconds() const {
  double sum = 0;
  for (const PhaseCost& phase : phases) sum += phase.wall_seconds;
  return sum;
}

std::int64_t RunRecord::peak_memory_bytes() const {
  std::int64_t peak = 0;
  for (const PhaseCost& phase : phases) peak = std::max(peak, phase.peak_memory_bytes);
  return peak;
}

std::optional<std::int64_t> RunRecord::peak_device_memory_bytes() const {
  std::optional<std::int64_t> peak;
  for (const PhaseCost& phase : phases) peak = std::max(peak, phase.peak_device_memory_bytes);  // nothing is least
  return peak;
}

Json to_json(const RunRecord& record) {
  Json json = {{schema_version_field.key, RunRecord::schema}};
  RecordWriter writer(json);
  visit_fields(writer, record);
  return json;
}

RunRecord record_from_json(const Json& json, const std::string& where) try {
  int version = 0;
  whole(json.at(schema_version_field.key), schema_version_field.key, version);
  if (version != RunRecord::schema)
    throw DataError({where + " has an unknown schema version", std::to_string(version),
                     std::to_string(RunRecord::schema), "use the peft-bench that wrote it, or run again"});
  RunRecord record;
  RecordReader reader(json);
  visit_fields(reader, record);
  return record;
} catch (const nlohmann::json::exception& error) {
  throw DamagedRecord(where, error.what());
} catch (const Damage& damage) {
  throw DamagedRecord(where, damage.what);
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace peftbench::results
