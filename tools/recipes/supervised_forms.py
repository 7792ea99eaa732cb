"""How a row of the supervised mixture becomes a question: many wordings, drawn by a fixed seed."""
import random

from .tables import write_table

NOISE = 10  # most words without meaning before an input, as a soft prompt begins from


class Draws:
    """Draws by a seed, the same in every version of Python: random() is the one call that it promises to keep."""

    def __init__(self, seed):
        self.random = random.Random(seed).random

    def chance(self, share):
        return self.random() < share

    def index(self, count):
        return int(self.random() * count)

    def pick(self, values):
        return values[self.index(len(values))]

    def shuffled(self, values):
        values = list(values)
        for last in range(len(values) - 1, 0, -1):
            other = self.index(last + 1)
            values[last], values[other] = values[other], values[last]
        return values

    def sample(self, values, count):
        """`count` different places of `values`, in random order."""
        chosen = {}
        while len(chosen) < min(count, len(values)):
            chosen[self.index(len(values))] = None
        return [values[at] for at in chosen]


def balanced(draws, rows, most):
    """(text, label) rows in random order: none twice, none whose text has two labels, at most `most` of a label."""
    labels = {}
    for text, label in rows:
        labels.setdefault(text, set()).add(label)
    kept, counts = [], {}
    for text, found in draws.shuffled(labels.items()):
        label = min(found)
        if len(found) == 1 and counts.get(label, 0) < most:
            counts[label] = counts.get(label, 0) + 1
            kept.append((text, label))
    return kept


def some_options(draws, answer, labels, most=8):
    """The answer among other labels, from two to `most` in all, in random order."""
    others = [label for label in labels if label != answer]
    return draws.shuffled([answer, *draws.sample(others, 1 + draws.index(min(len(others), most - 1)))])


def listing(options):
    return ", ".join(options[:-1]) + " or " + options[-1]


def with_options(draws, questions, body, options, words):
    """The options in front, as a prompt would hold them, or in a sentence, or behind; sometimes among stray words."""
    question = draws.pick(questions)
    form = draws.index(7)
    if form < 2:
        return f"{' '.join(options)} {body}"
    if form == 2:
        return f"options: {', '.join(options)}. {body}"
    if form == 3:
        return f"{question}: {listing(options)}? {body}"
    if form == 4:
        return f"{body} {question}: {listing(options)}?"
    stray = [draws.pick(words) for _ in range(1 + draws.index(NOISE))]
    front = [*options, *stray] if form == 5 else draws.shuffled([*options, *stray])
    return f"{' '.join(front)} {body}"


def ask(draws, questions, body, answer, labels, words, plain=0.3):
    """A question with one right answer among `labels`; a share of them, `plain`, does not name the labels."""
    if draws.chance(plain):
        return f"{draws.pick(questions)}: {body}"
    return with_options(draws, questions, body, some_options(draws, answer, labels), words)


def sentence_body(draws, text):
    return draws.pick(["sentence: {}", "sentence: {}", "text: {}", "{}"]).format(text)


def definition_body(draws, word, definition):
    """A word with what it means; sometimes the meaning alone."""
    form = draws.pick(["word: {} definition: {}", "word: {} definition: {}", "{}: {}", "the meaning of {} is: {}"])
    return f"definition: {definition}" if draws.chance(0.15) else form.format(word, definition)


def stray_words(texts, most=2000):
    """Words to stand before an input without a meaning: the commonest ones of some texts."""
    counts = {}
    for text in texts:
        for word in text.lower().split():
            if word.isalpha() and word.isascii():
                counts[word] = counts.get(word, 0) + 1
    return sorted(counts, key=lambda word: (-counts[word], word))[:most]


def write_rows(out, rows):
    """(key, input, answer): rows with one key (a word, a document) are not to fall into two splits."""
    write_table(out / "rows.tsv", ["key", "input", "answer"], rows)
