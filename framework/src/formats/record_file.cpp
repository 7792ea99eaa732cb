#include "formats/record_file.h"

#include "core/json.h"
#include "core/names.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace peftbench::formats {

namespace {

using Json = nlohmann::json;

constexpr std::string_view front_mark = "peftrec2";
constexpr std::uint64_t tail_mark = 0x3130'6365'7274'6670;  // another number on a machine of another byte order
constexpr std::size_t block_bytes = 8 << 10;                // of records, or one that is longer
constexpr std::uint64_t read_whole = 256 << 20;             // files up to this are checked when they are opened
constexpr std::size_t index_words = 3;                      // of a block

std::uint64_t hash_of(std::string_view bytes) {
  return ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
}

template <class T>
std::string_view view(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

template <class T>
std::string_view view(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

struct Tail {
  std::uint64_t offset, size, hash, mark;  // of the directory
};

}  // namespace

RecordWriter::RecordWriter(std::ostream& out, std::string key) : out_(out), key_(std::move(key)) { put(front_mark); }

void RecordWriter::put(std::string_view bytes) {
  out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  offset_ += bytes.size();
}

void RecordWriter::add(std::string_view record) {
  const auto size = static_cast<std::uint32_t>(record.size());
  if (size != record.size()) throw std::length_error("a record of 4 GiB");
  if (block_.size() + sizeof size + record.size() > block_bytes) flush_block();
  block_ += view(size);
  block_ += record;
  ++records_;
}

void RecordWriter::flush_block() {
  if (block_.empty()) return;
  index_.insert(index_.end(), {block_first_, offset_, hash_of(block_)});
  put(block_);
  block_.clear();
  block_first_ = records_;
}

void RecordWriter::finish(const std::vector<RecordSection>& sections) {
  flush_block();
  Json parts = Json::array();
  const auto add_part = [&](const std::string& name, std::string_view bytes) {
    parts.push_back({name, offset_, bytes.size(), hash_of(bytes)});
    put(bytes);
  };
  add_part("index", view(index_));
  for (const RecordSection& section : sections) add_part(section.name, section.bytes);
  const std::string directory = Json{{"key", key_}, {"records", records_}, {"parts", parts}}.dump();
  const Tail tail{offset_, directory.size(), hash_of(directory), tail_mark};
  put(directory);
  put(view(tail));
}

RecordFile::Opened RecordFile::open(const fs::path& path, const std::string& key) {
  OpenedFile opened = open_regular_file(path);
  if (!opened.file.ok())
    return {nullptr, opened.error == ENOENT || opened.error == ENOTDIR ? "" : "cannot be read: " + opened.fault};
  std::shared_ptr<RecordFile> file(new RecordFile(path, opened.file.release()));
  const std::string damage = file->load(key);
  if (!damage.empty()) return {nullptr, damage};
  return {std::move(file), {}};
}

RecordFile::~RecordFile() { ::close(descriptor_); }

bool RecordFile::read(std::uint64_t offset, std::size_t size, char* into) const {
  while (size > 0) {
    const ssize_t got = ::pread(descriptor_, into, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    into += got;
    offset += static_cast<std::uint64_t>(got);
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

const RecordFile::Part* RecordFile::part(const std::string& name) const {
  const auto found = std::find_if(parts_.begin(), parts_.end(), [&](const Part& p) { return p.name == name; });
  return found == parts_.end() ? nullptr : &*found;
}

std::string RecordFile::load_directory(const std::string& key) {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) return "it is not a file";
  bytes_ = static_cast<std::uint64_t>(status.st_size);
  Tail tail{};
  if (bytes_ < front_mark.size() + sizeof tail) return "it is too short";
  std::string front(front_mark.size(), '\0');
  if (!read(0, front.size(), front.data()) || front != front_mark) return "its header is invalid";
  if (!read(bytes_ - sizeof tail, sizeof tail, reinterpret_cast<char*>(&tail)) || tail.mark != tail_mark)
    return "its footer is missing";
  const std::uint64_t most = bytes_ - sizeof tail;
  if (tail.size > most || tail.offset > most - tail.size) return "its directory has an invalid position";
  std::string text(tail.size, '\0');
  if (!read(tail.offset, text.size(), text.data()) || hash_of(text) != tail.hash) return "its directory is damaged";
  try {
    const Json directory = parse_json<Json>(text, path_.string());
    key_ = directory.at("key").get<std::string>();
    records_ = directory.at("records").get<std::uint64_t>();
    for (const Json& part : directory.at("parts")) {
      parts_.push_back({part.at(0).get<std::string>(), part.at(1).get<std::uint64_t>(), part.at(2).get<std::uint64_t>(),
                        part.at(3).get<std::uint64_t>()});
      if (parts_.back().size > most || parts_.back().offset > most - parts_.back().size)
        return "a part of it is missing";
    }
  } catch (const DataError&) {
    return "its directory is damaged";
  } catch (const Json::exception&) {
    return "its directory is damaged";
  }
  return key_ == key ? "" : "it was made from something else";
}

std::string RecordFile::load(const std::string& key) {
  if (std::string damage = load_directory(key); !damage.empty()) return damage;
  const Part* index = part("index");
  if (!index || index->size % (index_words * sizeof(std::uint64_t)) != 0) return "its index is damaged";
  index_.resize(index->size / sizeof(std::uint64_t));
  if (!read(index->offset, index->size, reinterpret_cast<char*>(index_.data())) || hash_of(view(index_)) != index->hash)
    return "its index is damaged";
  end_of_blocks_ = index->offset;
  if (bytes_ > read_whole) return "";
  std::string bytes;
  for (std::size_t block = 0; block < index_.size() / index_words; ++block)
    if (!read_block(block, bytes)) return "a block of it is damaged";
  for (const Part& part : parts_) {
    bytes.resize(part.size);
    if (!read(part.offset, part.size, bytes.data()) || hash_of(bytes) != part.hash) return "a part of it is damaged";
  }
  return "";
}

bool RecordFile::read_block(std::size_t block, std::string& bytes) const {
  const std::size_t at = block * index_words;
  const std::uint64_t offset = index_[at + 1];
  const std::uint64_t end = at + index_words < index_.size() ? index_[at + index_words + 1] : end_of_blocks_;
  if (end < offset || end > bytes_) return false;
  bytes.resize(end - offset);
  return read(offset, bytes.size(), bytes.data()) && hash_of(bytes) == index_[at + 2];
}

void RecordFile::fail(const std::string& found) const {
  std::error_code ignored;
  fs::remove(path_, ignored);
  throw DataError(Problem{"a file of prepared data is damaged: " + path_.string(), found, "an unchanged file",
                          "run the same command again: the file was removed and will be rebuilt"});
}

std::string RecordFile::section(const std::string& name) const {
  const Part* found = part(name);
  if (!found) fail("the section '" + name + "' is missing");
  std::string bytes(found->size, '\0');
  if (!read(found->offset, bytes.size(), bytes.data()) || hash_of(bytes) != found->hash)
    fail("the section '" + name + "' is damaged");
  return bytes;
}

std::vector<std::uint32_t> RecordFile::numbers(const std::string& name) const {
  const Part* found = part(name);
  if (!found || found->size % sizeof(std::uint32_t) != 0) fail("the section '" + name + "' is not a list of numbers");
  std::vector<std::uint32_t> values(found->size / sizeof(std::uint32_t));
  if (!read(found->offset, found->size, reinterpret_cast<char*>(values.data())) || hash_of(view(values)) != found->hash)
    fail("the section '" + name + "' is damaged");
  return values;
}

std::string_view RecordFile::Cursor::at(std::uint64_t record) {
  if (record >= file_.records_) throw std::out_of_range("RecordFile");
  if (record < first_ || record >= end_) {
    std::size_t low = 0, high = file_.index_.size() / index_words;  // the block lies in [low, high)
    while (low + 1 < high) {
      const std::size_t middle = (low + high) / 2;
      (file_.index_[middle * index_words] <= record ? low : high) = middle;
    }
    end_ = 0;  // nothing is held until it is read
    if (high == 0 || !file_.read_block(low, block_)) file_.fail("a block of records is damaged");
    first_ = next_ = file_.index_[low * index_words];
    const std::size_t after = (low + 1) * index_words;
    end_ = after < file_.index_.size() ? file_.index_[after] : file_.records_;
    position_ = 0;
  } else if (record < next_) {
    next_ = first_;
    position_ = 0;
  }
  for (;;) {
    std::uint32_t size = 0;
    if (position_ + sizeof size > block_.size()) file_.fail("a block of records is too short");
    std::memcpy(&size, block_.data() + position_, sizeof size);
    position_ += sizeof size;
    if (size > block_.size() - position_) file_.fail("a record is longer than its block");
    const std::string_view bytes(block_.data() + position_, size);
    position_ += size;
    if (next_++ == record) return bytes;
  }
}

}  // namespace peftbench::formats
