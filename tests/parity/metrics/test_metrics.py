"""Every metric equals scikit-learn's, and Wilson's interval scipy's, on random answers of many kinds. The bootstrap's
interval is compared with one of scipy's, which draws other samples."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
from scipy.stats import binomtest, bootstrap
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from support import Checks  # noqa: E402

warnings.simplefilter("ignore")


def cases():
    random = np.random.default_rng(0)
    for labels in (2, 3, 7, 41):
        for count in (1, 5, 100, 700):
            for skill in (0.0, 0.5, 1.0):
                for illegal in (0.0, 0.2):
                    # Unequal classes, and some that never occur.
                    targets = np.minimum(random.geometric(0.4, count) - 1, labels - 1)
                    predictions = np.where(random.random(count) < skill, targets, random.integers(0, labels, count))
                    predictions = np.where(random.random(count) < illegal, -1, predictions)
                    yield labels, targets, predictions


def peers(labels, targets, predictions):
    return {
        "accuracy": accuracy_score(targets, predictions),
        "exact_match": accuracy_score(targets, predictions),
        "macro_f1": f1_score(targets, predictions, average="macro", labels=range(labels), zero_division=0),
        "matthews": matthews_corrcoef(targets, predictions),
    }


def main():
    checks = Checks()
    all_cases = list(cases())
    lines = [json.dumps({"labels": n, "targets": t.tolist(), "predictions": p.tolist()}) for n, t, p in all_cases]
    result = subprocess.run([sys.argv[1]], input="\n".join(lines), capture_output=True, text=True, check=True)
    ours = [json.loads(line) for line in result.stdout.splitlines()]
    checks.equal("answers", len(ours), len(all_cases))

    worst = dict.fromkeys(["accuracy", "exact_match", "macro_f1", "matthews", "Wilson's interval"], 0.0)
    for (labels, targets, predictions), values in zip(all_cases, ours):
        for name, expected in peers(labels, targets, predictions).items():
            worst[name] = max(worst[name], abs(values[name]["value"] - expected))
        interval = binomtest(int((targets == predictions).sum()), len(targets)).proportion_ci(method="wilson")
        difference = max(abs(values["accuracy"]["low"] - interval.low), abs(values["accuracy"]["high"] - interval.high))
        worst["Wilson's interval"] = max(worst["Wilson's interval"], difference)
    for name, difference in worst.items():
        checks.true(f"{name} on {len(all_cases)} lists: largest difference {difference:.1e} (allowed 1e-9)", difference <= 1e-9)

    for labels, targets, predictions in [case for case in all_cases if len(case[1]) == 700][2:20:5]:
        values = ours[next(i for i, case in enumerate(all_cases) if case[1] is targets)]
        for name in ("macro_f1", "matthews"):
            statistic = lambda t, p: peers(labels, t, p)[name]  # noqa: E731
            drawn = bootstrap((targets, predictions), statistic, paired=True, vectorized=False, n_resamples=1000,
                              method="percentile", random_state=0).confidence_interval
            difference = max(abs(values[name]["low"] - drawn.low), abs(values[name]["high"] - drawn.high))
            checks.true(f"bootstrap of {name}, {labels} labels: [{values[name]['low']:.3f}, {values[name]['high']:.3f}], "
                        f"scipy's [{drawn.low:.3f}, {drawn.high:.3f}]", difference <= 0.02)
    checks.finish()


if __name__ == "__main__":
    main()
