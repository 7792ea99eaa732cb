#include "data/readers/text_source.h"

#include "core/utf8.h"

#include <peftbench/error.h>

#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <string_view>

namespace peftbench::data {

namespace {

constexpr unsigned bytes_at_once = 1 << 18;

// By its mark, or by the zeros in it that ASCII has as 16 bits; null for what may be UTF-8.
const char* wide_encoding(std::string_view text) {
  if (text.starts_with(std::string_view("\xff\xfe\0\0", 4)) || text.starts_with(std::string_view("\0\0\xfe\xff", 4)))
    return "UTF-32";
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) return "UTF-16";
  const std::string_view some = text.substr(0, std::min<std::size_t>(text.size(), 512));
  std::size_t zeros[2] = {0, 0};  // at even and at odd places
  for (std::size_t i = 0; i < some.size(); ++i) zeros[i % 2] += some[i] == '\0' ? 1 : 0;
  const std::size_t half = some.size() / 2;
  if (half < 4 || zeros[0] + zeros[1] < half / 2) return nullptr;
  if (zeros[0] == 0) return "UTF-16LE";
  return zeros[1] == 0 ? "UTF-16BE" : nullptr;
}

}  // namespace

bool is_packed(const fs::path& file) { return file.extension() == ".gz"; }

std::string text_ending(const fs::path& file) { return (is_packed(file) ? file.stem() : file).extension().string(); }

void TextSource::Close::operator()(gzFile_s* file) const { ::gzclose_r(file); }

TextSource::TextSource(fs::path file, int stream)
    : file_(std::move(file)),
      stream_(stream),
      packed_(stream == no_stream && is_packed(file_)),
      buffer_(bytes_at_once) {
  if (stream_ == no_stream) open();
  if (!fill()) return;
  if (packed_ && ::gzdirect(in_.get()) != 0)
    fail("the file's name ends in .gz, but it is not gzip data", "other bytes",
         "remove .gz from its name, or compress it: gzip FILE");
  if (const char* encoding = wide_encoding({gptr(), static_cast<std::size_t>(egptr() - gptr())}))
    fail(std::string("the file is ") + encoding + ", not UTF-8", printable({gptr(), 8}),
         "convert the file: iconv -f " + std::string(encoding) + " -t UTF-8 FILE > NEW", "UTF-8 text");
  constexpr char mark[] = {'\xef', '\xbb', '\xbf'};
  if (egptr() - gptr() >= 3 && std::equal(mark, mark + 3, gptr())) gbump(3);
}

void TextSource::open() {
  OpenedFile opened = open_regular_file(file_);
  if (!opened.file.ok()) fail("cannot be read", opened.fault, "check the path and the file's permissions");
  in_.reset(::gzdopen(opened.file.get(), "rb"));
  if (!in_) fail("cannot be read", "not enough memory", {});
  opened.file.release();  // gzclose closes it
  ::gzbuffer(in_.get(), bytes_at_once);
}

void TextSource::fail(const std::string& what, const std::string& found, const std::string& remedy,
                      const std::string& expected) const {
  throw DataError(Problem{file_.string() + ":" + std::to_string(lines_ + 1) + ": " + what, found,
                          !expected.empty() ? expected
                          : packed_         ? "a complete gzip file"
                                            : "a file that can be read completely",
                          remedy});
}

// zlib hands out what precedes a fault first, so the line in the message is where the good data ends.
bool TextSource::fill() {
  lines_ += std::count(eback(), egptr(), '\n');
  bytes_ += egptr() - eback();
  setg(buffer_.data(), buffer_.data(), buffer_.data());
  if (stream_ != no_stream) return fill_from_stream();
  const int got = ::gzread(in_.get(), buffer_.data(), bytes_at_once);
  int code = Z_OK;
  const char* said = ::gzerror(in_.get(), &code);
  if (got > 0) {
    setg(buffer_.data(), buffer_.data(), buffer_.data() + got);
    return true;
  }
  const std::string after = " after " + std::to_string(bytes_) + " uncompressed bytes";
  if (code == Z_BUF_ERROR)
    fail("the gzip data ends early", "the end of the file" + after, "download the file again: it is truncated");
  if (code == Z_MEM_ERROR) throw std::bad_alloc();
  if (code == Z_ERRNO)
    fail("the file cannot be read completely", std::strerror(errno), "check the disk, or copy the file again");
  if (got < 0 || code != Z_OK)
    fail("the gzip data is damaged", said + after, "download the file again (gzip -t FILE checks it)");
  return false;
}

// zlib would wait until its buffer is full: whoever asks a row at a time would wait for ever.
bool TextSource::fill_from_stream() {
  ssize_t got = 0;
  do got = ::read(stream_, buffer_.data(), buffer_.size());
  while (got < 0 && errno == EINTR);
  if (got < 0) fail("cannot be read completely", std::strerror(errno), "check what is connected to it");
  setg(buffer_.data(), buffer_.data(), buffer_.data() + got);
  return got > 0;
}

TextSource::int_type TextSource::underflow() {
  if (gptr() == egptr() && !fill()) return traits_type::eof();
  return traits_type::to_int_type(*gptr());
}

bool TextSource::line(std::string& text, std::size_t limit) {
  text.clear();
  if (underflow() == traits_type::eof()) return false;
  while (underflow() != traits_type::eof()) {
    char* const end = std::find(gptr(), egptr(), '\n');
    const std::size_t room = limit + 1 - text.size();
    const bool whole = end != egptr();
    if (static_cast<std::size_t>(end - gptr()) >= room) {
      text.append(gptr(), room);
      return true;
    }
    text.append(gptr(), end);
    setg(eback(), whole ? end + 1 : end, egptr());
    if (whole) break;
  }
  return true;
}

}  // namespace peftbench::data
