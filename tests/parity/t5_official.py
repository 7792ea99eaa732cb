"""By hand: our inputs, targets, labels and right answers are those of T5's own code, run for real on the same files.
So are those of the tests' second formatters (test_formats.py, test_formats_glue.py).

The files are made (hostile.py, hostile_superglue.py); with --fewglue the rows of FewGLUE are compared too. TensorFlow
Datasets reads them, as for T5, and T5's tasks format them as they are registered there. MRQA's sets are not among
them: those are formatted by the code of Lester et al. (2021). In an environment of its own (Python 3.11), with
checkouts of google-research's text-to-text-transfer-transformer as t5 and of its prompt-tuning beside it:

    pip install tensorflow==2.21.0 tensorflow-text==2.21.1 tensorflow-datasets==4.9.10 clu jax flax pyglove \\
        sentencepiece gin-config babel editdistance sacrebleu scikit-learn scipy rouge-score pandas
    pip install --no-deps seqio==0.0.20
    python t5_official.py --t5 t5 --prompt-tuning prompt-tuning --program build/bin/peft-bench
"""

import argparse
import gzip
import importlib.util
import os
import sys
import tempfile
from pathlib import Path

import formats
import hostile
import hostile_superglue
import test_formats_glue

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
SHOWN = 3
# The archive's folder of each task whose splits are plain, and of each of our splits the file that holds it.
GLUE = {"cola": "CoLA", "sst2": "SST-2", "mrpc": "MRPC", "stsb": "STS-B", "qqp": "QQP", "mnli": "MNLI", "qnli": "QNLI",
        "rte": "RTE"}
PARTS = {"train": "train", "validation": "dev"}


def text(tensor):
    return tensor.numpy().decode("utf-8") if hasattr(tensor, "numpy") else tensor.decode("utf-8")


class Official:
    """TensorFlow Datasets' readers and T5's tasks."""

    def __init__(self, options, folder):
        sys.path.insert(0, str(options.t5))
        import seqio
        import t5.data.tasks  # noqa: F401, registers them
        import tensorflow as tf
        import tensorflow_datasets as tfds
        self.seqio, self.tf, self.tfds, self.folder = seqio, tf, tfds, folder
        self.lester = None
        if options.prompt_tuning:
            file = options.prompt_tuning / "prompt_tuning" / "data" / "preprocessors.py"
            spec = importlib.util.spec_from_file_location("lester_preprocessors", file)
            self.lester = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(self.lester)

    def rows(self, builder, generated, leave=()):
        """What a reader of TensorFlow Datasets yields, as a data set."""
        builder = self.tfds.builder(builder, data_dir=self.folder / "tfds") if isinstance(builder, str) else builder
        features = builder.info.features
        spec = {key: value for key, value in features.get_tensor_spec().items() if key not in leave}

        def plain(value, kind):
            if isinstance(kind, dict):
                return {key: plain(value[key], kind[key]) for key in kind}
            many = isinstance(value, list)
            values = [one.item() if hasattr(one, "item") else one for one in (value if many else [value])]
            values = [one.encode() if isinstance(one, str) else one for one in values]
            return self.tf.constant(values if many else values[0], kind.dtype, shape=[len(values)] if many else [])

        encoded = [{key: plain(row[key], spec[key]) for key in spec}
                   for row in (features.encode_example(example) for _, example in generated(builder))]
        return self.tf.data.Dataset.from_generator(lambda: iter(encoded), output_signature=spec)

    def glue(self, name, file, split, **more):
        return self.rows(f"glue/{name}", lambda builder: builder._generate_examples(str(file), split, **more))

    def superglue(self, name, file):
        return self.rows(f"super_glue/{name}", lambda builder: builder._generate_examples(
            str(file), self.tfds.Split.TRAIN))

    def formatted(self, name, rows):
        """The examples of a registered task before they are tokenized, with what its post-processing makes of them."""
        task = self.seqio.TaskRegistry.get(name)
        for step in task.preprocessors:
            if step is self.seqio.preprocessors.tokenize:
                break
            rows = step(rows)
        for example in rows:
            example = {key: value.numpy() for key, value in example.items()}
            example["targets_pretokenized"] = example["targets"]
            made = {"input": text(example["inputs"]), "target": text(example["targets"])}
            judged = task.postprocess_fn(made["target"], example=example, is_target=True)
            if name.startswith("super_glue_multirc"):
                made["label"] = judged["value"]
                # T5 groups by the question alone, whose numbers do not begin anew in a paragraph.
                made["group"] = f"{example['idx/paragraph']}/{judged['group']}"
            elif name.startswith("super_glue_record"):
                made["references"], made["group"] = judged["value"], "/".join(map(str, judged["group"]))
            elif name.startswith("squad"):
                made["references"] = judged
            elif not name.startswith("glue_stsb"):
                made["label"] = int(example["label"] if name.endswith("_simple_train") else judged)
            yield made

    def of_mrqa(self, name, file):
        plain = self.folder / "mrqa.jsonl"
        plain.write_bytes(gzip.decompress(file.read_bytes()))
        rows = self.rows(f"mrqa/{name}", lambda builder: builder._generate_examples(str(plain), "test"),
                         leave=("context_tokens", "question_tokens", "detected_answers"))
        for example in self.lester.mrqa(rows):
            yield {"input": text(example["inputs"]), "target": text(example["targets"]),
                   "references": [text(one) for one in example["answers"].numpy()]}


