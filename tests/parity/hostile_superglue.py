"""Files of SuperGLUE in the forms of the official archive, of rows that are made to be misread (hostile.py)."""

import json
import random

from hostile import PRONOUNS, ROWS, WORDS, put, text

TAGS = ["<b>", "</b>", "<br>", "<br/>", "<B>", "<b", "b>", "<", "</ b>", "<b><br></b>", "<<b>/b>", "</<b>b>"]
HIGHLIGHT = "\n@highlight\n"


def marked_up(rand, most):
    return "".join(text(rand, 3, breaks=True) + rand.choice(TAGS) for _ in range(rand.randint(0, most)))


def multirc(rand, number):
    questions = []
    for place in range(rand.randint(1, 3)):
        answers = [{"text": marked_up(rand, 2), "idx": 100 * number + 10 * place + i, "label": rand.randint(0, 1)}
                   for i in range(rand.randint(1, 4))]
        questions.append({"question": marked_up(rand, 2), "idx": 10 * number + place, "answers": answers})
    return {"idx": number, "passage": {"text": marked_up(rand, 12), "questions": questions}}


def record(rand, number):
    passage = text(rand, 20, breaks=True) + rand.choice(["a", ".", "!", "?", "\"", "'", "”", ")", "\n", ""])
    for _ in range(rand.randint(0, 3)):
        passage += HIGHLIGHT + rand.choice([text(rand, 6), ".", "'", "\n", ""])
    passage += "end"
    entities = []
    for _ in range(rand.randint(1, 6)):
        start = rand.randrange(len(passage))
        entities.append({"start": start, "end": min(start + rand.randint(0, 5), len(passage) - 1)})
    queries = []
    for place in range(rand.randint(1, 3)):
        chosen = rand.choices(entities, k=rand.randint(1, 3))
        answers = [{**one, "text": passage[one["start"]:one["end"] + 1]} for one in chosen]
        queries.append({"query": text(rand) + "@placeholder" + text(rand), "answers": answers,
                        "idx": 10 * number + place})
    return {"source": "x", "passage": {"text": passage, "entities": entities}, "qas": queries, "idx": number}


def wsc(rand, number):
    """The pronoun is a word among single spaces; the referent may be written as it is not in the text."""
    def some(least):
        return [rand.choice(WORDS + ["X", "X", "x", "\n", ""]) for _ in range(rand.randint(least, 6))]

    pronoun, referent = rand.choice(PRONOUNS), rand.choice(["The old Dog", "the old Dog", "Ann's vase", "U.S."]).split()
    first = some(1)
    if rand.random() < 0.5:
        begin, words = len(first), [*first, *referent, *some(0), pronoun, *some(1)]
        place = len(words) - 1 - words[::-1].index(pronoun)
    else:
        place, words = len(first), [*first, pronoun, *some(0)]
        begin, words = len(words), [*words, *referent, *some(1)]
    given = " ".join(referent)
    given = rand.choice([given, given, given + ".", given[0].swapcase() + given[1:], given.replace(" ", "\n")])
    return {"text": " ".join(words), "idx": number, "label": rand.random() < 0.5,
            "target": {"span1_index": len(" ".join(words[:begin]).split()), "span1_text": given,
                       "span2_index": place, "span2_text": pronoun}}


def pair(names, labels):
    def row(rand, number):
        return {**{name: text(rand, breaks=True) for name in names}, "label": rand.choice(labels), "idx": number}
    return row


ENTAILS = ["entailment", "not_entailment"]
TASKS = {
    "boolq": ("BoolQ", pair(["question", "passage"], [True, False])),
    "cb": ("CB", pair(["premise", "hypothesis"], ["entailment", "contradiction", "neutral"])),
    "copa": ("COPA", pair(["premise", "choice1", "choice2", "question"], [0, 1])),
    "rte": ("RTE", pair(["premise", "hypothesis"], ENTAILS)),
    "wic": ("WiC", lambda rand, number: {**pair(["word", "sentence1", "sentence2"], [True, False])(rand, number),
                                         "start1": 0, "end1": 1, "start2": 0, "end2": 1, "version": 1.1}),
    "multirc": ("MultiRC", multirc),
    "record": ("ReCoRD", record),
    "wsc": ("WSC", wsc),
    "axb": ("AX-b", lambda rand, number: {**pair(["sentence1", "sentence2"], ENTAILS)(rand, number), "logic": "x"}),
    "axg": ("AX-g", pair(["premise", "hypothesis"], ENTAILS)),
}


def write(folder, seed=0):
    rand = random.Random(seed)
    for name, (archive, row) in TASKS.items():
        for split in [archive] if name.startswith("ax") else ["train", "val"]:
            put(folder / archive / f"{split}.jsonl", "".join(
                json.dumps(row(rand, i), ensure_ascii=rand.random() < 0.5) + "\n" for i in range(ROWS)))
