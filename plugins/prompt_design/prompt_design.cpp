// Prompt design: nothing is trained. Words around the input and examples before it ask the frozen model for an answer,
// as GPT-3 was asked (Brown et al. 2020, §2.4); for T5 the examples stand in the encoder (Liu et al. 2022, §3).
//
//   input = instruction · shot_1 · … · shot_k · template(x)       as many shots as fit into the length of the input
//
// "Parameters" are the ids of that text, as Lester et al. 2021 (Figure 4) count them: the ledger's prompt_tokens.
#include <peftbench/plugin.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace pb = peftbench;

namespace {

std::string text_of(const std::vector<pb::Piece>& pieces) {
  std::string text;
  for (const pb::Piece& piece : pieces) text += piece.text;
  return text;
}

// Words with {input} or {field} in them, or words alone.
class Part {
 public:
  explicit Part(const std::string& text) : words_(text) {
    if (text.find('{') != std::string::npos) layout_.emplace(text);
  }
  bool shows_example() const { return layout_.has_value(); }
  int64_t slots() const { return layout_ ? layout_->slots() : 0; }
  void check_fields(const pb::Names& known) const {
    if (layout_) layout_->check_fields(known);
  }
  std::vector<pb::Piece> arrange(const std::vector<pb::Piece>& input) const {
    return layout_ ? layout_->arrange(input) : std::vector<pb::Piece>{pb::Piece::of_text(words_)};
  }

 private:
  std::string words_;
  std::optional<pb::SlotTemplate> layout_;
};

// How an example with its answer is written.
class ShotTemplate {
 public:
  explicit ShotTemplate(const std::string& text) : ShotTemplate(text, text.find(target)) {}
  std::string write(const pb::TextExample& example) const {
    return text_of(before_.arrange(example.input)) + example.target + text_of(after_.arrange(example.input));
  }
  int64_t slots() const { return before_.slots() + after_.slots(); }
  void check_fields(const pb::Names& known) const {
    before_.check_fields(known);
    after_.check_fields(known);
  }

 private:
  static constexpr const char* target = "{target}";

  ShotTemplate(const std::string& text, std::size_t place)
      : before_(text.substr(0, place)),
        after_(place == std::string::npos ? "" : text.substr(place + std::string(target).size())) {
    if (place != std::string::npos && (before_.shows_example() || after_.shows_example())) return;
    throw pb::ConfigError(pb::Problem{"shot_template must contain an example and its answer", "'" + text + "'",
                                      "{input} or {field}, and {target}", "for example: {input} {target}"});
  }

  Part before_, after_;
};

// Paths of `count` examples, drawn by the seed: one of each label in every round, in an order of the round's own.
std::vector<std::size_t> draw(const std::vector<pb::TextExample>& examples, int64_t count, uint64_t seed) {
  std::map<int, std::vector<std::size_t>> by_label;
  for (std::size_t i = 0; i < examples.size(); ++i) by_label[examples[i].label].push_back(i);
  std::mt19937_64 chance(seed);  // its numbers are the same everywhere; those of std's distributions are not
  const auto take = [&](auto& from) {
    std::swap(from[chance() % from.size()], from.back());
    const auto taken = from.back();
    from.pop_back();
    return taken;
  };
  const auto wanted = std::min(static_cast<std::size_t>(count), examples.size());
  std::vector<std::size_t> drawn;
  while (drawn.size() < wanted) {
    std::vector<std::vector<std::size_t>*> round;
    for (auto& [label, places] : by_label)
      if (!places.empty()) round.push_back(&places);
    while (!round.empty() && drawn.size() < wanted) drawn.push_back(take(*take(round)));
  }
  return drawn;
}

struct Wording {
  std::string instruction, separator, answer_marker;
  Part query;
  ShotTemplate shot;
  int64_t shots;
};

class InContext final : public pb::LayoutHook {
 public:
  explicit InContext(Wording wording) : wording_(std::move(wording)) {}

  std::vector<pb::Piece> arrange(const pb::LayoutCall& call) const override {
    std::vector<pb::Piece> pieces = wording_.query.arrange(call.example.input);
    const std::string words = prompt(call, pieces);
    // Without a field's name: where the input alone is too long, it is the input that is cut.
    if (!words.empty()) pieces.insert(pieces.begin(), pb::Piece::of_text(words));
    return pieces;
  }

  // What follows the last marker, without the full stop.
  std::string answer(const std::string& generated) const override {
    if (wording_.answer_marker.empty()) return generated;
    const auto same = [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); };
    const std::string& marker = wording_.answer_marker;
    const auto found = std::find_end(generated.begin(), generated.end(), marker.begin(), marker.end(), same);
    if (found == generated.end()) return generated;
    const std::string rest(found + static_cast<std::ptrdiff_t>(marker.size()), generated.end());
    const std::size_t first = rest.find_first_not_of(" :");
    const std::size_t last = rest.find_last_not_of(" .");
    if (first == std::string::npos || last == std::string::npos || last < first) return "";
    return rest.substr(first, last + 1 - first);
  }

