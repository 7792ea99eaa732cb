#include "data/readers/parquet_reader.h"

#include <peftbench/error.h>

namespace peftbench::data {

std::unique_ptr<RowReader> open_parquet(const fs::path& file, std::vector<std::string> /*records*/, RowLimits) {
  throw ConfigError(
      Problem{file.string() + ": this build of peft-bench cannot read parquet",
              "a build without Apache Arrow's C++ library", "Arrow and Parquet " PEFTBENCH_ARROW_WANTED,
              "PEFTBENCH_PARQUET=on ./peft-bench tasks   (downloads the library of pip's pyarrow and rebuilds)\n"
              "or: cmake -B build -DPEFTBENCH_PARQUET=on -DPEFTBENCH_ARROW_DIR=FOLDER, the folder 'pyarrow'\n"
              "    that 'pip install pyarrow' made\n"
              "or convert the file to JSONL with any program that reads parquet"});
}

bool reads_parquet() { return false; }

}  // namespace peftbench::data
