#include "data/text_source.h"

#include <peftbench/error.h>

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace peftbench {

namespace {

constexpr unsigned chunk = 1 << 18;

}  // namespace

bool is_packed(const fs::path& file) { return file.extension() == ".gz"; }

std::string text_ending(const fs::path& file) { return (is_packed(file) ? file.stem() : file).extension().string(); }

void TextSource::Close::operator()(gzFile_s* file) const { ::gzclose_r(file); }

TextSource::TextSource(fs::path file) : file_(std::move(file)), packed_(is_packed(file_)), buffer_(chunk) {
  OpenedFile opened = open_regular_file(file_);
  if (!opened.file.ok()) fail("cannot be read", opened.fault, "check the path and the file's permissions");
  in_.reset(::gzdopen(opened.file.get(), "rb"));
  if (!in_) fail("cannot be read", "not enough memory", {});
  opened.file.release();  // gzclose closes it
  ::gzbuffer(in_.get(), chunk);
  if (!fill()) return;
  if (packed_ && ::gzdirect(in_.get()) != 0)
    fail("the file's name ends in .gz, but it is not gzip data", "other bytes",
         "take .gz off its name, or pack it: gzip FILE");
  constexpr char mark[] = {'\xef', '\xbb', '\xbf'};
  if (egptr() - gptr() >= 3 && std::equal(mark, mark + 3, gptr())) gbump(3);
}

void TextSource::fail(const std::string& what, const std::string& found, const std::string& remedy) const {
  throw DataError(Problem{file_.string() + ":" + std::to_string(lines_ + 1) + ": " + what, found,
                          packed_ ? "a whole gzip file" : "a file that can be read to its end", remedy});
}

// zlib hands out what precedes a fault first, so the line in the message is where the good data ends.
bool TextSource::fill() {
  lines_ += std::count(eback(), egptr(), '\n');
  bytes_ += egptr() - eback();
  setg(buffer_.data(), buffer_.data(), buffer_.data());
  const int got = ::gzread(in_.get(), buffer_.data(), chunk);
  int code = Z_OK;
  const char* said = ::gzerror(in_.get(), &code);
  if (got > 0) {
    setg(buffer_.data(), buffer_.data(), buffer_.data() + got);
    return true;
  }
  const std::string after = " after " + std::to_string(bytes_) + " unpacked bytes";
  if (code == Z_BUF_ERROR)
    fail("the gzip data ends early", "the end of the file" + after, "get the file again: it was cut off");
  if (code == Z_ERRNO)
    fail("the file cannot be read to its end", std::strerror(errno), "mind the disk; or copy the file again");
  if (got < 0 || code != Z_OK)
    fail("the gzip data is broken", said + after, "get the file again: gzip -t FILE says whether it is whole");
  return false;
}

TextSource::int_type TextSource::underflow() {
  if (gptr() == egptr() && !fill()) return traits_type::eof();
  return traits_type::to_int_type(*gptr());
}

bool TextSource::line(std::string& text) {
  text.clear();
  if (underflow() == traits_type::eof()) return false;
  while (underflow() != traits_type::eof()) {
    char* const end = std::find(gptr(), egptr(), '\n');
    text.append(gptr(), end);
    const bool whole = end != egptr();
    if (text.size() > max_row_bytes)
      fail("the line is too long", "more than " + std::to_string(max_row_bytes) + " bytes",
           "check that the file has lines");
    setg(eback(), whole ? end + 1 : end, egptr());
    if (whole) break;
  }
  return true;
}

}  // namespace peftbench