 private:
  // Instruction and shots, each with a separator behind it.
  std::string prompt(const pb::LayoutCall& call, const std::vector<pb::Piece>& query) const {
    const std::string asked = text_of(query);
    int64_t ids = 1;  // EOS
    for (const pb::Piece& piece : query) ids += static_cast<int64_t>(piece.tokens.size());
    const auto fits = [&](const std::string& words) { return call.tokens(words + asked) + ids <= call.max_tokens; };
    const std::string head = wording_.instruction.empty() ? "" : wording_.instruction + wording_.separator;
    const std::vector<std::string> shots = shots_for(call);
    std::string all = head;
    for (const std::string& shot : shots) all += shot + wording_.separator;
    if (fits(all)) return all;
    std::string fitting = head;
    for (const std::string& shot : shots)
      if (const std::string longer = fitting + shot + wording_.separator; fits(longer)) fitting = longer;
    return fitting;
  }

  std::vector<std::string> shots_for(const pb::LayoutCall& call) const {
    if (wording_.shots == 0) return {};
    if (call.training_set.empty()) {
      throw pb::ConfigError(pb::Problem{"there are no training examples for the shots",
                                        std::to_string(wording_.shots) + " shots, 0 training examples",
                                        "a task with a training split (token ids from a file have none)",
                                        "set shots=0"});
    }
    const std::string own = text_of(call.example.input);
    std::vector<std::string> shots;
    for (const std::size_t place : drawn(call)) {
      const pb::TextExample& example = call.training_set[place];
      if (text_of(example.input) != own) shots.push_back(wording_.shot.write(example));  // it would tell the answer
    }
    return shots;
  }

  // The same for every example of a run, and drawn once: a training set may be large.
  std::vector<std::size_t> drawn(const pb::LayoutCall& call) const {
    const std::scoped_lock lock(mutex_);
    if (drawn_from_ != &call.training_set || drawn_size_ != call.training_set.size() || drawn_seed_ != call.seed) {
      drawn_ = draw(call.training_set, wording_.shots, call.seed);
      drawn_from_ = &call.training_set;
      drawn_size_ = call.training_set.size();
      drawn_seed_ = call.seed;
    }
    return drawn_;
  }

  Wording wording_;
  mutable std::mutex mutex_;
  mutable const void* drawn_from_ = nullptr;
  mutable std::size_t drawn_size_ = 0;
  mutable uint64_t drawn_seed_ = 0;
  mutable std::vector<std::size_t> drawn_;
};

class PromptDesign final : public pb::Method {
 public:
  explicit PromptDesign(const pb::Values& values)
      : wording_{values.text("instruction"),
                 values.text("separator"),
                 values.text("answer_marker"),
                 Part(values.text("template")),
                 ShotTemplate(values.text("shot_template")),
                 values.integer("shots")} {
    if (!wording_.query.shows_example()) {
      throw pb::ConfigError(pb::Problem{"the template does not contain the example",
                                        "'" + values.text("template") + "'", "a template with {input} or {field}",
                                        "for example: {input} answer:"});
    }
    if (wording_.query.slots() + wording_.shot.slots() > 0) {
      throw pb::ConfigError(pb::Problem{"a designed prompt is plain text and cannot contain trained vectors ([n])",
                                        "[n] in template or shot_template", "plain text and {fields}",
                                        "use p_tuning for vectors within the text"});
    }
  }

  void plan(const pb::BackboneSpec& backbone, pb::PlanBuilder& plan) override {
    wording_.query.check_fields(plan.task().fields);
    wording_.shot.check_fields(plan.task().fields);
    plan.claim<InContext>(backbone.layout(), wording_);
  }

 private:
  Wording wording_;
};

void register_prompt_design(pb::MethodRegistrar& registrar) {
  registrar.method<PromptDesign>()
      .param("shots", 32,
             "number of training examples before the input, as far as they fit; sampled with the run's seed")
      .at_least(0)
      .param("template", "{input} answer:", "format of the input: {input} or {field}s of the task, and text")
      .param("shot_template", "{input} answer: {target}", "format of a training example, with its answer at {target}")
      .param("instruction", "",
             "text at the start of the prompt: a question, worked examples, let us think step by step")
      .param("separator", " ", "text between instruction, shots and input")
      .param("answer_marker", "", "the answer is the generated text after these words, such as 'the answer is'");
}

}  // namespace

PEFTBENCH_PLUGIN(prompt_design, "1.0.0", "Text and examples before the input; nothing is trained",
                 "Brown et al. 2020, arXiv:2005.14165", register_prompt_design);
