#include "pretrain/corpus.h"

#include "core/hash.h"
#include "core/names.h"
#include "core/write_files.h"

#include <peftbench/error.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

namespace peftbench {

namespace {

// The file, all numbers little-endian: 8 bytes "PBCORP01", 64 of the key, the ids (padded to 8 bytes), where each
// document starts, the hash of each document's text, then this trailer.
constexpr std::string_view magic = "PBCORP01";
struct Trailer {
  std::uint64_t documents, tokens, id_bytes;
  char checksum[64];  // SHA-256 of all before the trailer, and of its numbers
};
constexpr std::size_t header_size = 8 + 64;
static_assert(sizeof(Trailer) == 88);

constexpr std::size_t batch_bytes = 4u << 20;  // of text, tokenized by the threads at a time

std::uint64_t padded(std::uint64_t bytes) { return bytes + (8 - bytes % 8) % 8; }

std::uint64_t number_at(const std::byte* array, int64_t index) {
  std::uint64_t value;
  std::memcpy(&value, array + 8 * index, sizeof value);
  return value;
}

std::uint64_t hash_of(const std::string& text) {
  const std::string hex = sha256(text);
  return std::stoull(hex.substr(0, 16), nullptr, 16);
}

std::string key_of(const Documents& source, const Tokenizer& tokenizer) {
  Sha256 hash;
  hash.update(magic);
  hash.update(tokenizer.hash());
  for (const fs::path& path : source.files) {
    const auto file = MappedFile::open(path);
    const std::string ending = path.extension().string();  // which says how to read it
    hash.update(ending + ":" + std::to_string(file->size()) + "\n");
    for (std::size_t at = 0; at < file->size(); at += batch_bytes) {
      const std::size_t count = std::min(batch_bytes, file->size() - at);
      hash.update(file->data() + at, count);
      file->let_go(file->data() + at, count);
    }
  }
  return hash.hex();
}

// Writes ids as they come and remembers where documents start.
class Writer {
 public:
  Writer(std::ostream& out, const std::string& key, bool wide) : out_(out), wide_(wide) {
    put(magic.data(), magic.size());
    put(key.data(), key.size());
  }
  void document(const std::vector<int64_t>& ids, std::uint64_t hash) {
    bytes_.clear();
    for (const int64_t id : ids) {
      const auto value = static_cast<std::uint32_t>(id);
      bytes_.append(reinterpret_cast<const char*>(&value), wide_ ? 4 : 2);
    }
    put(bytes_.data(), bytes_.size());
    starts_.push_back(starts_.back() + ids.size());
    hashes_.push_back(hash);
  }
  void finish() {
    Trailer trailer{hashes_.size(), starts_.back(), wide_ ? 4u : 2u, {}};
    const std::array<char, 8> padding{};
    const std::uint64_t ids = trailer.tokens * trailer.id_bytes;
    put(padding.data(), padded(ids) - ids);
    put(starts_.data(), 8 * starts_.size());
    put(hashes_.data(), 8 * hashes_.size());
    sum_.update(&trailer, 24);
    const std::string checksum = sum_.hex();
    std::memcpy(trailer.checksum, checksum.data(), sizeof trailer.checksum);
    out_.write(reinterpret_cast<const char*>(&trailer), sizeof trailer);
  }
  std::uint64_t tokens() const { return starts_.back(); }
  std::size_t documents() const { return hashes_.size(); }

