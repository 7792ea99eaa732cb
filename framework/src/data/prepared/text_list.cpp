#include "data/prepared/text_list.h"

#include "core/hash.h"
#include "core/random.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <utility>

namespace peftbench::data {

namespace {

class MemoryReader final : public TextStore::Reader {
 public:
  explicit MemoryReader(const std::vector<StoredText>& texts) : texts_(texts) {}
  StoredText at(std::size_t index) override { return texts_.at(index); }

 private:
  const std::vector<StoredText>& texts_;
};

void add(Sha256& hash, std::string_view text) {
  hash.update(std::to_string(text.size()) + ":");  // lengths, so that no two lists of texts run together
  hash.update(text);
}

void add(Sha256& hash, std::int64_t number) { add(hash, std::to_string(number)); }

// All that an example holds, so all that its ids may follow from. More than a task's hash is over (add_example): that
// one has no label, which is its target's place among the label words, and stands in published results as it is.
void add_whole(Sha256& hash, const TextExample& example) {
  add(hash, static_cast<std::int64_t>(example.input.size()));
  for (const Piece& piece : example.input) {
    add(hash, static_cast<std::int64_t>(piece.kind));
    add(hash, piece.name);
    add(hash, piece.text);
    add(hash, piece.slots);
    add(hash, static_cast<std::int64_t>(piece.tokens.size()));
    for (const std::int64_t id : piece.tokens) add(hash, id);
  }
  add(hash, example.target);
  add(hash, static_cast<std::int64_t>(example.label));
  add(hash, static_cast<std::int64_t>(example.references.size()));
  for (const std::string& reference : example.references) add(hash, reference);
  add(hash, example.group);
}

std::size_t bytes_of(const TextExample& example) {
  std::size_t bytes = example.target.size();
  for (const Piece& piece : example.input) bytes += piece.text.size();
  return bytes;
}

}  // namespace

TextStore::~TextStore() = default;
TextStore::Reader::~Reader() = default;

TextsInMemory::TextsInMemory(std::vector<StoredText> texts) : texts_(std::move(texts)) {}
std::size_t TextsInMemory::size() const { return texts_.size(); }
std::unique_ptr<TextStore::Reader> TextsInMemory::reader() const { return std::make_unique<MemoryReader>(texts_); }

TextList::TextList(std::shared_ptr<const TextStore> store) : store_(std::move(store)) {}
TextList::TextList(std::shared_ptr<const TextStore> store, std::vector<std::uint32_t> places)
    : store_(std::move(store)), places_(std::make_shared<const std::vector<std::uint32_t>>(std::move(places))) {}

std::size_t TextList::size() const { return places_ ? places_->size() : store_ ? store_->size() : 0; }

std::size_t TextList::place(std::size_t index) const {
  if (index >= size()) throw std::out_of_range("TextList");
  return places_ ? (*places_)[index] : index;
}

TextExample TextList::operator[](std::size_t index) const {
  const std::size_t at = place(index);
  return store_->reader()->at(at).example;
}

std::string TextList::origin(std::size_t index) const {
  const std::size_t at = place(index);
  return store_->reader()->at(at).origin;
}

TextList TextList::select(const std::vector<std::uint32_t>& places) const {
  std::vector<std::uint32_t> chosen;
  chosen.reserve(places.size());
  for (const std::uint32_t index : places) chosen.push_back(static_cast<std::uint32_t>(place(index)));
  return {store_, std::move(chosen)};
}

std::vector<TextExample> TextList::first(std::size_t count) const {
  std::vector<TextExample> result;
  result.reserve(std::min(count, size()));
  for (Iterator at = begin(); result.size() < std::min(count, size()); ++at) result.push_back(*at);
  return result;
}

std::string_view TextList::place_bytes() const {
  if (!places_) return {};
  return {reinterpret_cast<const char*>(places_->data()), places_->size() * sizeof(std::uint32_t)};
}

std::string TextList::identity() const {
  Sha256 hash;
  if (const std::string key = store_ ? store_->key() : ""; !key.empty()) {
    hash.update(key);
    hash.update(place_bytes());
    return hash.hex();
  }
  for (const TextExample& example : *this) add_whole(hash, example);
  return hash.hex();
}

TextList::Iterator::Iterator(const TextList& list, std::size_t index) : list_(&list), index_(index) {
  if (index < list.size()) reader_ = list.store_->reader();
}

StoredText TextList::Iterator::stored() const { return reader_->at(list_->place(index_)); }

TextList::Iterator& TextList::Iterator::operator++() {
  ++index_;
  return *this;
}

std::vector<TextExample> layout_pool(const TextList& training_set) {
  std::vector<TextExample> pool;
  std::size_t bytes = 0;
  if (training_set.size() <= most_pool_examples) {
    for (TextExample example : training_set) {
      bytes += bytes_of(example);
      if (bytes > most_pool_bytes) break;
      pool.push_back(std::move(example));
    }
    if (pool.size() == training_set.size()) return pool;
    pool.clear();
    bytes = 0;
  }
  std::vector<std::uint32_t> order(training_set.size());
  std::iota(order.begin(), order.end(), std::uint32_t{0});
  Random(stream_seed(0, "layout pool")).shuffle(order);
  order.resize(std::min(order.size(), most_pool_examples));
  for (TextExample example : training_set.select(order)) {
    bytes += bytes_of(example);
    if (bytes > most_pool_bytes && !pool.empty()) break;
    pool.push_back(std::move(example));
  }
  return pool;
}

void add_example(Sha256& hash, const TextExample& example) {
  add(hash, std::to_string(example.input.size()));
  for (const Piece& piece : example.input) add(hash, piece.name), add(hash, piece.text);
  add(hash, example.target);
  if (example.references.empty() && example.group.empty()) return;
  add(hash, std::to_string(example.references.size()));
  for (const std::string& reference : example.references) add(hash, reference);
  add(hash, example.group);
}

}  // namespace peftbench::data
