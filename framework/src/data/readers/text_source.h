#pragma once

#include "core/files.h"
#include "data/layer.h"

#include <cstdint>
#include <memory>
#include <streambuf>
#include <string>
#include <utility>
#include <vector>

struct gzFile_s;

namespace peftbench::data {

constexpr int end_of_file = std::char_traits<char>::eof();  // what a TextSource gives in place of a character

inline constexpr int no_stream = -1;  // in place of a descriptor: the file of the name is opened

// The bytes of a text file, unpacked on the way where its name ends in .gz; a byte order mark at the front is dropped.
// Throws DataError that names file and line where the file cannot be read or the packed data are broken.
class TextSource final : public std::streambuf {
 public:
  explicit TextSource(fs::path file) : TextSource(std::move(file), no_stream) {}
  // An open stream, a pipe or a terminal, of this name in messages: its bytes are handed out as they arrive, as they
  // are. It is not closed.
  TextSource(fs::path name, int stream);

  // The next line without its LF, or its first `limit` + 1 bytes and no more; false at the end.
  bool line(std::string& text, std::size_t limit);

 protected:
  int_type underflow() override;

 private:
  [[noreturn]] void fail(const std::string& what, const std::string& found, const std::string& remedy,
                         const std::string& expected = {}) const;
  void open();
  bool fill();
  bool fill_from_stream();
  struct Close {
    void operator()(gzFile_s* file) const;
  };
  fs::path file_;
  int stream_;
  bool packed_;
  std::unique_ptr<gzFile_s, Close> in_;
  std::vector<char> buffer_;
  std::int64_t lines_ = 0, bytes_ = 0;  // handed out before this buffer
};

bool is_packed(const fs::path& file);           // its name ends in .gz
std::string text_ending(const fs::path& file);  // of its name without .gz: ".csv" of a.csv.gz

}  // namespace peftbench::data
