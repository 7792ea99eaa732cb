"""`peft-bench score` on random answers of many kinds, illegal ones among them: every metric equals scikit-learn's,
scipy's or a second implementation's (definitions.py), Wilson's interval scipy's. The bootstrap's interval is compared
with one of numpy's or scipy's, which draws other samples."""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
from scipy.stats import binomtest, bootstrap, pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import definitions  # noqa: E402
from support import Checks, arguments, run, scratch  # noqa: E402

warnings.simplefilter("ignore")
ROWS = 1000
LISTS = 5  # of so many rows for each task


class Scores:
    """Files of predictions, scored together; the largest difference of each metric from its peer."""

    def __init__(self, program, folder, checks):
        self.program, self.folder, self.checks = program, Path(folder), checks

    def of(self, name, lists, metrics, labels=()):
        files = []
        for number, rows in enumerate(lists):
            files.append(self.folder / f"{name}-{number}.jsonl")
            files[-1].write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        more = ["--labels", ",".join(labels)] if labels else []
        printed = json.loads(run(self.program, "score", *files, "--metrics", ",".join(metrics), *more, "--json"))
        self.checks.equal(f"{name}: files scored", len(printed), len(lists))
        return [{metric["name"]: metric for metric in one["metrics"]} | {"illegal": one["illegal_rate"]}
                for one in printed]

    def compare(self, name, ours, peers):
        """`peers`: of each list the value of each metric."""
        worst = dict.fromkeys(peers[0], 0.0)
        for own, peer in zip(ours, peers):
            for metric, expected in peer.items():
                value = own[metric] if metric == "illegal" else own[metric]["value"]
                worst[metric] = max(worst[metric], abs(value - expected))
        for metric, difference in worst.items():
            self.checks.true(f"{name}: {metric} on {len(peers)} lists: largest difference {difference:.1e} "
                             "(allowed 1e-12)",
                             difference <= 1e-12)


def label_lists(random, labels):
    for count in (1, 5, 100, ROWS):
        for skill in (0.0, 0.5, 1.0):
            for illegal in (0.0, 0.2):
                # Unequal classes, and some that never occur.
                targets = np.minimum(random.geometric(0.4, count) - 1, labels - 1)
                predictions = np.where(random.random(count) < skill, targets, random.integers(0, labels, count))
                yield targets, np.where(random.random(count) < illegal, -1, predictions)


def label_rows(words, targets, predictions):
    """Without numbers: labels are found by their words, and what is none of them is illegal."""
    strange = ["", "word", words[0].upper(), words[0] + " " + words[1], "réponse"]
    return [{"prediction": words[p] if p >= 0 else strange[i % len(strange)], "target": words[t]}
            for i, (t, p) in enumerate(zip(targets, predictions))]


def check_labels(scores, checks, random):
    for labels in (2, 3, 7, 41):
        words = [f"class{k}" for k in range(labels)]
        lists = list(label_lists(random, labels))
        metrics = ["accuracy", "macro_f1", "matthews", "exact_match"] + (["f1"] if labels == 2 else [])
        ours = scores.of(f"labels-{labels}", [label_rows(words, *one) for one in lists], metrics, words)

        def peers_of(targets, predictions):
            peers = {
                "accuracy": accuracy_score(targets, predictions),
                "exact_match": accuracy_score(targets, predictions),
                "macro_f1": f1_score(targets, predictions, average="macro", labels=range(labels), zero_division=0),
                "matthews": matthews_corrcoef(targets, predictions),
                "illegal": np.mean(predictions < 0),
            }
            return peers | ({"f1": definitions.flipped_f1(targets, predictions)} if labels == 2 else {})

        scores.compare(f"{labels} labels", ours, [peers_of(*one) for one in lists])
        difference = 0.0
        for values, (targets, predictions) in zip(ours, lists):
            right = binomtest(int((targets == predictions).sum()), len(targets)).proportion_ci(method="wilson")
            difference = max(difference, *np.abs(np.subtract(values["accuracy"]["interval"], (right.low, right.high))))
        checks.true(f"{labels} labels: Wilson's interval: largest difference {difference:.1e} (allowed 1e-12)",
                    difference <= 1e-12)

        if labels > 3:  # what follows takes many evaluations of the peers
            continue
        targets, predictions = lists[-3]  # many rows, half of them right, some illegal
        for metric in metrics[1:3]:
            drawn = bootstrap((targets, predictions), lambda t, p: peers_of(t, p)[metric], paired=True,
                              vectorized=False, n_resamples=300, method="percentile",
                              random_state=0).confidence_interval
            own = ours[-3][metric]["interval"]
            checks.true(f"{labels} labels: bootstrap of {metric}: [{own[0]:.3f}, {own[1]:.3f}], scipy's "
                        f"[{drawn.low:.3f}, {drawn.high:.3f}]",
                        max(abs(own[0] - drawn.low), abs(own[1] - drawn.high)) <= 0.025)
        # The bar: the best of all constant answers.
        constants = [[peers_of(t, np.full_like(t, k)) for k in range(labels)] for t, _ in lists]
        for metric in metrics:
            worst = max(abs(values[metric]["majority"] - max(peer[metric] for peer in one))
                        for values, one in zip(ours, constants))
            checks.true(f"{labels} labels: best constant answer in {metric}: largest difference {worst:.1e}",
                        worst <= 1e-12)


