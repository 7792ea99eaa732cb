// tokenize_lines SPIECE_MODEL|FOLDER: a JSON text a line on standard input → {"ids": […], "text": decoded} a line.
#include "text/tokenizer.h"

#include <nlohmann/json.hpp>

#include <exception>
#include <filesystem>
#include <iostream>
#include <string>

int main(int count, char** arguments) {
  try {
    const std::filesystem::path place = count == 2 ? arguments[1] : "";
    const auto tokenizer = std::filesystem::is_directory(place) ? peftbench::text::open_tokenizer(place)
                                                                : peftbench::text::Tokenizer::load(place);
    for (std::string line; std::getline(std::cin, line);) {
      const auto ids = tokenizer->encode(nlohmann::json::parse(line).get<std::string>());
      std::cout << nlohmann::json{{"ids", ids}, {"text", tokenizer->decode(ids)}} << '\n';
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  return 0;
}
