#include "formats/pickle.h"

#include "core/utf8.h"

#include <peftbench/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_map>

namespace peftbench::formats {

namespace {

using Kind = PickleNode::Kind;

class Parser {
 public:
  Parser(std::string_view bytes, const std::function<bool(const std::string&)>& allowed, const std::string& origin)
      : bytes_(bytes), allowed_(allowed), origin_(origin) {}

  Pickle parse() {
    while (pickle_.root == nullptr) step(static_cast<std::uint8_t>(take(1).front()));
    return std::move(pickle_);
  }

 private:
  void step(std::uint8_t operation);

  [[noreturn]] void refuse(const std::string& found) const {
    throw CheckpointError(Problem{origin_ + " cannot be read as a state dict", found,
                                  "a state dict written by torch.save",
                                  "download the file again, or save the model as safetensors (with save_pretrained)"});
  }

  std::string_view take(std::size_t count) {
    if (count > bytes_.size() - at_) refuse("a truncated pickle");
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }

  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  std::string_view line() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) refuse("a truncated pickle");
    const std::string_view text = take(end - at_);
    take(1);
    return text;
  }

  PickleNode* make(Kind kind) {
    pickle_.nodes.emplace_back().kind = kind;
    return &pickle_.nodes.back();
  }
  PickleNode* push(Kind kind) {
    stack_.push_back(make(kind));
    return stack_.back();
  }
  void push_integer(int64_t value) { push(Kind::integer)->integer = value; }

  // Nothing below the last mark may be reached by an operation that does not take the mark.
  PickleNode* pop() {
    PickleNode* node = top();
    stack_.pop_back();
    return node;
  }
  PickleNode* top() const {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) refuse("pickle stack underflow");
    return stack_.back();
  }

  std::vector<const PickleNode*> pop_to_mark() {
    if (marks_.empty()) refuse("a pickle with a missing mark");
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<const PickleNode*> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }

  void push_tuple(std::size_t count) {
    std::vector<const PickleNode*> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    push(Kind::tuple)->items = std::move(items);
  }

  void extend(Kind kind, const std::vector<const PickleNode*>& items) {
    PickleNode* container = top();
    if (container->kind != kind) refuse("a pickle that adds items to something other than a container");
    if (kind == Kind::dict && items.size() % 2 != 0) refuse("a key without its value");
    container->items.insert(container->items.end(), items.begin(), items.end());
  }

  void push_global() {
    std::string name(line());
    name += '.';
    name += line();
    if (!allowed_(name)) {
      throw CheckpointError(
          Problem{origin_ + " imports the Python object '" + printable(name) + "'",
                  "a pickle can run arbitrary code, so it is not executed", "a plain state dict of tensors",
                  "use the model's safetensors file, or convert it to safetensors with a program that you trust"});
    }
    push(Kind::global)->text = std::move(name);
  }

  void call() {
    const PickleNode* arguments = pop();
    const PickleNode* callee = pop();
    if (callee->kind != Kind::global || arguments->kind != Kind::tuple)
      refuse("a call of something that is not a function");
    if (callee->text == "collections.OrderedDict" && arguments->items.empty()) {
      push(Kind::dict);
    } else {
      push(Kind::call)->items = {callee, arguments};
    }
  }

  // Attributes of an object: the version table that a module's state dict carries. No tensor hangs on it.
  void ignore_state() {
    pop();
    if (top()->kind != Kind::dict) refuse("attributes of something other than a state dict");
  }

  void remember(std::uint32_t index) { memo_[index] = top(); }
  void recall(std::uint32_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) refuse("a pickle that reads a missing memo entry");
    stack_.push_back(found->second);
  }

  void push_long() {
    const std::size_t size = number<std::uint8_t>();
    if (size > 8) refuse("an integer of " + std::to_string(size) + " bytes");
    const std::string_view digits = take(size);
    std::uint64_t value = 0;
    std::memcpy(&value, digits.data(), size);
    const bool negative = size > 0 && size < 8 && (static_cast<std::uint8_t>(digits.back()) & 0x80) != 0;
    if (negative) value |= ~std::uint64_t{0} << (8 * size);
    push_integer(static_cast<int64_t>(value));
  }

  void push_real() {
    std::uint64_t bits = number<std::uint64_t>();
    bits = __builtin_bswap64(bits);  // the one big-endian field of the format
    push(Kind::real)->real = std::bit_cast<double>(bits);
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  const std::function<bool(const std::string&)>& allowed_;
  const std::string& origin_;
  Pickle pickle_;
  std::vector<PickleNode*> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, PickleNode*> memo_;
};

void Parser::step(std::uint8_t operation) {
  switch (operation) {
    case 0x80:
      if (const int protocol = number<std::uint8_t>(); protocol != 2)
        refuse("pickle protocol " + std::to_string(protocol));
      break;
    case '.':
      pickle_.root = pop();
      break;
    case '(':
      marks_.push_back(stack_.size());
      break;
    case 'N':
      push(Kind::none);
      break;
    case 0x88:
      push(Kind::boolean)->integer = 1;
      break;
    case 0x89:
      push(Kind::boolean);
      break;
    case 'J':
      push_integer(number<std::int32_t>());
      break;
    case 'K':
      push_integer(number<std::uint8_t>());
      break;
    case 'M':
      push_integer(number<std::uint16_t>());
      break;
    case 0x8a:
      push_long();
      break;
    case 'G':
      push_real();
      break;
    case 'X': {
      const std::size_t size = number<std::uint32_t>();
      push(Kind::text)->text = take(size);
      break;
    }
    case 'c':
      push_global();
      break;
    case 'R':
      call();
      break;
    case 'Q': {
      const PickleNode* id = pop();
      push(Kind::persistent)->items = {id};
      break;
    }
    case ')':
      push_tuple(0);
      break;
    case 0x85:
      push_tuple(1);
      break;
    case 0x86:
      push_tuple(2);
      break;
    case 0x87:
      push_tuple(3);
      break;
    case 't': {
      std::vector<const PickleNode*> items = pop_to_mark();
      push(Kind::tuple)->items = std::move(items);
      break;
    }
    case ']':
      push(Kind::list);
      break;
    case 'a': {
      const PickleNode* item = pop();
      extend(Kind::list, {item});
      break;
    }
    case 'e':
      extend(Kind::list, pop_to_mark());
      break;
    case '}':
      push(Kind::dict);
      break;
    case 's': {
      const PickleNode* value = pop();
      const PickleNode* key = pop();
      extend(Kind::dict, {key, value});
      break;
    }
    case 'u':
      extend(Kind::dict, pop_to_mark());
      break;
    case 'b':
      ignore_state();
      break;
    case 'q':
      remember(number<std::uint8_t>());
      break;
    case 'r':
      remember(number<std::uint32_t>());
      break;
    case 'h':
      recall(number<std::uint8_t>());
      break;
    case 'j':
      recall(number<std::uint32_t>());
      break;
    default:
      refuse(fmt::format("unexpected operation 0x{:02x} at byte {}", operation, at_ - 1));
  }
}

}  // namespace

Pickle parse_pickle(std::string_view bytes, const std::function<bool(const std::string&)>& allowed,
                    const std::string& origin) {
  return Parser(bytes, allowed, origin).parse();
}

}  // namespace peftbench::formats
