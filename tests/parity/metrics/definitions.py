"""A second implementation of the metrics that scikit-learn and scipy do not have, from their definitions: the scorers
of SQuAD 1.1, ReCoRD and MultiRC, and T5's rules for illegal answers and Winograd schemas. Values in 0…1."""

import math
import re
import string
from collections import Counter, defaultdict

from sklearn.metrics import f1_score

DETERMINERS = set("a an few her his each every many much my our some that the their these this those which whose "
                  "your".split())


def normalised(text):
    text = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def overlap(answer, reference):
    answer, reference = normalised(answer).split(), normalised(reference).split()
    common = sum((Counter(answer) & Counter(reference)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(answer), common / len(reference)
    return 2 * precision * recall / (precision + recall)


def squad(rows):
    """(exact match, F1): means over rows of the best over references."""
    exact = [max(normalised(r["prediction"]) == normalised(t) for t in r["references"]) for r in rows]
    f1 = [max(overlap(r["prediction"], t) for t in r["references"]) for r in rows]
    return sum(exact) / len(rows), sum(f1) / len(rows)


def record(rows):
    """The same, the first row of each query alone."""
    first = {}
    for row in rows:
        first.setdefault(row["group"], row)
    return squad(list(first.values()))


def flipped_f1(targets, predictions):
    """What is neither 0 nor 1 is taken for the wrong one."""
    return f1_score(targets, [p if p in (0, 1) else 1 - t for t, p in zip(targets, predictions)], zero_division=0)


def all_right(targets, predictions, groups):
    """Share of groups whose answers are all right."""
    right = defaultdict(lambda: True)
    for target, prediction, group in zip(targets, predictions, groups):
        right[group] &= target == prediction
    return sum(right.values()) / len(right)


def number(text):
    """STS-B: what is no number is -1."""
    try:
        value = float(text)
    except ValueError:
        return -1.0
    return value if math.isfinite(value) else -1.0


def winograd(answer, referent):
    """1: the answer names the referent, 0: it does not, -1: it names nothing."""
    # Single spaces separate words, so that two in a row have an empty one between them.
    answer, referent = ([word for word in text.strip().lower().split(" ") if word not in DETERMINERS] or [""]
                        for text in (answer, referent))
    if answer == [""]:
        return -1
    if ("'" in " ".join(answer)) != ("'" in " ".join(referent)):
        return 0
    return int(set(answer) <= set(referent) or set(referent) <= set(answer))
