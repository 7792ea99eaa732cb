#include "pretrain/corpus.h"

#include "core/hash.h"
#include "core/names.h"
#include "core/write_files.h"

#include <peftbench/error.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

namespace peftbench::pretrain {

namespace {

// A record holds this many ids of the whole text, whatever documents they are of; the last one may hold fewer. The
// sections: the place of each document's first id, the hash of each document's text, and the bytes of an id.
constexpr std::uint64_t ids_in_record = 4096;
constexpr const char* starts_section = "starts";
constexpr const char* hashes_section = "hashes";
constexpr const char* width_section = "bytes of an id";

constexpr std::size_t batch_bytes = 4u << 20;  // of text, tokenized by the threads at a time

std::string_view view(const std::vector<std::uint64_t>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), 8 * numbers.size()};
}

std::vector<std::uint64_t> numbers_in(const std::string& bytes) {
  std::vector<std::uint64_t> numbers(bytes.size() / 8);
  std::memcpy(numbers.data(), bytes.data(), 8 * numbers.size());
  return numbers;
}

std::uint64_t hash_of(const std::string& text) {
  const std::string hex = sha256(text);
  return std::stoull(hex.substr(0, 16), nullptr, 16);
}

std::string key_of(const Documents& source, const Tokenizer& tokenizer) {
  Sha256 hash;
  hash.update("PBCORP01");
  hash.update(tokenizer.hash());
  for (const fs::path& path : source.files) {
    const auto file = MappedFile::open(path);
    const std::string ending = path.extension().string();  // which says how to read it
    hash.update(ending + ":" + std::to_string(file->size()) + "\n");
    for (std::size_t at = 0; at < file->size(); at += batch_bytes) {
      const std::size_t count = std::min(batch_bytes, file->size() - at);
      hash.update(file->data() + at, count);
      file->release_pages(file->data() + at, count);
    }
  }
  return hash.hex();
}

// Writes ids as they come and remembers where documents start.
class Writer {
 public:
  Writer(std::ostream& out, const std::string& key, bool wide) : records_(out, key), width_(wide ? 4 : 2) {}
  void document(const std::vector<int64_t>& ids, std::uint64_t hash) {
    for (const int64_t id : ids) {
      const auto value = static_cast<std::uint32_t>(id);
      bytes_.append(reinterpret_cast<const char*>(&value), width_);  // little-endian, as RecordFile checks
      if (bytes_.size() == ids_in_record * width_) flush();
    }
    starts_.push_back(starts_.back() + ids.size());
    hashes_.push_back(hash);
  }
  void finish() {
    if (!bytes_.empty()) flush();
    const std::string width = std::to_string(width_);
    records_.finish({{starts_section, view(starts_)}, {hashes_section, view(hashes_)}, {width_section, width}});
  }
  std::uint64_t tokens() const { return starts_.back(); }
  std::size_t documents() const { return hashes_.size(); }

 private:
  void flush() {
    records_.add(bytes_);
    bytes_.clear();
  }
  RecordWriter records_;
  std::size_t width_;
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
      throw DataError(Problem{.what = "the text '" + source.name + "' is empty",
                              .found = std::to_string(source.files.size()) + " files without words",
                              .expected = "documents"});
    }
    writer.finish();
  });
}

}  // namespace

std::shared_ptr<Corpus> Corpus::read(const fs::path& path, const std::string& key) try {
  std::shared_ptr<Corpus> corpus(new Corpus);
  corpus->file_ = RecordFile::open(path, key).file;
  if (!corpus->file_) return nullptr;
  corpus->path_ = path;
  corpus->key_ = key;
  corpus->starts_ = numbers_in(corpus->file_->section(starts_section));
  corpus->hashes_ = numbers_in(corpus->file_->section(hashes_section));
  const std::string width = corpus->file_->section(width_section);
  corpus->width_ = width == "4" ? 4 : 2;
  // Anyone can write a checksum: the numbers are to fit the file all the same.
  const std::vector<std::uint64_t>& starts = corpus->starts_;
  const bool fits = (width == "2" || width == "4") && starts.size() == corpus->hashes_.size() + 1 && starts[0] == 0 &&
                    std::is_sorted(starts.begin(), starts.end()) &&
                    corpus->file_->size() == (starts.back() + ids_in_record - 1) / ids_in_record;
  return fits ? corpus : nullptr;
} catch (const DataError&) {  // a section that is damaged or missing
  return nullptr;
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
    throw Error(Problem{.what = "cannot read back " + path.string(),
                        .found = "other bytes than were written",
                        .remedy = "check the disk"});
  }
  corpus->name_ = source.name;
  return corpus;
}

int64_t Corpus::documents() const { return static_cast<int64_t>(hashes_.size()); }
int64_t Corpus::tokens() const { return static_cast<int64_t>(starts_.back()); }
uint64_t Corpus::text_hash(int64_t document) const { return hashes_[static_cast<std::size_t>(document)]; }

int64_t Corpus::length(int64_t document) const {
  const auto d = static_cast<std::size_t>(document);
  return static_cast<int64_t>(starts_[d + 1] - starts_[d]);
}

void Corpus::append(int64_t document, int64_t begin, int64_t count, std::vector<int64_t>& ids) const {
  std::uint64_t at = starts_[static_cast<std::size_t>(document)] + static_cast<std::uint64_t>(begin);
  const std::uint64_t end = at + static_cast<std::uint64_t>(count);
  ids.reserve(ids.size() + static_cast<std::size_t>(count));
  RecordFile::Cursor cursor(*file_);
  while (at < end) {
    const std::string_view record = cursor.at(at / ids_in_record);
    const std::uint64_t first = at - at % ids_in_record, stop = std::min(end, first + ids_in_record);
    if (record.size() < (stop - first) * width_) file_->fail("a record of ids is too short");
    for (; at < stop; ++at) {
      std::uint32_t id = 0;
      std::memcpy(&id, record.data() + (at - first) * width_, width_);
      ids.push_back(id);
    }
  }
}

bool Corpus::held_out(int64_t document, double fraction) const {
  return std::ldexp(static_cast<double>(text_hash(document)), -64) < fraction;
}

}  // namespace peftbench::pretrain
