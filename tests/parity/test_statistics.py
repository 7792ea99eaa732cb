"""The statistics of framework/src/results on 200 random cases each, with ties, zeros, zero variance and one seed, against
SciPy and statsmodels (exact tests within 1e-9). What draws random numbers is compared with an implementation in numpy
of the same random streams: bootstraps within 1e-3, permutations within 1e-9."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

try:
    import numpy as np
    from scipy.stats import permutation_test, wilcoxon
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
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
