"""SuperGLUE as T5 formats it, on every row of ../shared/data/FewGLUE_32dev: `peft-bench tasks --examples` against a
second formatter, written from Raffel et al. 2020 (appendix D) and T5's recipes, not from the program. The same rows as
the hub keeps them in parquet must give the same examples."""

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

import formats

SKIPPED = 77
FOLDERS = {"boolq": "BoolQ", "cb": "CB", "copa": "COPA", "multirc": "MultiRC", "record": "ReCoRD", "rte": "RTE",
           "wic": "WiC", "wsc": "WSC"}
# Rows of train, of dev32, and of the official validation file, which stands as the test split here.
COUNTS = {"boolq": (32, 32, 3270), "cb": (32, 32, 56), "copa": (32, 32, 100), "rte": (32, 32, 277),
          "wic": (32, 32, 638), "multirc": (154, 167, 4848), "wsc": (32, 32, 104), "record": (44, 32, None)}
CLASSES = {"cb": ["entailment", "contradiction", "neutral"], "rte": ["entailment", "not_entailment"],
           "copa": ["choice1", "choice2"]}
FEATURES = {"boolq": ["passage", "question"], "cb": ["hypothesis", "premise"],
            "copa": ["choice1", "choice2", "premise", "question"], "rte": ["hypothesis", "premise"],
            "wic": ["sentence1", "sentence2", "word"], "multirc": ["question", "answer", "paragraph"]}


def rows_of(task, path):
    """The rows as TensorFlow Datasets makes them of the archive's lines."""
    for line in path.read_bytes().splitlines():  # of bytes: U+2028 ends none
        row = json.loads(line)
        if task == "multirc":
            for question in row["passage"]["questions"]:
                for answer in question["answers"]:
                    yield {"paragraph": row["passage"]["text"], "question": question["question"],
                           "answer": answer["text"], "label": answer["label"],
                           "idx": {"paragraph": row["idx"], "question": question["idx"], "answer": answer["idx"]}}
        elif task == "record":
            text = row["passage"]["text"]
            entities = sorted({text[e["start"]:e["end"] + 1] for e in row["passage"]["entities"]})
            for qa in row["qas"]:
                yield {"passage": text, "query": qa["query"], "entities": entities,
                       "answers": sorted({a["text"] for a in qa["answers"]}),
                       "idx": {"passage": row["idx"], "query": qa["idx"]}}
        elif task == "wsc":
            yield {**row["target"], "text": row["text"], "label": row["label"], "idx": row["idx"]}
        else:
            yield row


def class_of(task, label):
    """The label's number."""
    return CLASSES[task].index(label) if isinstance(label, str) else int(label)


def mended(text, span, index):
    """A span as wsc.fixed has it."""
    if span in text or span in ("Kamenev and Zinoviev", "Kamenev, Zinoviev, and Stalin"):
        return span
    first = span[0].lower() if text.split()[index][0].islower() else span[0].upper()
    return (first + span[1:]).rstrip(".").replace("\n", " ")


def wsc_input(row):
    pronoun = mended(row["text"], row["span2_text"], row["span2_index"])
    index = 10 if pronoun != row["span2_text"] and "theyscold" in row["span2_text"] else row["span2_index"]
    if row["text"].startswith("The boy continued to whip the pony"):
        return row["text"].strip().replace("him,\" he", "*him* ,\" he")
    if row["text"].startswith("When they had eventually calmed down a bit , and had gotten home, Mr. Farley"):
        return row["text"].replace(" use it ,", " use *it* ,")
    words = row["text"].split(" ")
    assert words[index] == pronoun, row
    marked = " ".join([" ".join(words[:index]), "X", " ".join(words[index + 1:])])  # a space follows at the end too
    return re.sub(" X ", " *" + pronoun + "* ", marked)


