#pragma once

#include "core/random.h"
#include "data/readers/rows.h"
#include "data_fixture.h"
#include "support/layers.h"

#include <zlib.h>

#include <string>
#include <vector>

namespace peftbench::support {

using namespace layers;

using Table = std::vector<std::vector<std::string>>;

class RowsTest : public DataTest {
 protected:
  // All rows of a file, fields in the order of `names`, or of the file's own.
  static Table read(const fs::path& file, const SourceSpec& source = {}, std::vector<std::string> names = {}) {
    const auto reader = RowReader::open(file, source);
    Table table;
    while (reader->next()) {
      auto& row = table.emplace_back();
      for (const std::string& name : names.empty() ? reader->names() : names)
        row.push_back(reader->field(name).value_or("<none>"));
    }
    return table;
  }
  std::string fault(const std::string& name, const std::string& text, const SourceSpec& source = {}) const {
    return message<DataError>([&] { read(write(name, text), source); });
  }
  static SourceSpec with_columns(std::vector<std::string> columns) {
    SourceSpec source;
    source.columns = std::move(columns);
    source.header = false;
    return source;
  }
  static SourceSpec with_records(std::vector<std::string> records) {
    SourceSpec source;
    source.records = std::move(records);
    return source;
  }
  fs::path write_gz(const std::string& name, const std::string& text) const {
    gzFile out = ::gzopen((folder_ / name).c_str(), "wb");
    EXPECT_EQ(::gzwrite(out, text.data(), static_cast<unsigned>(text.size())), static_cast<int>(text.size()));
    EXPECT_EQ(::gzclose(out), Z_OK);
    return folder_ / name;
  }
  static std::string bytes(const fs::path& file) { return read_text(file); }
};

inline std::string random_text(Random& random, const std::vector<std::string>& alphabet, std::uint64_t most) {
  std::string text;
  for (std::uint64_t n = random.below(most + 1); n > 0; --n) text += alphabet[random.below(alphabet.size())];
  return text;
}

}  // namespace peftbench::support