class Comparison:
    def __init__(self, program, made):
        self.program, self.made, self.compared, self.failed, self.known = program, made, 0, 0, {}

    def ours(self, task, data, split):
        if (task, data) not in self.known:
            self.known[task, data] = formats.described(self.program, task, data)
        return self.known[task, data][f"{split}_examples"]

    def check(self, task, data, split, theirs, keys=("input", "target", "label", "references", "group")):
        theirs = [{key: example[key] for key in keys if key in example} for example in theirs]
        self.compared += len(theirs)
        both = {"ours": self.ours(task, data, split)}
        if data == self.made:
            both["the second formatter's"] = test_formats_glue.examples(task, data, split)
        for name, examples in both.items():
            differ = [f"  {place} {key}\n    {name} {own[key]!r}\n    T5's {other[key]!r}"
                      for place, (own, other) in enumerate(zip(examples, theirs))
                      for key in other if own[key] != other[key]]
            if len(examples) != len(theirs):
                differ.append(f"  {len(examples)} examples, not {len(theirs)}")
            self.failed += len(differ)
            print(f"{'NOT EQUAL' if differ else 'equal'}: {task} {split}, {name}: {len(theirs)} examples, "
                  f"{len(differ)} differences")
            print("\n".join(differ[:SHOWN]), end="\n" if differ else "")


def microsoft(folder):
    """MRPC as TensorFlow Datasets gets it: one file, and the ids of the rows that are validated on."""
    train, dev = ((folder / f"{split}.tsv").read_bytes().decode("utf-8-sig").strip("\r\n").split("\r\n")
                  for split in ("train", "dev"))
    hostile.put(folder / "all.txt", "\ufeff" + "\r\n".join([*train, *dev[1:]]) + "\r\n")
    ids = [line.split("\t")[1:3] for line in dev[1:]]
    hostile.put(folder / "ids.tsv", "".join("\t".join(one) + "\n" for one in ids))
    return {"train": str(folder / "all.txt"), "dev_ids": str(folder / "ids.tsv")}


def check_made(official, comparison, data):
    glue = data / "glue"
    for name, archive in GLUE.items():
        for split, part in PARTS.items():
            file = glue / archive / f"{part}{'_matched' if name == 'mnli' and part == 'dev' else ''}.tsv"
            more = {"mrpc_files": microsoft(glue / archive)} if name == "mrpc" else {}
            comparison.check(f"glue/{name}", data, split,
                             official.formatted(f"glue_{name}_v002", official.glue(name, file, part, **more)))
    comparison.check("glue/mnli_mismatched", data, "test", official.formatted(
        "glue_mnli_mismatched_v002", official.glue("mnli_mismatched", glue / "MNLI" / "dev_mismatched.tsv", "dev")))
    comparison.check("glue/ax", data, "test", official.formatted(  # whose labels T5 has not
        "glue_ax_v002", official.glue("ax", glue / "MNLI" / "diagnostic.tsv", "test")), ["input"])
    for split, part in PARTS.items():
        rows = official.glue("wnli", glue / "WNLI" / f"{part}.tsv", part)
        if split == "train":  # T5 has none; ours are the true pairs
            rows = rows.filter(lambda row: row["label"] == 1)
        comparison.check("glue/wnli", data, split, official.formatted("glue_wnli_v002_simple_eval", rows))
        rows = official.rows("squad/v1.1", lambda builder: builder._generate_examples(
            str(data / "squad" / f"{part}-v1.1.json")))
        comparison.check("squad", data, split, official.formatted("squad_v010_allanswers", rows))
    for name, file in hostile.MRQA.items() if official.lester else ():
        comparison.check(f"mrqa/{name}", data, "test", official.of_mrqa(name, data / "mrqa" / f"{file}.jsonl.gz"))
    check_superglue(official, comparison, data, data / "superglue", {"train": "train", "validation": "val"})


def check_superglue(official, comparison, data, folder, splits):
    for name, (archive, _) in hostile_superglue.TASKS.items():
        for split, part in {"test": archive}.items() if name.startswith("ax") else splits.items():
            file = folder / archive / f"{part}.jsonl"
            if not file.exists():
                continue
            rows = official.superglue("wsc.fixed" if name == "wsc" else name, file)
            task = f"super_glue_{name}_v102"
            if name == "wsc":
                task += "_simple_train" if split == "train" else "_simple_eval"
            examples = official.formatted(task, rows)
            if name == "record" and split != "train":  # scored once for each query
                seen = {}
                for example in examples:
                    seen.setdefault(example["group"], example)
                examples = seen.values()
            comparison.check(f"superglue/{name}", data, split, examples)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--t5", required=True, type=Path, help="a checkout of T5's repository")
    parser.add_argument("--prompt-tuning", type=Path, help="a checkout of Lester et al.'s, for MRQA")
    parser.add_argument("--program", required=True, type=Path, help="the built peft-bench")
    parser.add_argument("--fewglue", type=Path, help="the folder FewGLUE_32dev")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        comparison = Comparison(options.program, scratch)
        official = Official(options, scratch)
        hostile.write(scratch, options.seed)
        hostile_superglue.write(scratch / "superglue", options.seed)
        check_made(official, comparison, scratch)
        if options.fewglue:
            check_superglue(official, comparison, options.fewglue, options.fewglue,
                            {"train": "train", "validation": "dev32", "test": "val"})
    print(f"{comparison.compared} examples compared, {comparison.failed} differences")
    return int(comparison.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
