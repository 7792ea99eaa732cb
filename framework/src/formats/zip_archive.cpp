#include "formats/zip_archive.h"

#include "core/utf8.h"

#include <peftbench/error.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace peftbench::formats {

namespace {

constexpr std::uint32_t end_signature = 0x06054b50, end64_signature = 0x06064b50, locator_signature = 0x07064b50,
                        entry_signature = 0x02014b50, local_signature = 0x04034b50;
constexpr std::size_t end_size = 22, locator_size = 20, longest_comment = 0xffff;

// Little-endian fields at offsets that the file itself gives, so each is checked.
class Fields {
 public:
  explicit Fields(const MappedFile& file) : file_(file) {}

  std::uint16_t u16(std::uint64_t at) const { return read<std::uint16_t>(at); }
  std::uint32_t u32(std::uint64_t at) const { return read<std::uint32_t>(at); }
  std::uint64_t u64(std::uint64_t at) const { return read<std::uint64_t>(at); }

  std::string_view span(std::uint64_t at, std::uint64_t size) const {
    const std::uint64_t all = file_.size();
    if (at > all || size > all - at) refuse("a part of the archive is outside the file");
    return file_.text().substr(at, size);
  }

  [[noreturn]] void refuse(const std::string& found) const {
    throw CheckpointError(Problem{file_.path().string() + " is damaged", found, "a zip archive written by torch.save",
                                  "the file may be truncated: download it again"});
  }

 private:
  template <class T>
  T read(std::uint64_t at) const {
    T value;
    std::memcpy(&value, span(at, sizeof value).data(), sizeof value);
    return value;
  }
  const MappedFile& file_;
};

struct Directory {
  std::uint64_t entries, offset;
};

Directory find_directory(const MappedFile& file, const Fields& fields) {
  // The end record is last but for a comment.
  if (file.size() < end_size) fields.refuse("a file too short for an archive");
  const std::uint64_t last = file.size() - end_size;
  const std::uint64_t first = last - std::min<std::uint64_t>(last, longest_comment);
  std::uint64_t end = last;
  while (fields.u32(end) != end_signature) {
    if (end == first) fields.refuse("no end-of-archive record");
    --end;
  }
  const Directory directory{fields.u16(end + 10), fields.u32(end + 16)};
  const bool big = end >= locator_size && fields.u32(end - locator_size) == locator_signature;
  if (!big) return directory;
  const std::uint64_t end64 = fields.u64(end - locator_size + 8);
  if (fields.u32(end64) != end64_signature) fields.refuse("a Zip64 locator with an invalid offset");
  if (end64 > file.size() - 56) fields.refuse("a truncated Zip64 record");
  return {fields.u64(end64 + 32), fields.u64(end64 + 48)};
}

struct ZipEntry {
  std::uint64_t size, packed, header;
};

// Fields that do not fit 32 bits stand in an extra field, in this order and only those that are needed.
void widen(ZipEntry& entry, std::string_view extra, const Fields& fields) {
  while (extra.size() >= 4) {
    std::uint16_t id, size;
    std::memcpy(&id, extra.data(), 2);
    std::memcpy(&size, extra.data() + 2, 2);
    extra.remove_prefix(4);
    if (size > extra.size()) return;  // padding of other writers
    std::string_view wide = extra.substr(0, size);
    extra.remove_prefix(size);
    if (id != 1) continue;
    for (std::uint64_t* field : {&entry.size, &entry.packed, &entry.header}) {
      if (*field != 0xffffffff) continue;
      if (wide.size() < 8) fields.refuse("a truncated Zip64 field");
      std::memcpy(field, wide.data(), 8);
      wide.remove_prefix(8);
    }
  }
}

}  // namespace

std::map<std::string, std::string_view> read_stored_zip(const MappedFile& file) {
  const Fields fields(file);
  const Directory directory = find_directory(file, fields);
  std::map<std::string, std::string_view> result;
  std::uint64_t at = directory.offset;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    if (fields.u32(at) != entry_signature) fields.refuse("an invalid directory entry");
    const std::uint64_t name_size = fields.u16(at + 28), extra_size = fields.u16(at + 30),
                        comment_size = fields.u16(at + 32);
    const std::string name(fields.span(at + 46, name_size));
    ZipEntry entry{fields.u32(at + 24), fields.u32(at + 20), fields.u32(at + 42)};
    widen(entry, fields.span(at + 46 + name_size, extra_size), fields);
    if (fields.u16(at + 10) != 0 || entry.size != entry.packed || (fields.u16(at + 8) & 1) != 0) {
      fields.refuse("entry '" + printable(name) + "' is compressed or encrypted");
    }
    const std::string_view local = fields.span(entry.header, 30);
    if (fields.u32(entry.header) != local_signature) fields.refuse("entry '" + printable(name) + "' has no header");
    const std::uint64_t skip = local.size() + fields.u16(entry.header + 26) + fields.u16(entry.header + 28);
    fields.span(entry.header, skip);
    if (!result.emplace(name, fields.span(entry.header + skip, entry.size)).second) {
      fields.refuse("entry '" + printable(name) + "' is duplicated");
    }
    at += 46 + name_size + extra_size + comment_size;
  }
  return result;
}

}  // namespace peftbench::formats
