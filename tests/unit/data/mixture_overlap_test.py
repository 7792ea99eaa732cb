"""The supervised mixture holds no texts of the evaluated tasks, of any split.

usage: mixture_overlap_test.py PROJECT_ROOT
Looks at the data that tools/fetch-data has put on this machine; what is not there is skipped.
"""
import collections
import os
import re
import sys
import unittest
from pathlib import Path

ROOT = Path(sys.argv.pop(1))
SHARE = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
DATA = Path(os.environ.get("PEFTBENCH_DATA") or Path(SHARE) / "peft-bench")
# The fields whose words are a text; single words and kinds are what any text consists of.
TEXTS = {"text", "definition", "sentence1", "sentence2", "subject", "body", "review"}
WHOLE, RUN = 8, 13  # words of a text that stands in a row as a whole, and of a part that two have in common
MOST = 0.003  # of a set's rows: stock phrases of dictionaries, and sayings that end an e-mail


def words(text):
    return re.findall(r"[a-z0-9']+", text.lower())


def table(path):
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    for line in lines:
        yield dict(zip(header.split("\t"), line.split("\t")))


class Evaluated:
    """The texts of the tasks of configs/tasks whose data is here."""

    def __init__(self):
        self.tasks, self.numbers = [], {}
        self.starts = collections.defaultdict(set)  # first words → what follows them
        self.runs = set()  # hashes, which need less memory
        for config in sorted((ROOT / "configs" / "tasks").glob("*.yaml")):
            fetch = re.search(r"(?m)^fetch: *(\S+)", config.read_text(encoding="utf-8"))
            if fetch and (DATA / fetch[1] / ".ready").exists():
                count = sum(self.add(row[field]) for path in sorted((DATA / fetch[1]).glob("*.tsv"))
                            for row in table(path) for field in TEXTS & row.keys())
                assert count > 0, f"no texts of {config.stem}: are its fields in TEXTS?"
                self.tasks.append(config.stem)

    def add(self, text):
        found = tuple(self.numbers.setdefault(word, len(self.numbers)) for word in words(text))
        if len(found) >= WHOLE:
            self.starts[found[:WHOLE]].add(found[WHOLE:])
        self.runs.update(hash(found[at:at + RUN]) for at in range(len(found) - RUN + 1))
        return len(found) >= WHOLE

    def stands_in(self, text):
        """Whether a text of an evaluated task, or a long part of one, stands in this one."""
        found = tuple(self.numbers.get(word, -1) for word in words(text))
        for at in range(len(found) - WHOLE + 1):
            rest = self.starts.get(found[at:at + WHOLE], ())
            if any(found[at + WHOLE:at + WHOLE + len(one)] == one for one in rest):
                return True
        return any(hash(found[at:at + RUN]) in self.runs for at in range(len(found) - RUN + 1))


class Overlap(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sets = sorted(path.stem for path in (ROOT / "configs" / "pretrain" / "tasks").glob("*.yaml"))
        cls.sets = [name for name in cls.sets if (DATA / "supervised" / name / ".ready").exists()]
        if not cls.sets:
            raise unittest.SkipTest("none of the mixture's sets is here")
        cls.evaluated = Evaluated()
        if not cls.evaluated.tasks:
            raise unittest.SkipTest("the data of no evaluated task is here")

    def test_texts_are_found(self):
        path = next(path for name in self.evaluated.tasks for path in sorted((DATA / name).glob("*.tsv")))
        texts = [row[field] for row in table(path) for field in TEXTS & row.keys()]
        long = next(text for text in texts if len(words(text)) >= WHOLE)
        longer = next(text for text in texts if len(words(text)) > RUN)
        self.assertTrue(self.evaluated.stands_in(f"which is it: a or b? sentence: {long}"))
        self.assertTrue(self.evaluated.stands_in(" ".join(["first", *words(longer)[1:], "last"])))
        self.assertFalse(self.evaluated.stands_in(" ".join(words(longer)[::-1])))

    def test_no_text_of_an_evaluated_task_is_in_the_mixture(self):
        for name in self.sets:
            rows = [row["input"] for row in table(DATA / "supervised" / name / "rows.tsv")]
            found = [row for row in rows if self.evaluated.stands_in(row)]
            self.assertLessEqual(len(found), MOST * len(rows), f"{name}: {found[:3]}")


if __name__ == "__main__":
    unittest.main()
