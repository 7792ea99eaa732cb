"""How the time of a training step grows as one size grows and the others stay: jobs, exponents and their table."""
import dataclasses
import math

from speed_parts import growth_figure, tasks
from speed_parts.document import parse_name
from speed_parts.measure import ours, peer
from speed_parts.programs import OURS, PEERS
from speed_parts.table import threads

# Each is doubled four times from here, while the others are those of START.
GROWS = {"tokens": 32, "layers": 1, "prompt": 16, "vocabulary": 2048, "batch": 4}
START = tasks.Sizes(tasks.SHAPES["nano"], prompt=32)


def grown(what, size):
    if what in ("layers", "vocabulary"):
        key = {"layers": "num_layers", "vocabulary": "vocab_size"}[what]
        return dataclasses.replace(START, backbone=dict(START.backbone, **{key: size}))
    return dataclasses.replace(START, **{what: size})


def growth_jobs(options):
    method, precision = options.method[0], options.precision[0]
    jobs = []
    for what, first in GROWS.items():
        if what == "prompt" and method not in tasks.WITH_LENGTH:
            continue
        for size in (first << doubling for doubling in range(5)):
            keys = {"grows": what, "size": size, "method": method, "shape": "nano", "text": "even",
                    "precision": precision, "device": options.device}
            sizes = grown(what, size)
            jobs += [ours(method, sizes, backend, options.dropout[0], keys) for backend in options.backend]
            jobs += filter(None, (peer(method, sizes, program, keys) for program in options.peers))
    return jobs


def exponent(points):
    """The slope of log time over log size, by least squares."""
    xs, ys = [math.log(size) for size, _ in points], [math.log(ms) for _, ms in points]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((a - x) ** 2 for a in xs)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys)) / spread if spread else math.nan


def last_half(points):
    return points[len(points) // 2:]


def series_of(document):
    """{what grows: {label of a program: [(size, median ms)]}}"""
    found = {}
    for name in document.names():
        program, keys = parse_name(name)
        label = f"peft-bench, {keys['backend']}" if program == OURS else f"transformers + peft, {PEERS[program].title}"
        if ms := document.median(name):
            found.setdefault(keys["grows"], {}).setdefault(label, []).append((int(keys["size"]), ms))
    return {what: {label: sorted(points) for label, points in series.items()} for what, series in found.items()}


def is_growth(document):
    return any("/grows:" in name for name in document.names())


def growth_table(document):
    lines = []
    for what, series in series_of(document).items():
        sizes = sorted({size for points in series.values() for size, _ in points})
        lines.append(f"{what:32}" + "".join(f"{size:>9}" for size in sizes) + f"{'exponent':>11}{'last half':>11}")
        for label, points in series.items():
            ms = dict(points)
            cells = "".join(f"{ms[size]:9.0f}" if size in ms else f"{'–':>9}" for size in sizes)
            lines.append(f"  {label:30}{cells}{exponent(points):11.2f}{exponent(last_half(points)):11.2f}")
    _, keys = parse_name(document.names()[0])
    sizes = START.backbone
    return "\n".join([f"ms of a training step, {keys['method']}, {keys['precision']}", *lines,
                      f"What does not grow: {START.tokens} tokens, {sizes['num_layers']} layers, prompt of "
                      f"{START.prompt}, vocabulary of {sizes['vocab_size']}, batch of {START.batch}, width of "
                      f"{sizes['d_model']}."])


def write_figure(document, path):
    def fitted(points):
        return points, exponent(points), exponent(last_half(points))

    panels = {what: {label: fitted(points) for label, points in series.items()}
              for what, series in series_of(document).items()}
    known = document.context
    growth_figure.write(path, panels, f"{known['cpu_model']}, {threads(known)}, {known['date'][:10]}")
