#pragma once

#include "core/hash.h"
#include "data/layer.h"

#include <peftbench/layout.h>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace peftbench::data {

// An example and where it stood, "file:line".
struct StoredText {
  TextExample example;
  std::string origin;
};

// Texts of a task's rows, in memory or in a file. Threads may read at once, each with a reader of its own.
class TextStore {
 public:
  virtual ~TextStore();
  virtual std::size_t size() const = 0;
  class Reader {
   public:
    virtual ~Reader();
    virtual StoredText at(std::size_t index) = 0;  // cheapest in order
  };
  virtual std::unique_ptr<Reader> reader() const = 0;  // not longer than the store
  virtual std::string key() const { return {}; }       // equal for stores of equal texts; empty if it has none
};

class TextsInMemory final : public TextStore {
 public:
  explicit TextsInMemory(std::vector<StoredText> texts);
  std::size_t size() const override;
  std::unique_ptr<Reader> reader() const override;

 private:
  std::vector<StoredText> texts_;
};

// Some texts of a store, in an order. Copies share the store.
class TextList {
 public:
  TextList() = default;
  explicit TextList(std::shared_ptr<const TextStore> store);  // all of them
  TextList(std::shared_ptr<const TextStore> store, std::vector<std::uint32_t> places);

  std::size_t size() const;
  bool empty() const { return size() == 0; }
  TextExample operator[](std::size_t index) const;
  TextExample front() const { return (*this)[0]; }
  std::string origin(std::size_t index) const;
  // These of the list's examples, in this order.
  TextList select(const std::vector<std::uint32_t>& places) const;
  std::vector<TextExample> first(std::size_t count) const;  // in memory; all if there are fewer
  std::string_view place_bytes() const;                     // of a list made with places, for a file
  // Equal for lists of equal examples alone: from the store's key where it has one, else a hash over all they hold.
  std::string identity() const;

  // One pass; each example is made as it is looked at.
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = TextExample;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = TextExample;
    Iterator() = default;
    Iterator(const TextList& list, std::size_t index);
    TextExample operator*() const { return stored().example; }
    StoredText stored() const;
    Iterator& operator++();
    void operator++(int) { ++*this; }
    bool operator==(const Iterator& other) const { return index_ == other.index_; }

   private:
    const TextList* list_ = nullptr;
    std::shared_ptr<TextStore::Reader> reader_;
    std::size_t index_ = 0;
  };
  Iterator begin() const { return Iterator(*this, 0); }
  Iterator end() const { return Iterator(*this, size()); }

 private:
  std::size_t place(std::size_t index) const;
  std::shared_ptr<const TextStore> store_;
  std::shared_ptr<const std::vector<std::uint32_t>> places_;  // null: all of the store
};

// What a layout hook may draw from: all training examples, or of very many some, the same on every machine.
std::vector<TextExample> layout_pool(const TextList& training_set);
inline constexpr std::size_t most_pool_examples = 65'536;
inline constexpr std::size_t most_pool_bytes = std::size_t{64} << 20;  // of text

// Adds all of an example that its task's hash is over.
void add_example(Sha256& hash, const TextExample& example);

}  // namespace peftbench::data
