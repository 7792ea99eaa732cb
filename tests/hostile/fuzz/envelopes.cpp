// What stands around the formats: lengths, checksums and packings, made right again after a mutation.
#include "core/hash.h"
#include "fuzz/target.h"
#include "support/layers.h"

#include <zlib.h>

#include <cstring>
#include <functional>

namespace peftbench::hostile {

using namespace layers;

namespace {

template <class T>
T number_at(std::string_view bytes, std::size_t at) {
  T value{};
  if (at + sizeof value <= bytes.size()) std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

template <class T>
void append(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// safetensors: 8 bytes of length, the header, the data.
std::string open_safetensors(std::string_view bytes) {
  const auto size = number_at<std::uint64_t>(bytes, 0);
  return bytes.size() < 8 || size > bytes.size() - 8 ? std::string() : std::string(bytes.substr(8, size));
}
std::string close_safetensors(std::string_view bytes, std::string_view header) {
  std::string result;
  append<std::uint64_t>(result, header.size());
  result += header;
  return result.append(bytes.substr(8 + number_at<std::uint64_t>(bytes, 0)));
}

// npy, version 1: magic, version, 2 bytes of length, the header, the data.
std::string open_npy(std::string_view bytes) {
  const std::size_t size = number_at<std::uint16_t>(bytes, 8);
  return bytes.size() < 10 + size || bytes[6] != 1 ? std::string() : std::string(bytes.substr(10, size));
}
std::string close_npy(std::string_view bytes, std::string_view header) {
  const bool wide = header.size() > 0xffff;
  std::string result(bytes.substr(0, 6));
  result += std::string_view(wide ? "\x02\0" : "\x01\0", 2);
  if (wide)
    append<std::uint32_t>(result, static_cast<std::uint32_t>(header.size()));
  else
    append<std::uint16_t>(result, static_cast<std::uint16_t>(header.size()));
  result += header;
  return result.append(bytes.substr(10 + number_at<std::uint16_t>(bytes, 8)));
}

// gzip.
std::string open_gzip(std::string_view bytes) {
  z_stream stream{};
  if (inflateInit2(&stream, 31) != Z_OK) return {};
  std::string text(1 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  const int status = inflate(&stream, Z_FINISH);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  return status == Z_STREAM_END ? text : std::string();
}
std::string close_gzip(std::string_view, std::string_view text) {
  z_stream stream{};
  if (deflateInit2(&stream, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK) return {};
  std::string bytes(deflateBound(&stream, text.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_out = static_cast<uInt>(bytes.size());
  deflate(&stream, Z_FINISH);
  bytes.resize(stream.total_out);
  deflateEnd(&stream);
  return bytes;
}

// torch.save: a zip of stored entries, of which the one named data.pkl is mutated. Sizes, checksum and the places in
// the directory are made right.
struct ZipEntry {
  std::string name, data;
};
std::vector<ZipEntry> zip_entries(std::string_view bytes) {
  std::vector<ZipEntry> entries;
  const std::size_t end = bytes.rfind("PK\x05\x06");
  if (end == std::string_view::npos || end + 22 > bytes.size()) return {};
  std::size_t at = number_at<std::uint32_t>(bytes, end + 16);
  for (int i = number_at<std::uint16_t>(bytes, end + 10); i > 0; --i) {
    if (at + 46 > bytes.size()) return {};
    const std::size_t size = number_at<std::uint32_t>(bytes, at + 24), name = number_at<std::uint16_t>(bytes, at + 28);
    const std::size_t local = number_at<std::uint32_t>(bytes, at + 42);
    const std::size_t data =
        local + 30 + number_at<std::uint16_t>(bytes, local + 26) + number_at<std::uint16_t>(bytes, local + 28);
    if (data > bytes.size() || size > bytes.size() - data || at + 46 + name > bytes.size()) return {};
    entries.push_back({std::string(bytes.substr(at + 46, name)), std::string(bytes.substr(data, size))});
    at += 46 + name + number_at<std::uint16_t>(bytes, at + 30) + number_at<std::uint16_t>(bytes, at + 32);
  }
  return entries;
}
std::string open_zip(std::string_view bytes) {
  for (const ZipEntry& entry : zip_entries(bytes))
    if (entry.name.ends_with("data.pkl")) return entry.data;
  return {};
}
void put_common(std::string& out, const ZipEntry& entry) {
  append<std::uint16_t>(out, 0);  // flags
  append<std::uint16_t>(out, 0);  // stored
  append<std::uint32_t>(out, 0);  // time
  append<std::uint32_t>(out, static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(entry.data.data()),
                                                              static_cast<uInt>(entry.data.size()))));
  append<std::uint32_t>(out, static_cast<std::uint32_t>(entry.data.size()));
  append<std::uint32_t>(out, static_cast<std::uint32_t>(entry.data.size()));
  append<std::uint16_t>(out, static_cast<std::uint16_t>(entry.name.size()));
}
std::string close_zip(std::string_view bytes, std::string_view pickle) {
  std::string out, directory;
  std::vector<ZipEntry> entries = zip_entries(bytes);
  for (ZipEntry& entry : entries) {
    if (entry.name.ends_with("data.pkl")) entry.data = pickle;
    const std::size_t local = out.size();
    out += "PK\x03\x04";
    append<std::uint16_t>(out, 20);
    put_common(out, entry);
    const std::size_t padding = (64 - (out.size() + 2 + entry.name.size()) % 64) % 64;  // as PyTorch aligns tensors
    append<std::uint16_t>(out, static_cast<std::uint16_t>(padding));
    out += entry.name + std::string(padding, 'Z') + entry.data;
    directory += "PK\x01\x02";
    append<std::uint32_t>(directory, 20 << 16 | 20);
    put_common(directory, entry);
    directory.append(12, '\0');
    append<std::uint32_t>(directory, static_cast<std::uint32_t>(local));
    directory += entry.name;
  }
  const auto count = static_cast<std::uint16_t>(entries.size());
  const auto place = static_cast<std::uint32_t>(out.size());
  out += directory + "PK\x05\x06" + std::string(4, '\0');
  append(out, count);
  append(out, count);
  append(out, static_cast<std::uint32_t>(directory.size()));
  append(out, place);
  return out + std::string(2, '\0');
}

// Prepared data (formats/record_file.cpp): the directory is JSON, with its place, size and hash behind it.
std::string open_records(std::string_view bytes) {
  if (bytes.size() < 32) return {};
  const auto offset = number_at<std::uint64_t>(bytes, bytes.size() - 32);
  const auto size = number_at<std::uint64_t>(bytes, bytes.size() - 24);
  return offset > bytes.size() || size > bytes.size() - offset ? std::string()
                                                               : std::string(bytes.substr(offset, size));
}
std::string close_records(std::string_view bytes, std::string_view directory) {
  const auto offset = number_at<std::uint64_t>(bytes, bytes.size() - 32);
  std::string result(bytes.substr(0, offset));
  result += directory;
  append<std::uint64_t>(result, offset);
  append<std::uint64_t>(result, directory.size());
  append<std::uint64_t>(result, std::hash<std::string_view>()(directory));
  return result.append(bytes.substr(bytes.size() - 8));
}

// A text as ids (pretrain/corpus.cpp): all but the key in front and the SHA-256 at the end.
constexpr std::size_t corpus_front = 72, corpus_sum = 64;
std::string open_corpus(std::string_view bytes) {
  return bytes.size() < corpus_front + corpus_sum + 24
             ? std::string()
             : std::string(bytes.substr(corpus_front, bytes.size() - corpus_front - corpus_sum));
}
std::string close_corpus(std::string_view bytes, std::string_view body) {
  std::string result(bytes.substr(0, corpus_front));
  result += body;
  return result + sha256(result);
}

// Parquet: the footer is Thrift, with its length and "PAR1" behind it.
std::string open_parquet_footer(std::string_view bytes) {
  if (bytes.size() < 12) return {};
  const auto size = number_at<std::uint32_t>(bytes, bytes.size() - 8);
  return size > bytes.size() - 12 ? std::string() : std::string(bytes.substr(bytes.size() - 8 - size, size));
}
std::string close_parquet(std::string_view bytes, std::string_view footer) {
  const auto size = number_at<std::uint32_t>(bytes, bytes.size() - 8);
  std::string result(bytes.substr(0, bytes.size() - 8 - size));
  result += footer;
  append<std::uint32_t>(result, static_cast<std::uint32_t>(footer.size()));
  return result + "PAR1";
}

}  // namespace

const Envelope safetensors_header{Syntax::json, open_safetensors, close_safetensors};
const Envelope npy_header{Syntax::json, open_npy, close_npy};
const Envelope zip_pickle{Syntax::bytes, open_zip, close_zip};
const Envelope gzip_text{Syntax::json, open_gzip, close_gzip};
const Envelope record_directory{Syntax::json, open_records, close_records};
const Envelope corpus_trailer{Syntax::bytes, open_corpus, close_corpus};
const Envelope parquet_footer{Syntax::bytes, open_parquet_footer, close_parquet};

}  // namespace peftbench::hostile