def formatted(task, rows, training):
    """What `tasks --examples` should print of these rows."""
    for row in rows:
        example = {"label": None, "references": [], "group": ""}
        if task == "record":
            passage = re.sub(r"(\.|\?|\!|\"|\')\n@highlight\n", r"\1 ", row["passage"])
            passage = re.sub(r"\n@highlight\n", ". ", passage)
            example["input"] = " ".join(["record query:", row["query"], "entities:", ", ".join(row["entities"]),
                                         "passage:", passage])
            example["references"] = row["answers"]
            example["group"] = f"{row['idx']['passage']}/{row['idx']['query']}"
            for answer in row["answers"] if training else row["answers"][:1]:
                yield {**example, "target": answer}
            continue
        if task == "wsc":
            if training and not row["label"]:
                continue
            example.update(input="wsc: " + wsc_input(row), label=int(row["label"]),
                           target=mended(row["text"], row["span1_text"], row["span1_index"]))
        else:
            names = CLASSES.get(task, ["False", "True"])
            text = task + "".join(f" {name}: {row[name]}" for name in FEATURES[task])
            if task == "multirc":
                text = re.sub("<(/)?b>", "", re.sub("<br>", " ", text))
                example["group"] = f"{row['idx']['paragraph']}/{row['idx']['question']}"
            number = class_of(task, row["label"])
            example.update(input=text, target=names[number], label=number)
        yield example


def check_official(program, task, data):
    """Compares each row; the splits' examples by name."""
    splits = {"train": "train", "validation": "dev32", "test": "val"}
    got = formats.described(program, f"superglue/{task}", data)
    seen = {}
    for (split, name), count in zip(splits.items(), COUNTS[task]):
        path = data / FOLDERS[task] / f"{name}.jsonl"
        if not path.exists():  # ReCoRD's validation file is no part of FewGLUE
            assert task == "record" and split == "test" and got["examples"]["test"] == 0
            continue
        wanted = list(formatted(task, rows_of(task, path), split == "train"))
        seen[split] = formats.without_origin(got[f"{split}_examples"])
        assert len(wanted) == got["examples"][split] == len(seen[split]), (task, split, len(wanted))
        assert count == len(wanted), (task, split, len(wanted))
        for place, (ours, theirs) in enumerate(zip(seen[split], wanted)):
            assert ours == theirs, f"{task} {split} {place}:\n{ours}\n{theirs}"
        print(f"superglue/{task} {split}: {len(wanted)} examples equal")
    return seen


def hub_rows(task, path):
    """Rows as the hub's parquet has them: labels are numbers, entities in no order."""
    for row in rows_of(task, path):
        row = dict(row)
        if task == "record":
            row["entities"] = row["entities"][::-1]
            row["answers"] = row["answers"][::-1]
        elif task == "wsc":
            row["label"] = int(row["label"])
        else:
            row["label"] = class_of(task, row["label"])
        yield row


def check_hub(program, task, data, official):
    """The same train and validation rows out of a snapshot in a hub's cache."""
    import pyarrow
    import pyarrow.parquet  # of the peers, with --hub
    with tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch)
        snapshot = cache / "datasets--aps--super_glue" / "snapshots" / ("0" * 40)
        folder = snapshot / ("wsc.fixed" if task == "wsc" else task)
        folder.mkdir(parents=True)
        (cache / "datasets--aps--super_glue" / "refs").mkdir()
        (cache / "datasets--aps--super_glue" / "refs" / "main").write_text("0" * 40)
        for split, name in (("train", "train"), ("validation", "dev32")):
            rows = list(hub_rows(task, data / FOLDERS[task] / f"{name}.jsonl"))
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows),
                                        folder / f"{split}-00000-of-00001.parquet")
        got = formats.described(program, f"superglue/{task}", cache)
        if got is None:
            return False
        for split in ("train", "validation"):
            assert formats.without_origin(got[f"{split}_examples"]) == official[split], (task, split)
    print(f"superglue/{task}: the hub's rows give the same examples")
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True, type=Path)
    parser.add_argument("--source", required=True, type=Path)
    parser.add_argument("--hub", action="store_true", help="compare the hub's layout too, which needs pyarrow")
    options = parser.parse_args()
    data = options.source.parent / "shared" / "data" / "FewGLUE_32dev"
    if not data.is_dir():
        print(f"skipped: {data} is not there")
        return SKIPPED
    for task in FOLDERS:
        official = check_official(options.program, task, data)
        if options.hub and not check_hub(options.program, task, data, official):
            print("skipped: this build reads no parquet")
            return SKIPPED
    return 0


if __name__ == "__main__":
    sys.exit(main())
