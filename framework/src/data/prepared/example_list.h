#pragma once

#include "data/layer.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace peftbench::data {

struct EncodedInput {
  std::vector<int64_t> ids;    // EOS at the end; pad id at slots
  std::vector<int64_t> slots;  // −1 or the slot's number, as long as ids; empty without slots
};

// An example as ids, ready to be packed.
struct EncodedExample {
  std::vector<int64_t> input;   // as EncodedInput::ids
  std::vector<int64_t> slots;   // as EncodedInput::slots
  std::vector<int64_t> target;  // EOS at the end
  int label = -1;
  std::vector<EncodedInput> replicas;  // of the copies after the first, where a layout hook is asked for each
};

// Examples to train on, which need not be in memory. Threads may read at once.
class ExampleList {
 public:
  virtual ~ExampleList();
  virtual std::size_t size() const = 0;
  // Throws DataError if the file that holds it is damaged.
  virtual EncodedExample at(std::size_t index) const = 0;

  EncodedExample operator[](std::size_t index) const { return at(index); }
  bool empty() const { return size() == 0; }
};

class ExamplesInMemory final : public ExampleList {
 public:
  explicit ExamplesInMemory(std::vector<EncodedExample> examples);
  std::size_t size() const override;
  EncodedExample at(std::size_t index) const override;

 private:
  std::vector<EncodedExample> examples_;
};

// The first `count` of a list, or all there are.
std::vector<EncodedExample> first_of(const ExampleList& list, std::size_t count);

}  // namespace peftbench::data
