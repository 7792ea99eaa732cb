#include "eval/voting.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace peftbench::eval {
namespace {

// Weights of distinct answers, in the order in which they first come.
template <class Key>
class Ballot {
 public:
  void add(const Key& key, double weight) {
    const auto known =
        std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) { return entry.first == key; });
    if (known == entries_.end()) {
      entries_.emplace_back(key, weight);
    } else {
      known->second += weight;
    }
  }
  bool empty() const { return entries_.empty(); }
  std::vector<std::pair<Key, double>>& entries() { return entries_; }
  // The first of the heaviest.
  const Key& winner() const {
    return std::max_element(entries_.begin(), entries_.end(),
                            [](const auto& a, const auto& b) { return a.second < b.second; })
        ->first;
  }

 private:
  std::vector<std::pair<Key, double>> entries_;
};

}  // namespace

Answer majority_vote(const std::vector<Answer>& answers, const std::vector<double>& weights,
                     const std::vector<std::string>& label_words, Tie tie) {
  if (answers.size() == 1) return answers.front();
  Ballot<int> labels;
  Ballot<std::string> texts;
  for (std::size_t voter = 0; voter < answers.size(); ++voter) {
    const Answer& answer = answers[voter];
    if (answer.label >= 0) labels.add(answer.label, weights[voter]);
    texts.add(answer.text, weights[voter]);
  }
  if (labels.empty()) return {texts.winner(), -1};
  if (tie == Tie::lowest_label) std::sort(labels.entries().begin(), labels.entries().end());
  const int label = labels.winner();
  return {label_words[static_cast<std::size_t>(label)], label};
}

double vote_entropy(const std::vector<Answer>& answers) {
  Ballot<std::pair<int, std::string>> ballot;
  for (const Answer& answer : answers)
    ballot.add({answer.label, answer.label >= 0 ? std::string() : answer.text},
               1.0 / static_cast<double>(answers.size()));
  double entropy = 0;
  for (const auto& [answer, share] : ballot.entries()) entropy -= share * std::log2(share);
  return std::max(entropy, 0.0);  // no −0
}

}  // namespace peftbench::eval
