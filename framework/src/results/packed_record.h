#pragma once

#include "results/layer.h"
#include "results/run_record.h"

#include <peftbench/error.h>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace peftbench::results {

// Bytes that are equal in many records, kept once. Any thread may use it.
class SharedBytes {
 public:
  using Pointer = std::shared_ptr<const std::string>;
  Pointer share(std::string bytes);

 private:
  std::mutex mutex_;
  std::unordered_map<std::string_view, Pointer> known_;
};

// A record as it is kept in memory and in the index of a folder: about 1 KB. Left out are its `details`, those of its
// `tasks`, and the `rows` of its ledger.
struct PackedRecord {
  std::string id, status;         // as in the record
  SharedBytes::Pointer place;     // program, machine, method, task and backbone
  SharedBytes::Pointer settings;  // the configuration without its seed, and the method's values
  std::string own;                // all that is left
};

// Bytes that pack did not make.
class DamagedPack : public Error {
 public:
  explicit DamagedPack(const std::string& what) : Error({.what = "a packed record is damaged", .found = what}) {}
};

PackedRecord pack(RunRecord record, SharedBytes& shared);
RunRecord unpack(const PackedRecord& packed);  // Throws DamagedPack

// The configuration alone, its seed as null: the bytes of two records are equal where these configurations are.
std::string_view packed_configuration(const PackedRecord& packed);  // Throws DamagedPack

// Where it differs, the bytes were packed otherwise: a hash of all fields of a record and of the format.
const std::string& packed_format();

}  // namespace peftbench::results
