#include "train/checkpoint.h"

#include "core/first_line.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/write_files.h"

#include <peftbench/error.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <system_error>
#include <utility>
#include <vector>

namespace peftbench::train {

namespace {

constexpr const char* format = "peftbench-train-2";
constexpr const char* first_format = "peftbench-train-1";  // without a hash
constexpr const char* about_key = "peftbench";
constexpr const char* hash_key = "sha256";

void put(TensorMap& all, const std::string& part, const TensorMap& tensors) {
  for (const auto& [name, tensor] : tensors) all.emplace(part + "/" + name, tensor.detach());
}

TensorMap take(const TensorMap& all, const std::string& part) {
  TensorMap tensors;
  for (auto entry = all.lower_bound(part + "/"); entry != all.end() && entry->first.starts_with(part + "/"); ++entry) {
    // Cloned, because the file stays mapped and read-only and is replaced at the next checkpoint.
    tensors.emplace(entry->first.substr(part.size() + 1), entry->second.clone());
  }
  return tensors;
}

// Over all that is read from the file: the description, and each tensor's name, type, shape and bytes.
std::string hash_of(const std::string& about, const TensorMap& tensors) {
  Sha256 hash;
  hash.update(about);
  for (const auto& [name, tensor] : tensors) {
    const Tensor plain = tensor.detach().cpu().contiguous();
    hash.update("\n" + name + " " + c10::toString(plain.scalar_type()));
    for (const auto size : plain.sizes()) hash.update(" " + std::to_string(size));
    hash.update("\n");
    hash.update(plain.const_data_ptr(), plain.nbytes());
  }
  return hash.hex();
}

std::string metadata_of(const TensorFile& file, const char* key) {
  const auto found = file.metadata.find(key);
  return found == file.metadata.end() ? "" : found->second;
}

// As its description says; "" where there is none, as in files of others.
std::string format_of(const TensorFile& file) {
  JsonFault ignored;
  const auto about = parse_json<nlohmann::json>(metadata_of(file, about_key), ignored);
  const bool said = about && about->is_object() && about->contains("format") && about->at("format").is_string();
  return said ? about->at("format").get<std::string>() : "";
}

// JSON has no NaN and no infinity: they are written as {"number": "nan"}, "inf" and "-inf".
constexpr const char* number_key = "number";
constexpr std::pair<const char*, double> unwritable[] = {{"nan", std::numeric_limits<double>::quiet_NaN()},
                                                         {"inf", std::numeric_limits<double>::infinity()},
                                                         {"-inf", -std::numeric_limits<double>::infinity()}};

void hide_unwritable(nlohmann::json& value) {
  if (value.is_structured())
    for (auto& part : value) hide_unwritable(part);
  if (!value.is_number_float()) return;
  const double number = value.get<double>();
  for (const auto& [name, known] : unwritable)
    if (number == known || (std::isnan(number) && std::isnan(known))) value = {{number_key, name}};
}

void show_unwritable(nlohmann::json& value) {
  if (value.is_object() && value.size() == 1 && value.contains(number_key)) {
    for (const auto& [name, known] : unwritable)
      if (value.is_object() && value[number_key] == name) value = known;
  } else if (value.is_structured()) {
    for (auto& part : value) show_unwritable(part);
  }
}

}  // namespace

bool is_checkpoint(const TensorFile& file) {
  const std::string form = format_of(file);
  return form == format || form == first_format;
}

TensorMap read_trained(const fs::path& checkpoint) { return trained_of(read_safetensors(checkpoint), checkpoint); }

TensorMap trained_of(TensorFile content, const fs::path& file) {
  const TensorMap all = checked_checkpoint(std::move(content), file).tensors;
  TensorMap best = take(all, "best");
  return best.empty() ? take(all, "parameters") : best;
}

TensorFile read_checkpoint(const fs::path& file) { return checked_checkpoint(read_safetensors(file), file); }

TensorFile checked_checkpoint(TensorFile content, const fs::path& file) {
  const std::string about = metadata_of(content, about_key), hash = metadata_of(content, hash_key);
  const std::string form = format_of(content);
  if (form == first_format && hash.empty()) return content;
  if (form == format && hash == hash_of(about, content.tensors)) return content;
  throw CheckpointError({file.string() + " is damaged", "bytes that do not match its SHA-256",
                         "an unchanged checkpoint", "restore it from a copy, or train the run again"});
}

std::vector<fs::path> checkpoint_files(const fs::path& folder) {
  return {folder / "train.safetensors", folder / "train.next.safetensors", folder / "train.previous.safetensors"};
}

bool has_checkpoint(const fs::path& folder) {
  const std::vector<fs::path> files = checkpoint_files(folder);
  return std::any_of(files.begin(), files.end(), [](const fs::path& file) { return file_exists(file); });
}

CheckpointStore::CheckpointStore(fs::path folder, std::string run) : folder_(std::move(folder)), run_(std::move(run)) {}

void CheckpointStore::save(const TrainState& state) {
  make_folder(folder_);
  TensorMap all;
  put(all, "parameters", state.parameters);
  put(all, "optimizer", state.optimizer);
  put(all, "best", state.best);
  put(all, "seen", state.seen);
  nlohmann::json about = {{"format", format}, {"run", run_}, {"step", state.step}, {"progress", state.progress}};
  hide_unwritable(about);
  const std::string text = about.dump();
  write_safetensors(next(), all, {{about_key, text}, {hash_key, hash_of(text, all)}});
  if (!current_is_whole_) {
    try {
      read(current());
      current_is_whole_ = true;
    } catch (const CheckpointError&) {
      current_is_whole_ = false;
    }
  }
  // Killed between the two: load takes `next`.
  if (*current_is_whole_) replace_file(current(), previous());
  replace_file(next(), current());
  current_is_whole_ = true;
}

TrainState CheckpointStore::read(const fs::path& file) const {
  const TensorFile content = read_checkpoint(file);
  try {
    const auto about = parse_json<nlohmann::json, CheckpointError>(metadata_of(content, about_key), file.string());
    if (about.at("run") != run_)
      throw CheckpointError({.what = file.string() + " belongs to another run",
                             .found = "a checkpoint of " + about.at("run").dump(),
                             .expected = "one of " + run_});
    TrainState state;
    state.step = about.at("step").get<std::int64_t>();
    state.progress = about.at("progress");
    show_unwritable(state.progress);
    state.parameters = take(content.tensors, "parameters");
    state.optimizer = take(content.tensors, "optimizer");
    state.best = take(content.tensors, "best");
    state.seen = take(content.tensors, "seen");
    return state;
  } catch (const nlohmann::json::exception& fault) {
    throw CheckpointError(
        {.what = file.string() + " is damaged", .found = fault.what(), .expected = "an unchanged checkpoint"});
  }
}

std::optional<TrainState> CheckpointStore::load() {
  std::string faults;
  std::error_code ignored;
  for (const fs::path& file : checkpoint_files(folder_)) {
    const bool is_there = fs::symlink_status(file, ignored).type() != fs::file_type::not_found;
    if (file == current()) current_is_whole_ = false;
    if (!is_there) continue;
    try {
      TrainState state = read(file);
      if (file == next()) replace_file(next(), current());  // as the process would have that was killed
      if (file != previous()) current_is_whole_ = true;
      if (!faults.empty())
        state.warning = "a checkpoint cannot be used; the run continues from the previous one, step " +
                        std::to_string(state.step) + ": " + faults;
      return state;
    } catch (const CheckpointError& fault) {
      faults += (faults.empty() ? "" : "; ") + first_line(fault.what());
    }
  }
  if (faults.empty()) return std::nullopt;
  throw CheckpointError({"no checkpoint of this run can be used", faults, "an undamaged checkpoint of this run",
                         "restore a copy if you have one; otherwise remove the folder " + folder_.string() +
                             ", and the same command trains from the first step"});
}

}  // namespace peftbench::train
