#pragma once

#include "architectures/layer.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace peftbench::architectures {

// Reads the keys of a configuration and collects the complaints, so that one message tells all of them. A key that is
// null counts as absent, as Hugging Face writes it.
class ConfigKeys {
 public:
  // `file` stands before a key in complaints: "generation_config.json: ".
  explicit ConfigKeys(const nlohmann::json& object, std::string file = {});

  int64_t size(const char* key);  // at least 1; a complaint if absent
  int64_t size(const char* key, int64_t standard);
  int64_t id(const char* key, int64_t standard);  // a token id
  std::optional<int64_t> id(const char* key);
  double real(const char* key, double standard, double low, double high);
  std::optional<bool> flag(const char* key);
  std::optional<std::string> text(const char* key);

  void complain(const char* key, const std::string& expected);  // about the value of a key that is there
  const std::vector<std::string>& complaints() const { return complaints_; }

 private:
  const nlohmann::json* find(const char* key) const;
  int64_t integer(const char* key, std::optional<int64_t> standard, int64_t low);

  const nlohmann::json& object_;
  std::string file_;
  std::vector<std::string> complaints_;
};

}  // namespace peftbench::architectures