 private:
  void put(const void* data, std::size_t bytes) {
    if (bytes == 0) return;
    sum_.update(data, bytes);
    out_.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  }
  std::ostream& out_;
  bool wide_;
  Sha256 sum_;
  std::string bytes_;
  std::vector<std::uint64_t> starts_ = {0}, hashes_;
};

struct Document {
  std::string text;
  std::vector<int64_t> ids;
  std::uint64_t hash = 0;
};

// A sentinel that a text writes out, in a page on T5 say, is to be read as words: the objectives write the real ones.
std::string without_sentinels(std::string text) {
  for (std::size_t at = 0; (at = text.find("<extra_id_", at)) != std::string::npos; ++at) text.insert(at + 1, 1, ' ');
  return text;
}

// Documents in their order, by threads that each take the next one that nobody has.
void tokenize(std::vector<Document>& batch, const Tokenizer& tokenizer, int threads) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex failing;
  const auto work = [&] {
    try {
      for (std::size_t i = next++; i < batch.size(); i = next++) {
        batch[i].hash = hash_of(batch[i].text);
        batch[i].ids = tokenizer.encode(without_sentinels(std::move(batch[i].text)));
      }
    } catch (...) {
      const std::lock_guard lock(failing);
      failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (int i = 1; i < threads && static_cast<std::size_t>(i) < batch.size(); ++i) helpers.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
}

void make(const fs::path& path, const std::string& key, const Documents& source, const Tokenizer& tokenizer,
          const CorpusOptions& options) {
  ProgressSink& progress = options.progress != nullptr ? *options.progress : silent_progress();
  make_folder(path.parent_path());
  remove_unfinished(path.parent_path());
  write_atomically(path, [&](std::ostream& out) {
    Writer writer(out, key, tokenizer.size() > 65536);
    DocumentReader reader(source);
    for (bool more = true; more;) {
      std::vector<Document> batch;
      for (std::size_t bytes = 0; bytes < batch_bytes && (more = reader.next()); bytes += reader.text().size()) {
        batch.push_back({reader.text(), {}, 0});
      }
      tokenize(batch, tokenizer, options.threads);
      for (const Document& document : batch) {
        if (!document.ids.empty()) writer.document(document.ids, document.hash);
      }
      progress.update({"tokenize " + source.name, static_cast<std::int64_t>(writer.documents()), 0,
                       with_thousands(static_cast<long long>(writer.tokens())) + " tokens"});
    }
    if (writer.tokens() == 0) {
      throw DataError(Problem{"the text '" + source.name + "' is empty",
                              std::to_string(source.files.size()) + " files without words",
                              "documents",
                              {}});
    }
    writer.finish();
  });
}

}  // namespace

std::shared_ptr<Corpus> Corpus::read(const fs::path& path, const std::string& key) {
  if (!file_exists(path)) return nullptr;
  const auto file = MappedFile::open(path);
  Trailer trailer;
  if (file->size() < header_size + sizeof trailer) return nullptr;
  const std::size_t body = file->size() - sizeof trailer;
  std::memcpy(&trailer, file->data() + body, sizeof trailer);
  if (!file->text().starts_with(std::string(magic) + key)) return nullptr;
  Sha256 sum;
  for (std::size_t at = 0; at < body; at += batch_bytes) {
    const std::size_t count = std::min(batch_bytes, body - at);
    sum.update(file->data() + at, count);
    file->let_go(file->data() + at, count);
  }
  sum.update(&trailer, 24);
  if (sum.hex() != std::string_view(trailer.checksum, sizeof trailer.checksum)) return nullptr;
  // Anyone can write a checksum: the numbers are to fit the file all the same.
  const bool counted =
      trailer.documents < body / 16 && trailer.tokens < body && (trailer.id_bytes == 2 || trailer.id_bytes == 4);
  if (!counted || header_size + padded(trailer.tokens * trailer.id_bytes) + 16 * trailer.documents + 8 != body)
    return nullptr;
  std::shared_ptr<Corpus> corpus(new Corpus);
  corpus->documents_ = static_cast<int64_t>(trailer.documents);
  corpus->wide_ = trailer.id_bytes == 4;
  corpus->ids_ = file->data() + header_size;
  corpus->hashes_ = file->data() + body - 8 * trailer.documents;
  corpus->starts_ = corpus->hashes_ - 8 * (trailer.documents + 1);
  std::uint64_t before = 0;
  for (std::uint64_t i = 0; i <= trailer.documents; ++i) {
    const std::uint64_t start = number_at(corpus->starts_, static_cast<int64_t>(i));
    if (start < before || start > trailer.tokens) return nullptr;
    before = start;
  }
  corpus->file_ = file;
  corpus->key_ = key;
  return corpus;
}

std::shared_ptr<const Corpus> Corpus::open(const Documents& source, const Tokenizer& tokenizer,
                                           const CorpusOptions& options) {
  const std::string key = key_of(source, tokenizer);
  const fs::path path = options.cache / (key.substr(0, 32) + ".corpus");
  std::shared_ptr<Corpus> corpus = read(path, key);
  if (!corpus) {
    make(path, key, source, tokenizer, options);
    corpus = read(path, key);
  }
  if (!corpus) {
    throw Error(Problem{"cannot read back " + path.string(), "other bytes than were written", {}, "check the disk"});
  }
  corpus->name_ = source.name;
  return corpus;
}

int64_t Corpus::tokens() const { return static_cast<int64_t>(number_at(starts_, documents_)); }

int64_t Corpus::length(int64_t document) const {
  return static_cast<int64_t>(number_at(starts_, document + 1) - number_at(starts_, document));
}

void Corpus::append(int64_t document, int64_t begin, int64_t count, std::vector<int64_t>& ids) const {
  const std::size_t first = number_at(starts_, document) + static_cast<std::size_t>(begin);
  const std::size_t width = wide_ ? 4 : 2;
  ids.reserve(ids.size() + static_cast<std::size_t>(count));
  for (std::size_t i = first; i < first + static_cast<std::size_t>(count); ++i) {
    std::uint32_t id = 0;
    std::memcpy(&id, ids_ + i * width, width);
    ids.push_back(id);
  }
}

uint64_t Corpus::text_hash(int64_t document) const { return number_at(hashes_, document); }

bool Corpus::held_out(int64_t document, double fraction) const {
  return std::ldexp(static_cast<double>(text_hash(document)), -64) < fraction;
}

}  // namespace peftbench