def check_multirc(scores, checks, random):
    lists, peers, data = [], [], []
    for _ in range(LISTS):
        targets, skill = random.integers(0, 2, ROWS), random.random(ROWS)
        predictions = np.where(skill < 0.8, targets, random.integers(-1, 2, ROWS))
        groups = [f"{number}/{number % 7}" for number in random.integers(0, 250, ROWS)]
        lists.append([{"prediction": ["maybe", "False", "True"][p + 1], "target": ["False", "True"][t], "group": g}
                      for t, p, g in zip(targets, predictions, groups)])
        f1a, em = definitions.flipped_f1(targets, predictions), definitions.all_right(targets, predictions, groups)
        peers.append({"f1a": f1a, "em": em, "mean": (f1a + em) / 2, "illegal": np.mean(predictions < 0)})
        data.append((targets, predictions, np.unique(groups, return_inverse=True)[1]))
    ours = scores.of("multirc", lists, ["mean", "f1a", "em"], ["False", "True"])
    scores.compare("MultiRC", ours, peers)
    targets, predictions, groups = data[0]
    rows = [np.flatnonzero(groups == g) for g in range(groups.max() + 1)]
    values = []
    for _ in range(300):  # whole questions are drawn
        drawn = np.concatenate([rows[g] for g in random.integers(0, len(rows), len(rows))])
        values.append(definitions.flipped_f1(targets[drawn], predictions[drawn]))
    low, high = np.percentile(values, [2.5, 97.5])
    own = ours[0]["f1a"]["interval"]
    checks.true(f"bootstrap of f1a by question: [{own[0]:.3f}, {own[1]:.3f}], numpy's [{low:.3f}, {high:.3f}]",
                max(abs(own[0] - low), abs(own[1] - high)) <= 0.015)
    checks.equal("em counts questions", ours[0]["em"]["n"], len(rows))


WORDS = ("the The a AN an cat Cat's dogs, big-cat U.S. $1,000 3.5% ÜBER straße İzmir ΟΔΟΣ Σ café ЖУК naïve 東京 “the” "
         "l'an and a. the_ _ ! ... — a\u0301 １２ ½ can't").split()
SPACES = [" ", "  ", "\t", "\u00a0", "\u3000", "\u2009"]


def phrase(random, most):
    text = ""
    for _ in range(random.integers(0, most + 1)):
        text += WORDS[random.integers(len(WORDS))] + SPACES[min(random.geometric(0.7), len(SPACES)) - 1]
    return text


