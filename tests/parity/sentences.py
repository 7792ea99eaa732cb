"""A small labelled task of made-up sentences, for tests that run the whole program."""

import json

import models

WORDS = "the sea was calm and old ships came home with wind rain fire light storm king queen never always".split()
LABELS = ["good", "bad", "not known"]
TASK = """\
summary: made for the parity test
source:
  train: train.jsonl
  validation: validation.jsonl
  test: test.jsonl
input: "{text}"
target: "{answer}"
labels: [good, bad, not known]
limits: {input: 64, target: 4}
"""


def examples(count, name):
    """Sentences of unequal length and a label each."""
    result = []
    for number in range(count):
        choice = models.mixed(30, models.seed_of(name, number)).tolist()
        words = [WORDS[word % len(WORDS)] for word in choice[: 3 + choice[29] % 20]]
        result.append({"text": " ".join(words), "answer": LABELS[choice[28] % len(LABELS)]})
    return result


def vocabulary(options):
    """The SentencePiece model of the small T5 that the project brings along: 8,000 pieces."""
    return options.source / "assets" / "backbones" / "t5-nano-lm" / "spiece.model"


def write_task(folder, count):
    """A task's YAML with its files beside it, and its `count` training rows."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = {"train": examples(count, "train"), "validation": examples(4, "validation"), "test": examples(4, "test")}
    for split, content in rows.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content))
    (folder / "task.yaml").write_text(TASK)
    return folder / "task.yaml", rows["train"]
