"""By hand: `peft-bench score` gives the numbers of T5's own post-processors and metrics, on made predictions of every
task, illegal ones among them. The environment is that of t5_official.py:

    python t5_official_scores.py --t5 t5 --program build/bin/peft-bench
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import hostile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.simplefilter("ignore")
LISTS, ROWS = 6, 400
ALLOWED = 1e-12
ENTAILS = ["entailment", "not_entailment"]
# Our task: T5's, its label words, and our names of its metrics.
CLASSES = {
    "glue/cola": ("glue_cola_v002", ["unacceptable", "acceptable"], {"matthews_corrcoef": "matthews"}),
    "glue/sst2": ("glue_sst2_v002", ["negative", "positive"], {}),
    "glue/mrpc": ("glue_mrpc_v002", ["not_equivalent", "equivalent"], {}),
    "glue/qqp": ("glue_qqp_v002", ["not_duplicate", "duplicate"], {}),
    "glue/mnli": ("glue_mnli_v002", ["entailment", "neutral", "contradiction"], {}),
    "glue/mnli_mismatched": ("glue_mnli_mismatched_v002", ["entailment", "neutral", "contradiction"], {}),
    "glue/qnli": ("glue_qnli_v002", ENTAILS, {}),
    "glue/rte": ("glue_rte_v002", ENTAILS, {}),
    "superglue/boolq": ("super_glue_boolq_v102", ["False", "True"], {}),
    "superglue/cb": ("super_glue_cb_v102", ["entailment", "contradiction", "neutral"],
                     {"mean_3class_f1": "macro_f1"}),
    "superglue/copa": ("super_glue_copa_v102", ["choice1", "choice2"], {}),
    "superglue/rte": ("super_glue_rte_v102", ENTAILS, {}),
    "superglue/wic": ("super_glue_wic_v102", ["False", "True"], {}),
    "superglue/multirc": ("super_glue_multirc_v102", ["False", "True"], {"f1": "f1a", "exact_match": "em"}),
}
OTHERS = {
    "glue/stsb": ("glue_stsb_v002", {"pearson_corrcoef": "pearson", "spearman_corrcoef": "spearman"}),
    "superglue/record": ("super_glue_record_v102", {"em": "record_em", "f1": "record_f1"}),
    "squad": ("squad_v010_allanswers", {"em": "squad_em", "f1": "squad_f1"}),
    "superglue/wsc": ("super_glue_wsc_v102_simple_eval", {"accuracy": "wsc_simple"}),
    "glue/wnli": ("glue_wnli_v002_simple_eval", {"accuracy": "wsc_simple"}),
}


def class_rows(rand, words):
    skill, illegal, rows = rand.choice([0, 0.5, 1]), rand.choice([0, 0.3, 1]), []
    for _ in range(rand.choice([1, 7, ROWS])):
        target = words[min(rand.choices([0, 1, 1, 2], k=1)[0], len(words) - 1)]
        answer = target if rand.random() < skill else rand.choice(words)
        if rand.random() < illegal:
            answer = rand.choice(["", answer + " ", " " + answer, answer.upper(), answer.lower(), answer[:-1],
                                  answer + ".", "<unk>", answer + " " + answer, "0", "1", hostile.text(rand)])
        rows.append({"prediction": answer, "target": target, "question": rand.randrange(0, 100)})
    return rows


def number_rows(rand):
    rows, skill = [], rand.uniform(-1, 1)
    for _ in range(ROWS):
        target = rand.randint(0, 25) / 5
        guess = skill * target + (1 - abs(skill)) * rand.uniform(0, 5)
        answer = rand.choice([f"{guess:.1f}", f"{guess:.3f}", f" {guess:.2f} ", f"{guess:e}", f"+{abs(guess):.1f}",
                              f"{guess:.0f}.", f".{rand.randint(0, 9)}", "five", "", "3,2", "4.0.1", "2 .0", "- 1"])
        rows.append({"prediction": answer, "target": f"{target:.1f}"})
    return rows


def answer_rows(rand):
    rows = []
    for _ in range(ROWS):
        right = hostile.answers(rand, 4)
        answer = rand.choice(right)
        answer = rand.choice([answer, "The " + answer.upper(), answer + " " + hostile.text(rand, 1), answer[1:], "",
                              hostile.text(rand, 4, breaks=True), " ".join(reversed(answer.split()))])
        rows.append({"prediction": answer, "target": right[0], "references": right,
                     "passage": rand.randrange(10), "query": rand.randrange(30)})
    return rows


def referent_rows(rand):
    pool = "the a his Bob Bob's bunny fuzzy hungry hat their POTATO potato which Your many İzmir dogs' an".split()
    # Of the vocabulary a space is a piece too, so that two may follow each other.
    gaps = [" "] * 6 + ["  ", "\t", "\u00a0", "\n"]

    def some():
        made = "".join(rand.choice(pool) + rand.choice(gaps) for _ in range(rand.randint(0, 5)))
        return made if rand.random() < 0.2 else made.strip()

    rows = []
    for _ in range(ROWS):
        referent = some() or "Bob"
        answer = rand.choice([referent, referent.upper(), some(), some(), some()])
        rows.append({"prediction": answer, "target": referent, "target_label": rand.randint(0, 1)})
    return rows


class Scores:
    def __init__(self, options, folder):
        sys.path.insert(0, str(options.t5))
        import seqio
        import t5.data.tasks  # noqa: F401, registers them
        self.registry, self.program, self.folder = seqio.TaskRegistry, options.program, folder
        self.compared, self.failed = 0, 0

    def ours(self, task, rows):
        file = self.folder / "predictions.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        result = subprocess.run([self.program, "score", file, "--task", task, "--json"], capture_output=True, text=True)
        if result.returncode != 0:
            raise SystemExit(result.stdout + result.stderr)
        return {metric["name"]: metric["value"] for metric in json.loads(result.stdout)[0]["metrics"]}

    def theirs(self, name, rows):
        task = self.registry.get(name)
        targets, predictions = [], []
        for row in rows:
            example = {"targets_pretokenized": row["target"].encode(), "label": row.get("target_label"),
                       "answers": [one.encode() for one in row.get("references", [])],
                       **{f"idx/{key}": row.get(key) for key in ("question", "passage", "query")}}
            targets.append(task.postprocess_fn(row["target"], example=example, is_target=True))
            predictions.append(task.postprocess_fn(row["prediction"], example=example, is_target=False))
        values = {}
        for metric in task.metric_fns:
            values.update({key: float(value) / 100 for key, value in metric(targets, predictions).items()})
        return values

    def check(self, task, name, lists, names):
        worst = {}
        for rows in lists:
            theirs = self.theirs(name, rows)
            for row in rows:  # the groups that we name by one text
                if "question" in row:
                    row["group"] = str(row.pop("question"))
                elif "query" in row:
                    row["group"] = f"{row.pop('passage')}/{row.pop('query')}"
            ours = self.ours(task, rows)
            for key, value in theirs.items():
                own = ours[names.get(key, key)]
                difference = 0.0 if value != value and own == 0 else abs(value - own)  # theirs is NaN: nothing varies
                worst[key] = max(worst.get(key, 0.0), difference)
            self.compared += len(rows)
        for key, difference in worst.items():
            wrong = not difference <= ALLOWED
            self.failed += wrong
            print(f"{'NOT EQUAL' if wrong else 'ok'}: {task} {key}: largest difference {difference:.1e} "
                  f"on {len(lists)} lists")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--t5", required=True, type=Path, help="a checkout of T5's repository")
    parser.add_argument("--program", required=True, type=Path, help="the built peft-bench")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rand = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        scores = Scores(options, Path(folder))
        for task, (name, words, names) in CLASSES.items():
            scores.check(task, name, [class_rows(rand, words) for _ in range(2 * LISTS)], names)
        makers = {"glue/stsb": number_rows, "superglue/wsc": referent_rows, "glue/wnli": referent_rows}
        for task, (name, names) in OTHERS.items():
            scores.check(task, name, [makers.get(task, answer_rows)(rand) for _ in range(LISTS)], names)
    print(f"{scores.compared} predictions scored, {scores.failed} metrics differ")
    return int(scores.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
