#pragma once

#include <peftbench/export.h>
#include <peftbench/tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace peftbench {

// Where each sequence of a batch lies in a packed activation [N, D], N = ΣT. There is no padding anywhere.
struct PEFTBENCH_API TokenLayout {
  std::vector<int64_t> lengths;   // [B] rows of each sequence
  std::vector<int64_t> offsets;   // [B + 1] first row of each sequence; the last entry is N
  std::vector<int64_t> groups;    // [B] plan of each sequence in a stacked plan; never decreasing
  std::vector<int64_t> replicas;  // [B] which copy of its example a sequence is; 0 without replicas
  Tensor slots;                   // [N] int64: −1 for a token, else the number of the slot in its sequence

  static TokenLayout of(std::vector<int64_t> lengths, std::vector<int64_t> groups = {},
                        std::vector<int64_t> replicas = {});

  int64_t rows() const { return offsets.empty() ? 0 : offsets.back(); }
  int64_t sequences() const { return static_cast<int64_t>(lengths.size()); }
  bool has_slots() const { return slots.defined(); }
  int64_t slot_count() const;  // slots of one sequence, the largest number + 1 over the batch
  Tensor first_rows() const;   // [B] int64
  Tensor last_rows() const;    // [B] int64

  // Sequences [first, first + count) as a layout of their own (rows start at 0).
  TokenLayout slice(int64_t first, int64_t count) const;
};

struct Embedded {
  Tensor embeddings;  // [N, D]
  TokenLayout layout;
};

// `prompt` [P, D] before every sequence of `input`; its rows become slots 0…P−1 and slots already there move up
// by P. Relative positions run over the joined sequence.
PEFTBENCH_API Embedded prepend(const Embedded& input, const Tensor& prompt);

// Rows of the numbered slots take `values` [P, D]: the row of slot i becomes values[i]. Slots ≥ P stay.
PEFTBENCH_API Tensor replace_slots(const Tensor& hidden, const TokenLayout& layout, const Tensor& values);

// The same with values added, which soft words need.
PEFTBENCH_API Tensor add_at_slots(const Tensor& hidden, const TokenLayout& layout, const Tensor& values);

// One part of an example before tokenization.
struct Piece {
  enum class Kind { text, slots, tokens };
  Kind kind = Kind::text;
  std::string name;             // of the field it came from; empty for the template's own words
  std::string text;             // kind text; adjacent texts are tokenized as one string
  int64_t slots = 0;            // kind slots: how many
  std::vector<int64_t> tokens;  // kind tokens: ids as they are

  static Piece of_text(std::string text, std::string name = {}) {
    return {Kind::text, std::move(name), std::move(text), 0, {}};
  }
  static Piece of_slots(int64_t count) { return {Kind::slots, {}, {}, count, {}}; }
  static Piece of_tokens(std::vector<int64_t> ids) { return {Kind::tokens, {}, {}, 0, std::move(ids)}; }
};

// Where slots and words of its own stand around an example's input, as a user writes it:
//   "[3] {input} [3] It was <extra_id_0>."
// [n] is n slots, {input} the task's whole input, {name} one of its fields, anything else is text. Spaces beside slots
// are dropped.
class PEFTBENCH_API SlotTemplate {
 public:
  explicit SlotTemplate(const std::string& text);  // Throws ConfigError: no input in it, or a brace left open

  int64_t slots() const;                                              // in all
  const std::vector<std::string>& fields() const { return fields_; }  // {name}s in their order, `input` left out
  // Throws ConfigError naming a field that is not among the task's; any will do where those are not known (empty).
  void check_fields(const std::vector<std::string>& known) const;
  // Throws ConfigError naming a field that the example lacks.
  std::vector<Piece> arrange(const std::vector<Piece>& input) const;

 private:
  std::string text_;
  std::vector<Piece> pieces_;  // a text piece with a name stands for that field
  std::vector<std::string> fields_;
};

// An example as the task's template made it.
struct TextExample {
  std::vector<Piece> input;
  std::string target;
  int label = -1;  // place in the task's label words; −1 for free text
  // All right answers, where there may be others than the target (SQuAD, ReCoRD).
  std::vector<std::string> references = {};
  std::string group = {};  // rows that are judged together (a question's answers, MultiRC); may be empty
};

}  // namespace peftbench
