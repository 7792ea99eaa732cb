"""GLUE, SQuAD 1.1 and MRQA as T5 formats them, on files of the official archives' forms that are made to be misread
(hostile.py): `peft-bench tasks --examples` against a second formatter, written from Raffel et al. 2020 (appendix D) and
T5's recipes, not from the program. SuperGLUE's made rows meet the formatter of test_formats.py. By hand, t5_official.py
compares both with T5's own code."""

import argparse
import csv
import gzip
import json
import re
import struct
import sys
import tempfile
from pathlib import Path

import formats
import hostile
import hostile_superglue
import test_formats

NLI = ["entailment", "neutral", "contradiction"]
ENTAILS = ["entailment", "not_entailment"]
# Of each task: the archive's folder, the columns in T5's order with its names for them, the label's, the label words.
TASKS = {
    "cola": ("CoLA", {"sentence": "sentence"}, "label", ["unacceptable", "acceptable"]),
    "sst2": ("SST-2", {"sentence": "sentence"}, "label", ["negative", "positive"]),
    "mrpc": ("MRPC", {"sentence1": "#1 String", "sentence2": "#2 String"}, "Quality",
             ["not_equivalent", "equivalent"]),
    "stsb": ("STS-B", {"sentence1": "sentence1", "sentence2": "sentence2"}, "score", None),
    "qqp": ("QQP", {"question1": "question1", "question2": "question2"}, "is_duplicate",
            ["not_duplicate", "duplicate"]),
    "mnli": ("MNLI", {"hypothesis": "sentence2", "premise": "sentence1"}, "gold_label", NLI),
    "qnli": ("QNLI", {"question": "question", "sentence": "sentence"}, "label", ENTAILS),
    "rte": ("RTE", {"sentence1": "sentence1", "sentence2": "sentence2"}, "label", ENTAILS),
    "wnli": ("WNLI", {"sentence1": "sentence1", "sentence2": "sentence2"}, "label", None),
}
SPLITS = {"train": "train", "validation": "dev"}
PRONOUNS = ["he", "she", "they", "it", "her", "his", "their", "them", "him"]


def table(file, header=None):
    """Rows of a TSV in which quotes are plain characters, as Python's csv reads it for TensorFlow Datasets."""
    with file.open(encoding="utf-8-sig") as lines:
        yield from csv.DictReader(lines, header, delimiter="\t", quoting=csv.QUOTE_NONE)


def fifths(score):
    """A score in float32, rounded to the nearest fifth."""
    single = struct.unpack("f", struct.pack("f", float(score)))[0]
    return f"{round(struct.unpack('f', struct.pack('f', single * 5))[0]) / 5:.1f}"


def plain_words(text):
    """Words in lower case, each without one mark at its end."""
    return [word for word in (re.sub("[.,?!]$", "", word) for word in text.strip().lower().split(" ")) if word]


def standing(words, text):
    """How many of the first words stand in the text, one after another."""
    return max(count for count in range(len(words) + 1) if " ".join(words[:count]) in text)


def schema(premise, hypothesis):
    """WNLI as WSC: the premise with stars around a pronoun, and what the hypothesis has in its place."""
    words, said = plain_words(premise), plain_words(hypothesis)
    best = None  # the pronoun with the most words of the hypothesis around it, the first one of equal ones
    for place in (i for i, word in enumerate(words) if word in PRONOUNS):
        left = standing(words[:place][::-1], " ".join(said[::-1]))
        right = standing(words[place + 1:], " ".join(said))
        if best is None or left + right > best[0]:
            best = (left + right, place, words[place - left:place], words[place + 1:place + 1 + right])
    found, place, left, right = best
    # T5 takes the words around it for patterns, unescaped; in no row here does that matter.
    left, right = map(re.escape, left), map(re.escape, right)
    left, right = "".join(word + " " for word in left), "".join(" " + word for word in right)
    forms = [f"{left}(.+){right}", f"^(.+){right}", f"{left}(.+)$"] if found else []
    matches = [re.search(form, " ".join(said)) for form in forms]
    referent = next((match[1] for match in matches if match), "").split(" ")
    referent = referent[max([referent.index(word) for word in ("a", "an", "the") if word in referent] or [0]):]
    form = " ".join(re.escape(word) + "[.,?!]?" for word in referent)
    written = re.sub("[.,?!]$", "", re.search(form, hypothesis, re.IGNORECASE)[0])
    starred = premise.split(" ")
    starred[place] = re.sub(r"^(.*?)([.,?!]?)$", lambda m: f"*{m[1]}*" + (f" {m[2]}" if m[2] else ""), starred[place])
    return " ".join(starred), re.sub("'s?$", "", written)


