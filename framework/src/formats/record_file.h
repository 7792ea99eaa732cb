#pragma once

#include "core/files.h"
#include "formats/layer.h"

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace peftbench::formats {

// A file of byte strings, written once from the first to the last and then read in any order, with named sections
// behind them. All data is checksummed; a damaged file raises an error.
struct RecordSection {
  std::string name;
  std::string_view bytes;
};

class RecordWriter {
 public:
  RecordWriter(std::ostream& out, std::string key);  // `key`: what the file was made from
  void add(std::string_view record);
  void finish(const std::vector<RecordSection>& sections);

 private:
  void flush_block();
  void put(std::string_view bytes);
  std::ostream& out_;
  std::string key_;
  std::uint64_t offset_ = 0, records_ = 0, block_first_ = 0;
  std::string block_;
  std::vector<std::uint64_t> index_;  // of each block: its first record, its offset, its hash
};

// The file's descriptor stays open, so that it may be replaced or removed meanwhile. Threads may read at once.
class RecordFile {
 public:
  // What is wrong with a file of this name, or the file. All of it is read first if it is not large; damage in others
  // is found where it is read.
  struct Opened {
    std::shared_ptr<const RecordFile> file;
    std::string damage;  // empty if there is no such file
  };
  static Opened open(const fs::path& path, const std::string& key);
  ~RecordFile();
  RecordFile(const RecordFile&) = delete;
  RecordFile& operator=(const RecordFile&) = delete;

  std::uint64_t size() const { return records_; }
  const std::string& key() const { return key_; }
  std::string section(const std::string& name) const;
  std::vector<std::uint32_t> numbers(const std::string& section) const;

  // Reads records; in order, a block is read once. What it gives lasts until the next call.
  class Cursor {
   public:
    explicit Cursor(const RecordFile& file) : file_(file) {}
    std::string_view at(std::uint64_t record);  // Throws DataError if the file is damaged, std::out_of_range

   private:
    const RecordFile& file_;
    std::string block_;
    std::uint64_t first_ = 0, end_ = 0;  // records of the block
    std::uint64_t next_ = 0;             // the record that begins at position_
    std::size_t position_ = 0;
  };
  // Removes the file, so that the next run rebuilds it, and throws DataError.
  [[noreturn]] void fail(const std::string& found) const;

 private:
  struct Part {
    std::string name;
    std::uint64_t offset, size, hash;
  };
  RecordFile(fs::path path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  std::string load(const std::string& key);  // the error; empty if none
  std::string load_directory(const std::string& key);
  bool read(std::uint64_t offset, std::size_t size, char* into) const;
  const Part* part(const std::string& name) const;
  bool read_block(std::size_t block, std::string& bytes) const;

  fs::path path_;
  int descriptor_;
  std::string key_;
  std::uint64_t records_ = 0, bytes_ = 0;
  std::vector<std::uint64_t> index_;
  std::uint64_t end_of_blocks_ = 0;
  std::vector<Part> parts_;
};

}  // namespace peftbench::formats
