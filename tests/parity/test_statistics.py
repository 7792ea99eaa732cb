"""The statistics of framework/src/results on 200 random cases each, with ties, zeros, zero variance, one seed and missing
cells, against SciPy and statsmodels (exact tests within 1e-9). What draws random numbers is compared with an
implementation in numpy of the same random streams: bootstraps within 1e-3, permutations within 1e-9."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

try:
    import numpy as np
    import pandas as pd
    import statsmodels.formula.api as smf
    from scipy.optimize import brentq
    from scipy.stats import permutation_test
    from scipy.stats import t as students_t
    from scipy.stats import ttest_ind, wilcoxon
    from statsmodels.stats.anova import anova_lm
    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.multitest import multipletests
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

CASES = 200
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
np.seterr(over="ignore")  # unsigned numbers wrap


def mix(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def stream_seeds(seed, name, count):
    """core/random.h: the seeds of the streams 0 … count − 1 of this name."""
    hashed = 0xCBF29CE484222325
    for byte in name.encode():
        hashed = ((hashed ^ byte) * 0x100000001B3) % 2**64
    index = np.arange(1, count + 1, dtype=np.uint64)
    first = mix(np.array([seed], dtype=np.uint64) + GOLDEN) ^ np.uint64(hashed)
    return mix(mix(first) + GOLDEN * index)


def numbers(states, count):
    """The first `count` numbers of each stream: [streams, count]."""
    return mix(states[:, None] + GOLDEN * np.arange(1, count + 1, dtype=np.uint64))


def below(drawn, n):
    """Random::below; that a number has to be drawn again has a chance of n / 2^64."""
    assert n < 2 or (drawn >= np.uint64(2**64 % n)).all()
    return (drawn % np.uint64(n)).astype(int)


def counts(picked, n):
    """How often each of n occurs in each row."""
    return np.stack([np.bincount(row, minlength=n) for row in picked])


def peer_bootstrap(case):
    a, b, unit_of = np.array(case["a"]), np.array(case["b"]), np.array(case["unit_of"])
    seeds, units, draws = len(a), case["units"], case["draws"]
    first = seeds if seeds > 1 else 0  # one of one is no draw, of seeds and of units
    drawn = numbers(stream_seeds(case["seed"], "bootstrap of pairs", draws), first + (units if units > 1 else 0))
    seed_counts = counts(below(drawn[:, :first], seeds), seeds) if first else np.ones((draws, 1))
    unit_counts = counts(below(drawn[:, first:], units), units) if units > 1 else np.ones((draws, 1))
    weights = unit_counts[:, unit_of]
    total = weights.sum(axis=1)[:, None]
    means = [(seed_counts * (weights @ side.T / total)).sum(axis=1) / seeds for side in (a, b)]
    return [np.percentile(values, [2.5, 97.5]).tolist() for values in (*means, means[0] - means[1])]


def peer_permutation(differences, seed):
    """Of more than 14 differences: by the same draws."""
    differences = np.array(differences)
    n, draws = len(differences), 10_000
    words = numbers(stream_seeds(seed, "permutation", draws), (n + 63) // 64)
    bits = (words[:, np.arange(n) // 64] >> (np.arange(n) % 64).astype(np.uint64)) & np.uint64(1)
    means = ((1 - 2 * bits.astype(int)) @ differences) / n
    slack = 1e-12 * np.abs(differences).mean()
    return ((np.abs(means) >= abs(differences.mean()) - slack).sum() + 1) / (draws + 1)


def peer_anova(values):
    """Residual mean square of seeds × units, and the variance of the seeds' means: statsmodels' two-way table."""
    seeds, units = values.shape
    cells = pd.DataFrame({"y": values.ravel(), "s": np.repeat(np.arange(seeds), units),
                          "u": np.tile(np.arange(units), seeds)})
    table = anova_lm(smf.ols("y ~ C(s) + C(u)", cells).fit())
    return table.loc["Residual", "mean_sq"], table.loc["C(s)", "mean_sq"] / units


def two_way(values):
    """The same by numpy: statsmodels takes a second for a large table."""
    seeds, units = values.shape
    by_seed, by_unit = values.mean(1), values.mean(0)
    left = values - by_seed[:, None] - by_unit + values.mean()
    return (left ** 2).sum() / ((seeds - 1) * (units - 1)), by_seed.var(ddof=1)


def peer_crossed(case):
    a, b = (np.array(case[side], dtype=float) for side in ("a", "b"))
    units = a.shape[1]
    if units < 2 or (len(a) < 2 and len(b) < 2):
        return None
    borrowed = len(a) < 2 or len(b) < 2
    (mse_a, var_a), (mse_b, var_b) = (two_way(side if len(side) > 1 else other) for side, other in ((a, b), (b, a)))
    tiny = (1e-12 * max(np.abs(a).max(), np.abs(b).max())) ** 2
    mse_a, var_a, mse_b, var_b = (0.0 if x <= tiny else x for x in (mse_a, var_a, mse_b, var_b))
    by_seeds = var_a / len(a) + var_b / len(b)
    if borrowed:
        degrees = max(len(a), len(b)) - 1
    else:  # Welch's degrees, by SciPy where both vary
        parts = (var_a / len(a)) ** 2 / (len(a) - 1) + (var_b / len(b)) ** 2 / (len(b) - 1)
        degrees = by_seeds ** 2 / parts if parts > 0 else 0.0
        if var_a > 0 and var_b > 0:
            assert abs(ttest_ind(a.mean(1), b.mean(1), equal_var=False).df - degrees) < 1e-9 * degrees
    c = a.mean(0) - b.mean(0)
    by_units = max(0.0, c.var(ddof=1) / units - mse_a / (len(a) * units) - mse_b / (len(b) * units))
    difference = a.mean() - b.mean()
    total = by_seeds + by_units
    if difference ** 2 <= tiny:
        p = 1.0
    elif total <= tiny:
        p = None
    else:
        t = abs(difference) / np.sqrt(total)

        parts = [(v, d) for v, d in ((by_seeds, degrees), (by_units, units - 1)) if v > 0]
        ends = [max(2 * students_t.sf(t, d), 1e-300) for _, d in parts]  # the solution lies between them

        def excess(log_p):
            return sum(v * students_t.isf(np.exp(log_p) / 2, d) for v, d in parts) / total - t

        low, high = np.log(min(ends)), np.log(max(ends))
        p = float(np.exp(high if high - low < 1e-12 else brentq(excess, low, high, xtol=1e-14, rtol=1e-15)))
    return {"numbers": [difference, by_seeds, by_units, degrees], "p": p}


def peer_table_bootstrap(case):
    units, draws, unit_of = case["units"], case["draws"], np.array(case["unit_of"])
    drawn = numbers(stream_seeds(case["seed"], "bootstrap of tables", draws), units if units > 1 else 0)
    unit_counts = counts(below(drawn, units), units) if units > 1 else np.ones((draws, 1))
    means = []
    for row in case["rows"]:
        scores = np.array(row["scores"], dtype=float)
        seeds = len(scores)
        picked = numbers(stream_seeds(case["seed"], "bootstrap of the seeds of " + row["name"], draws),
                         seeds if seeds > 1 else 0)
        seed_counts = counts(below(picked, seeds), seeds) if seeds > 1 else np.ones((draws, 1))
        weights = unit_counts[:, unit_of] if row["by_weights"] else unit_counts
        means.append((seed_counts * (weights @ scores.T / weights.sum(axis=1)[:, None])).sum(axis=1) / seeds)
    intervals = []
    for r, mean in enumerate(means):
        intervals += [mean] + [mean - other for other in means[:r]]
    return [np.percentile(values, [2.5, 97.5]).tolist() for values in intervals]


def peer_jackknife(case):
    x, y, unit_of, units = (np.array(case[key]) for key in ("x", "y", "unit_of", "units"))

    def correlation(kept):
        return np.corrcoef(x[kept], y[kept])[0, 1]

    whole = correlation(np.full(len(x), True))
    values = np.array([units * whole - (units - 1) * correlation(unit_of != u) for u in range(units)])
    return (values + whole - values.mean()).tolist()


def peer_ranks(case):
    values = [p for _, _, p in case["pairs"] if p is not None]
    adjusted = iter(multipletests(values, method="holm")[1] if values else [])
    scores = case["scores"]
    better = np.zeros((len(scores), len(scores)), dtype=bool)
    for a, b, p in case["pairs"]:
        if p is not None and next(adjusted) < 0.05:
            better[(a, b) if scores[a] > scores[b] else (b, a)] = True
    best = int(np.argmax(scores))
    return [[1 + int(better[:, r].sum()), len(scores) - int(better[r].sum()), int(not better[best, r])]
            for r in range(len(scores))]


def crossed_side(random, kind, seeds, units):
    """Right and wrong answers; sixteenths with ties; seeds that answer alike; constant; normal numbers."""
    if kind == 0:
        return random.integers(0, 2, (seeds, units)).astype(float)
    if kind == 1:
        return random.integers(0, 17, (seeds, units)) / 16
    if kind == 2:
        return np.tile(random.integers(0, 2, units).astype(float), (seeds, 1))
    if kind == 3:
        return np.full((seeds, units), random.integers(0, 3) / 2)
    return random.normal(random.choice([0, 0.1, 1]), 1, (seeds, units)) + random.normal(0, 0.3, (seeds, 1))


def paired_differences(random, number, sizes):
    """Sixteenths, of which many are equal and sums are exact; numbers without ties; zeros; all equal; one."""
    n = 1 if number % 10 == 0 else int(random.integers(*sizes))
    kind = number % 5
    if kind == 0:
        return (random.integers(-8, 9, n) / 16).tolist()
    if kind == 1:
        return [0.0] * n
    if kind == 2:
        return [float(random.choice([-0.25, 0.25]))] * n
    return (random.normal(0.1 * (kind - 2), 1, n) + 0.0).tolist()


class Checks:
    def __init__(self):
        self.failed = 0

    def close(self, name, ours, peers, allowed):
        worst, absent = 0.0, 0
        for own, peer in zip(ours, peers, strict=True):
            if own is None or peer is None:
                absent += 1
                if own is not peer:
                    print(f"FAILED {name}: {own}, and the peer {peer}")
                    self.failed += 1
                continue
            own, peer = np.asarray(own, dtype=float), np.asarray(peer, dtype=float)
            if own.shape != peer.shape or not np.isfinite(own).all():
                print(f"FAILED {name}: {own}, and the peer {peer}")
                self.failed += 1
                continue
            worst = max(worst, float(np.abs(own - peer).max(initial=0)))
        good = worst <= allowed
        self.failed += not good
        print(f"{'ok' if good else 'FAILED'} {name}: {len(ours)} cases, {absent} absent, largest difference {worst:.1e} "
              f"(allowed {allowed:.0e})")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True, type=Path, help="the built statistics_program")
    program = parser.parse_args().program
    random = np.random.default_rng(14)
    checks = Checks()

    def results(cases):
        done = subprocess.run([program], input=json.dumps(cases), capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    # The first without a discordant pair; small, large, and far from even.
    pairs = [(0, 0), (1, 0), (0, 1), (7, 7), (20_000, 19_700), (3, 5_000)]
    pairs += [tuple(map(int, random.integers(0, 10 ** (1 + k % 4), 2))) for k in range(CASES - len(pairs))]
    checks.close("McNemar", results([{"test": "mcnemar", "only_a": a, "only_b": b} for a, b in pairs]),
                 [min(1.0, mcnemar([[0, a], [b, 0]], exact=True).pvalue) for a, b in pairs], 1e-9)

    def mean(x, axis):
        return np.mean(x, axis=axis)

    def exact_peer(d):
        return permutation_test((np.array(d),), mean, permutation_type="samples", n_resamples=np.inf, vectorized=True).pvalue

    few = [[]] + [paired_differences(random, k, (2, 11)) for k in range(CASES - 1)]
    checks.close("sign flips, all", results([{"test": "sign_flip", "differences": d, "seed": 0} for d in few]),
                 [exact_peer(d) if len(d) > 1 else 1.0 if d else None for d in few], 1e-9)
    many = [(random.integers(-8, 9, n) / 16 if k % 3 else np.full(n, k % 2 / 4)).tolist()
            for k, n in enumerate(random.integers(15, 200, CASES))]
    checks.close("sign flips, drawn",
                 results([{"test": "sign_flip", "differences": d, "seed": k} for k, d in enumerate(many)]),
                 [peer_permutation(d, k) for k, d in enumerate(many)], 1e-9)
    sides = [(random.integers(0, 5, n) / 4, random.integers(0, 5, n) / 4) for n in random.integers(1, 11, CASES)]
    checks.close("permutation of examples",
                 results([{"test": "permutation", "a": a.tolist(), "b": b.tolist(), "seed": 0} for a, b in sides]),
                 [exact_peer(a - b) if len(a) > 1 else 1.0 for a, b in sides], 1e-9)

    def peer_wilcoxon(d):
        left = np.array([x for x in d if x != 0])
        if len(left) == 0:
            return None
        exact = len(left) == len(d) <= 25 and len(set(np.abs(left))) == len(left)
        return [wilcoxon(d, method="exact" if exact else "asymptotic", correction=False).pvalue, exact]

    ranked = [[]] + [paired_differences(random, k, (2, 60)) for k in range(CASES - 1)]
    checks.close("Wilcoxon signed-rank", results([{"test": "wilcoxon", "differences": d} for d in ranked]),
                 [peer_wilcoxon(d) for d in ranked], 1e-9)

    families = [random.choice([random.random(n) ** 3, np.round(random.random(n), 1), np.full(n, 0.02)]).tolist()
                for n in random.integers(1, 40, CASES)]
    adjusted = results([{"test": "holm", "values": [None, *values, None]} for values in families])
    checks.close("Holm", [values[1:-1] for values in adjusted],
                 [multipletests(values, method="holm")[1].tolist() for values in families], 1e-9)
    checks.close("Holm of absent values", [values[0] for values in adjusted], [None] * CASES, 0)

    bootstraps = []
    for k in range(CASES):
        seeds, examples = (1, 1) if k == 0 else (int(random.integers(1, 6)), int(random.integers(2, 60)))
        units = int(random.integers(1, examples + 1)) if k % 2 else examples
        unit_of = np.concatenate([np.arange(units), random.integers(0, units, examples - units)])
        b = random.integers(0, 2, (seeds, examples)) if k % 3 else random.random((seeds, examples))
        a = b if k % 10 == 9 else np.ones_like(b) if k % 10 == 8 else random.random((seeds, examples))
        bootstraps.append({"test": "bootstrap", "a": a.tolist(), "b": b.tolist(), "unit_of": unit_of.tolist(),
                           "units": units, "seed": k, "draws": 1000})
    checks.close("paired bootstrap", results(bootstraps), [peer_bootstrap(case) for case in bootstraps], 1e-3)
    checks.close("paired bootstrap without examples",
                 results([{"test": "bootstrap", "a": [[]], "b": [[]], "unit_of": [], "units": 0, "seed": 0, "draws": 9}]),
                 [None], 0)

    sides = []
    for k in range(CASES):
        units = 1 if k == 0 else int(random.choice([2, 3, 10, 60, 300]))
        kinds = (k % 5, k // 5 % 5)
        # The first tens have a side, or both, with one seed.
        seeds = [1 if (k % 20 == 7) or (k % 20 == 13 and i) else int(random.integers(2, 8)) for i in (0, 1)]
        a, b = (crossed_side(random, kind, n, units) for kind, n in zip(kinds, seeds))
        sides.append({"test": "crossed", "a": a.tolist(), "b": (a[:1] if k % 20 == 19 else b).tolist()})
    found, expected = results(sides), [peer_crossed(case) for case in sides]
    checks.close("crossed test: its parts",
                 [f and [f[key] for key in ("difference", "seed_part", "unit_part", "seed_degrees")] for f in found],
                 [e and e["numbers"] for e in expected], 1e-9)
    checks.close("crossed test: p", [f and f["p"] for f in found], [e and e["p"] for e in expected], 1e-9)
    tables = [(f[key][i], peer_anova(np.array(case[side]))[part]) for f, case in zip(found, sides) if f
              for i, side in enumerate(("a", "b")) for part, key in enumerate(("residuals", "seed_variances"))
              if len(case[side]) > 1 and len(case[side][0]) <= 10]
    checks.close("crossed test: tables of variance", *zip(*tables), 1e-9)

    jackknives = []
    for k in range(CASES):
        examples = int(random.integers(6, 60))
        units = int(random.integers(4, examples + 1)) if k % 2 else examples
        unit_of = np.concatenate([np.arange(units), random.integers(0, units, examples - units)])
        x = random.normal(0, 1, examples)
        y = x + random.normal(0, 1, examples)
        jackknives.append({"test": "jackknife", "x": x.tolist(), "y": y.tolist(), "unit_of": unit_of.tolist(),
                           "units": units})
    checks.close("jackknife", results(jackknives), [peer_jackknife(case) for case in jackknives], 1e-9)

    ranked = []
    for k in range(CASES):
        scores = random.permutation(np.arange(int(random.integers(1, 13))) / 16).tolist()
        pairs = [[a, b, None if random.random() < 0.1 else float(random.random() ** (1 + k % 8))]
                 for a in range(len(scores)) for b in range(a + 1, len(scores))]
        ranked.append({"test": "ranks", "scores": scores, "pairs": pairs})
    checks.close("ranks", results(ranked), [peer_ranks(case) for case in ranked], 0)

    bootstraps = []
    for k in range(CASES):
        examples = 1 if k == 0 else int(random.integers(2, 60))
        units = int(random.integers(1, examples + 1)) if k % 2 else examples
        unit_of = np.concatenate([np.arange(units), random.integers(0, units, examples - units)])
        rows = []
        for r in range(int(random.integers(1, 5))):
            by_weights = bool(random.integers(0, 2))
            shape = (int(random.integers(1, 6)), examples if by_weights else units)
            scores = np.ones(shape) if random.integers(0, 5) == 0 else random.integers(0, 2, shape) + 0.5 * (k % 2)
            rows.append({"name": f"row {r}", "by_weights": by_weights, "scores": scores.tolist()})
        bootstraps.append({"test": "table_bootstrap", "rows": rows, "unit_of": unit_of.tolist(), "units": units,
                           "seed": k, "draws": 1000})
    checks.close("bootstrap of tables", results(bootstraps), [peer_table_bootstrap(case) for case in bootstraps], 1e-3)
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
