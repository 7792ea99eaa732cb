#pragma once

#include "data/layer.h"
#include "data/prepared/example_list.h"

#include <memory>
#include <vector>

namespace peftbench::data {

// Several lists, one after another.
class JoinedExamples final : public ExampleList {
 public:
  explicit JoinedExamples(std::vector<std::shared_ptr<const ExampleList>> lists);
  std::size_t size() const override { return ends_.empty() ? 0 : ends_.back(); }
  EncodedExample at(std::size_t index) const override;
  std::size_t index(std::size_t list, std::size_t place) const;  // of an example of one of them

 private:
  std::vector<std::shared_ptr<const ExampleList>> lists_;
  std::vector<std::size_t> ends_;
};

}  // namespace peftbench::data
