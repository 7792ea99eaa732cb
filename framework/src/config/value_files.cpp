#include "config/value_files.h"

#include "results/adapter_files.h"
#include "train/checkpoint.h"

namespace peftbench::config {

std::vector<std::string> value_file_names() {
  std::vector<std::string> names = {adapter_file::tensors, std::string("adapter/") + adapter_file::tensors};
  for (const fs::path& checkpoint : checkpoint_files({})) names.push_back(checkpoint.string());
  names.insert(names.end(), {adapter_file::peft_weights, adapter_file::peft_older_weights});
  return names;
}

std::optional<fs::path> value_file_in(const fs::path& folder) {
  for (const std::string& name : value_file_names())
    if (file_exists(folder / name)) return folder / name;
  return std::nullopt;
}

std::optional<fs::path> peft_config_of(const fs::path& file) {
  const fs::path name = file.filename(), config = file.parent_path() / adapter_file::peft_config;
  const bool theirs = name == adapter_file::peft_weights || name == adapter_file::peft_older_weights;
  return theirs && file_exists(config) ? std::optional(config) : std::nullopt;
}

std::vector<fs::path> files_of_values(const fs::path& path) {
  const auto file = file_exists(path) ? path : value_file_in(path);
  if (!file) return {};
  std::vector<fs::path> files = {*file};
  if (const auto config = peft_config_of(*file)) files.push_back(*config);
  return files;
}

}  // namespace peftbench::config
