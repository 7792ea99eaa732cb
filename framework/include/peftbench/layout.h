#pragma once

#include <peftbench/export.h>
#include <peftbench/tensor.h>

#include <c10/core/Device.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace peftbench {

namespace detail {
struct LayoutIndices;
}

// The positions of the sequences of a batch in a packed activation [N, D], N = ΣT. There is no padding.
struct PEFTBENCH_API TokenLayout {
  std::vector<int64_t> lengths;    // [B] rows of each sequence
  std::vector<int64_t> offsets;    // [B + 1] first row of each sequence; the last entry is N
  std::vector<int64_t> groups;     // [B] plan of each sequence in a stacked plan; non-decreasing
  std::vector<int64_t> replicas;   // [B] number of the copy of the example; 0 without replicas
  Tensor slots;                    // [N] int64: −1 for a token, otherwise the slot's number in its sequence
  c10::Device device = c10::kCPU;  // of the tensors that it has and gives; the backbone's in hooks
  std::shared_ptr<detail::LayoutIndices> indices = {};  // of the lengths, made when first asked for

  // Throws Error if groups are not sorted, or there are not as many as lengths.
  static TokenLayout of(std::vector<int64_t> lengths, std::vector<int64_t> groups = {},
                        std::vector<int64_t> replicas = {});

  int64_t rows() const { return offsets.empty() ? 0 : offsets.back(); }
  int64_t sequences() const { return static_cast<int64_t>(lengths.size()); }
  bool has_slots() const { return slots.defined(); }
  int64_t slot_count() const;       // slots per sequence: the largest slot number of the batch + 1
  Tensor first_rows() const;        // [B] int64
  Tensor last_rows() const;         // [B] int64
  Tensor sequence_of_rows() const;  // [N] int64: number of the sequence of each row

  TokenLayout to(c10::Device device) const;
  // Sequences [first, first + count) as a separate layout (rows start at 0).
  TokenLayout slice(int64_t first, int64_t count) const;
};

struct Embedded {
  Tensor embeddings;  // [N, D]
  TokenLayout layout;
};

// Inserts `prompt` [P, D] before every sequence of `input`; its rows become slots 0…P−1, and the numbers of existing
// slots increase by P. Relative positions are those of the joined sequence.
PEFTBENCH_API Embedded prepend(const Embedded& input, const Tensor& prompt);

// Replaces the rows of slots by `values` [P, D]: the row of slot i becomes values[i]. Slots ≥ P are not changed.
PEFTBENCH_API Tensor replace_slots(const Tensor& hidden, const TokenLayout& layout, const Tensor& values);

// The same, but adds the values.
PEFTBENCH_API Tensor add_at_slots(const Tensor& hidden, const TokenLayout& layout, const Tensor& values);

// One part of an example before tokenization.
struct Piece {
  enum class Kind { text, slots, tokens };
  Kind kind = Kind::text;
  std::string name;             // name of its field; empty for text of the template
  std::string text;             // kind text; adjacent texts are tokenized as one string
  int64_t slots = 0;            // kind slots: their number
  std::vector<int64_t> tokens;  // kind tokens: token ids

  static Piece of_text(std::string text, std::string name = {}) {
    return {Kind::text, std::move(name), std::move(text), 0, {}};
  }
  static Piece of_slots(int64_t count) { return {Kind::slots, {}, {}, count, {}}; }
  static Piece of_tokens(std::vector<int64_t> ids) { return {Kind::tokens, {}, {}, 0, std::move(ids)}; }
};

// A user's template that places slots and text around an example's input:
//   "[3] {input} [3] It was <extra_id_0>."
// [n] is n slots, {input} the task's whole input, {name} one of its fields, anything else is text. Spaces next to slots
// are dropped.
class PEFTBENCH_API SlotTemplate {
 public:
  explicit SlotTemplate(const std::string& text);  // Throws ConfigError without input, or for an unmatched brace

  int64_t slots() const;                                              // total number
  const std::vector<std::string>& fields() const { return fields_; }  // {name}s in order, without `input`
  // Throws ConfigError naming a field that the task does not have; accepts any if the fields are unknown (empty).
  void check_fields(const std::vector<std::string>& known) const;
  // Throws ConfigError naming a field that the example lacks.
  std::vector<Piece> arrange(const std::vector<Piece>& input) const;

 private:
  std::string text_;
  std::vector<Piece> pieces_;  // a text piece with a name represents that field
  std::vector<std::string> fields_;
};

// An example, formatted by the task's template.
struct TextExample {
  std::vector<Piece> input;
  std::string target;
  int label = -1;  // index in the task's label words; −1 for free text
  // All correct answers, if there may be others than the target (SQuAD, ReCoRD).
  std::vector<std::string> references = {};
  std::string group = {};  // rows with the same group are scored together (MultiRC: a question); may be empty
};

}  // namespace peftbench