def glue(name, file, training):
    """Examples of a GLUE file."""
    _, fields, label, words = TASKS[name]
    for row in table(file, ["source", "label", "note", "sentence"] if name == "cola" else None):
        if None in [row[column] for column in (*fields.values(), label)]:
            continue  # too few columns
        example = {"label": None, "references": [], "group": ""}
        if name == "wnli":
            example["input"], example["target"] = schema(row["sentence1"], row["sentence2"])
            example["input"], example["label"] = "wsc: " + example["input"], int(row[label])
            if training and not example["label"]:
                continue
        else:
            example["input"] = name + "".join(f" {key}: {row[column]}" for key, column in fields.items())
            if words:
                example["label"] = words.index(row[label]) if row[label] in words else int(row[label])
            example["target"] = words[example["label"]] if words else fifths(row[label])
        yield example


def padded(text):
    """Spaces around marks of ASCII, and one space for white space as RE2 knows it."""
    return re.sub("[\t\n\f\r ]+", " ", re.sub(r"([!-/:-@\[-`{-~])", r" \1 ", text))


def asked(question, context, answers):
    text = re.sub("[\t\n\f\r ]+", " ", f"question: {padded(question)} context: {padded(context)}")
    answers = [padded(answer) for answer in answers]
    return {"input": text, "target": answers[0], "label": None, "references": answers, "group": ""}


def squad(file):
    for article in json.loads(file.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for row in paragraph["qas"]:
                yield asked(row["question"], paragraph["context"], [answer["text"] for answer in row["answers"]])


def mrqa(file):
    lines = gzip.decompress(file.read_bytes()).decode("utf-8").split("\n")
    for line in lines[1:-1]:  # the first is a header
        row = json.loads(line)
        for one in row["qas"]:  # TensorFlow Datasets strips the texts, though not the answers
            yield asked(one["question"].strip(), row["context"].strip(), one["answers"])


def examples(task, data, split):
    """What `tasks --examples` should print of a task's split."""
    group, _, name = task.rpartition("/")
    if task == "squad":
        return list(squad(data / "squad" / f"{SPLITS[split]}-v1.1.json"))
    if group == "mrqa":
        return list(mrqa(data / "mrqa" / f"{hostile.MRQA[name]}.jsonl.gz"))
    if group == "superglue":
        return list(superglue(name, data / "superglue", split))
    folder = data / "glue"
    if name == "ax":
        rows = table(folder / "MNLI" / "diagnostic-full.tsv")
        texts = [(row["Hypothesis"], row["Premise"], row["Label"]) for row in rows]
        return [{"input": f"mnli hypothesis: {hypothesis} premise: {premise}", "target": label,
                 "label": NLI.index(label), "references": [], "group": ""} for hypothesis, premise, label in texts]
    if name == "mnli_mismatched":
        return list(glue("mnli", folder / "MNLI" / "dev_mismatched.tsv", False))
    part = SPLITS[split] + ("_matched" if name == "mnli" and split == "validation" else "")
    return list(glue(name, folder / TASKS[name][0] / f"{part}.tsv", split == "train"))


def superglue(name, folder, split):
    if name not in ("axb", "axg"):
        path = folder / test_formats.FOLDERS[name] / f"{'train' if split == 'train' else 'val'}.jsonl"
        yield from test_formats.formatted(name, test_formats.rows_of(name, path), split == "train")
        return
    folder_name = {"axb": "AX-b", "axg": "AX-g"}[name]
    for row in test_formats.rows_of(name, folder / folder_name / f"{folder_name}.jsonl"):
        if name == "axb":
            row = {**row, "premise": row["sentence1"], "hypothesis": row["sentence2"]}
        yield from test_formats.formatted("rte", [row], False)


def splits_of(task):
    scored_only = task.startswith("mrqa/") or task in ("glue/mnli_mismatched", "glue/ax", "superglue/axb",
                                                       "superglue/axg")
    return ["test"] if scored_only else list(SPLITS)


def all_tasks():
    return [*(f"glue/{name}" for name in [*TASKS, "mnli_mismatched", "ax"]), "squad",
            *(f"mrqa/{name}" for name in hostile.MRQA), *(f"superglue/{name}" for name in hostile_superglue.TASKS)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True, type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="peft-bench-formats-") as scratch:
        data = Path(scratch)
        hostile.write(data, options.seed)
        hostile_superglue.write(data / "superglue", options.seed)
        for task in all_tasks():
            got = formats.described(options.program, task, data)
            for split in splits_of(task):
                wanted, ours = examples(task, data, split), formats.without_origin(got[f"{split}_examples"])
                assert len(wanted) > hostile.ROWS // 3, (task, split, len(wanted))
                wrong = formats.difference(ours, wanted)
                failed += wrong is not None
                print(f"{task} {split}: " + (wrong or f"{len(wanted)} examples equal"))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
