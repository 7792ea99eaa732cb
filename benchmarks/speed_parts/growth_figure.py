"""The figure of growth: a small plot for each size that grows, time over size on logarithmic axes, as SVG."""
import html
import math
import pathlib

COLORS = ("#3456b8", "#c2410c", "#13795b", "#8b2fa8", "#8a6100")  # of the pages' plots
DARK = ("#8fa8ff", "#ff9d6b", "#5fd3a4", "#d79bf2", "#e8b84a")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, COLUMNS = 300, 270, 52, 12, 30, 76, 3
LINE, HEADER = 15, 44


def style():
    colors = "".join(f".c{i}{{stroke:{color}}}" for i, color in enumerate(COLORS))
    dark = "".join(f".c{i}{{stroke:{color}}}" for i, color in enumerate(DARK))
    return ("<style>.pb{color:#1b1b1b;background:#fff;font:11px system-ui,sans-serif}.pb text{fill:currentColor}"
            ".pb .grid{stroke:currentColor;stroke-opacity:.16;fill:none}.pb .axis{stroke:currentColor;fill:none}"
            ".pb .title{font-weight:600}.pb .line{fill:none;stroke-width:1.6}.pb .dots{fill:none;stroke-width:6;"
            f"stroke-linecap:round}}{colors}@media(prefers-color-scheme:dark){{.pb{{color:#e6e6e6;background:#161616}}"
            f"{dark}}}</style>")


def text(x, y, words, anchor="start", kind=""):
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{html.escape(words)}</text>'


def ticks(low, high):
    """1, 2 and 5 times powers of ten."""
    steps = [digit * 10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
             for digit in (1, 2, 5)]
    inside = [step for step in steps if low <= step <= high]
    return inside if len(inside) < 8 else [step for step in inside if f"{step:e}"[0] == "1"]


def panel(what, series, colors, height):
    sizes = sorted({size for points, _, _ in series.values() for size, _ in points})
    times = [ms for points, _, _ in series.values() for _, ms in points]
    low, high = min(times) / 1.3, max(times) * 1.3
    bottom, right = height - BOTTOM, WIDTH - RIGHT

    def x(size):
        span = math.log(sizes[-1] / sizes[0]) or 1
        return LEFT + 8 + (right - LEFT - 16) * math.log(size / sizes[0]) / span

    def y(ms):
        return bottom - (bottom - TOP) * math.log(ms / low) / math.log(high / low)

    parts = [text(LEFT, TOP - 12, what, kind="title")]
    parts += [f'<path class="grid" d="M{LEFT} {y(ms):.1f}H{right}"/>' + text(LEFT - 6, y(ms) + 4, f"{ms:g}", "end")
              for ms in ticks(low, high)]
    parts += [text(x(size), bottom + 15, f"{size}", "middle") for size in sizes]
    parts.append(f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>')
    for number, (label, (points, whole, last)) in enumerate(series.items()):
        path = "L".join(f"{x(size):.1f} {y(ms):.1f}" for size, ms in points)
        dots = "".join(f"M{x(size):.1f} {y(ms):.1f}h0" for size, ms in points)
        kind = f"c{colors[label]}"
        below = bottom + 32 + LINE * number
        parts.append(f'<path class="line {kind}" d="M{path}"/><path class="dots {kind}" d="{dots}"/>'
                     f'<path class="line {kind}" d="M{LEFT} {below - 4}h14"/>' +
                     text(LEFT + 20, below, f"exponent {whole:.2f}, of the last half {last:.2f}"))
    return "".join(parts)


def write(path, panels, where):
    labels = list(dict.fromkeys(label for series in panels.values() for label in series))
    colors = {label: number % len(COLORS) for number, label in enumerate(labels)}
    height = HEIGHT + LINE * max(0, len(labels) - 3)
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    width, whole = WIDTH * columns, HEADER + height * rows
    title = "ms of a training step as one size grows, and the exponent of the growth"
    legend = "".join(f'<path class="line c{color}" d="M{8 + 220 * color} 32h14"/>' + text(28 + 220 * color, 36, label)
                     for label, color in colors.items())
    drawn = "".join(f'<g transform="translate({WIDTH * (i % columns)} {HEADER + height * (i // columns)})">'
                    f"{panel(what, series, colors, height)}</g>" for i, (what, series) in enumerate(panels.items()))
    pathlib.Path(path).write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" class="pb" role="img" viewBox="0 0 {width} {whole}" width="{width}" '
        f'height="{whole}"><title>{html.escape(title)}</title>{style()}{text(8, 18, f"{title} ({where})", kind="title")}'
        f"{legend}{drawn}</svg>\n", encoding="utf-8")