def question_rows(random):
    rows = []
    for number in range(ROWS):
        references = [phrase(random, 4) for _ in range(random.integers(1, 5))]
        answer = phrase(random, 5)
        kind = random.random()
        if kind < 0.5:  # near to a reference
            answer = references[random.integers(len(references))]
            answer = answer if kind < 0.15 else "The " + answer.upper() if kind < 0.3 else answer + phrase(random, 1)
        rows.append({"prediction": answer, "target": references[0], "references": references,
                     "group": f"{random.integers(0, ROWS // 2)}"})
    return rows


def check_questions(scores, random):
    lists = [question_rows(random) for _ in range(LISTS)]
    # A row with one right answer needs no list of them.
    lists.append([{key: row[key] for key in ("prediction", "target", "group")} for row in lists[0]])
    ours = scores.of("questions", lists, ["squad_em", "squad_f1", "record_em", "record_f1", "mean"])
    peers = []
    for rows in lists:
        rows = [{"references": [row["target"]]} | row for row in rows]
        values = dict(zip(["squad_em", "squad_f1", "record_em", "record_f1"],
                          definitions.squad(rows) + definitions.record(rows)))
        peers.append(values | {"mean": sum(values.values()) / 4})
    scores.compare("SQuAD and ReCoRD", ours, peers)


def check_numbers(scores, checks, random):
    lists, peers = [], []
    strange = ["", "five", "3,2", "nan", "inf", "-inf", "1e999", "4.0.1", "entailment"]
    for skill in (1.0, 0.7, 0.3, 0.0, -0.5):
        targets = [f"{round(5 * y) / 5:.1f}" for y in random.uniform(0, 5, ROWS)]
        noise = skill * np.array([float(t) for t in targets]) + (1 - abs(skill)) * random.uniform(0, 5, ROWS)
        answers = [f"{x:.1f}" if random.random() < 0.5 else f" {x:.3e}\n" for x in noise]
        answers = [strange[random.integers(len(strange))] if random.random() < 0.1 else a for a in answers]
        lists.append([{"prediction": a, "target": t} for a, t in zip(answers, targets)])
        x, y = [definitions.number(t) for t in targets], [definitions.number(a) for a in answers]
        pearson, spearman = pearsonr(x, y)[0], spearmanr(x, y)[0]
        peers.append({"pearson": pearson, "spearman": spearman, "mean": (pearson + spearman) / 2})
    ours = scores.of("numbers", lists, ["mean", "pearson", "spearman"])
    scores.compare("STS-B", ours, peers)
    constant = scores.of("constant", [[{"prediction": "3.1", "target": t} for t in ("0.1", "3.1", "4.2")]],
                         ["pearson", "spearman"])
    checks.equal("what does not vary correlates with nothing",
                 [constant[0][m]["value"] for m in ("pearson", "spearman")], [0, 0])


def check_winograd(scores, random):
    pool = "the a his Bob Bob's bunny fuzzy hungry hat their POTATO potato which Your many İzmir".split()

    gaps = [" "] * 6 + ["  ", "\t", "\u00a0"]

    def some():
        chosen = random.integers(0, len(pool), random.integers(0, 5))
        return "".join(pool[i] + gaps[random.integers(len(gaps))] for i in chosen)

    lists, peers = [], []
    for _ in range(LISTS):
        rows = []
        for label in random.integers(0, 2, ROWS):
            referent = some() or "Bob"
            answer = referent if random.random() < 0.3 else some()
            rows.append({"prediction": answer, "target": referent, "target_label": int(label)})
        verdicts = [definitions.winograd(row["prediction"], row["target"]) for row in rows]
        targets = [row["target_label"] for row in rows]
        peers.append({"wsc_simple": accuracy_score(targets, verdicts), "illegal": verdicts.count(-1) / ROWS})
        lists.append(rows)
    ours = scores.of("winograd", lists, ["wsc_simple"])
    scores.compare("WSC", ours, peers)


def main():
    options, checks = arguments(), Checks()
    random = np.random.default_rng(0)
    with scratch(options) as folder:
        scores = Scores(options.program, folder, checks)
        check_labels(scores, checks, random)
        check_multirc(scores, checks, random)
        check_questions(scores, random)
        check_numbers(scores, checks, random)
        check_winograd(scores, random)
    checks.finish()


if __name__ == "__main__":
    main()
