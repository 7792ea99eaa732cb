"""The table of a Document: a block for each case, a row for each program, medians of the rounds with their range."""
from speed_parts.document import name_of, parse_name
from speed_parts.programs import OURS, PEERS
from speed_parts.tasks import EVALUATIONS

CASE = ("method", "shape", "text", "precision", "device")


def threads(known):
    return f"{known['threads']} thread{'s' * (known['threads'] > 1)}"


def header(document):
    known = document.context
    libraries = ("libtorch", "torch", "transformers", "peft", "ctranslate2")
    versions = ", ".join(f"{name} {known[name]}" for name in libraries if name in known)
    changed = " with changes" if known.get("tree") == "changed" else ""
    return (f"{known['date']}, {known.get('gpu') or known['cpu_model']}, {known.get('num_cpus', '?')} cores, "
            f"{threads(known)}\n{known['cpu_flags']}\n"
            f"{versions}, commit {known.get('commit', '?')[:10]}{changed}\n"
            f"Medians of {known['rounds']} processes of {known['steps']} steps each, in turn.")


def products_of(document, keys):
    """Median GFLOP/s of each library that multiplies here."""
    rates = {}
    for name in document.names():
        program, own = parse_name(name)
        if program == "products" and all(own[key] == keys[key] for key in ("shape", "precision", "device")):
            if rate := document.median(name, "GFLOP/s"):
                rates[own["by"]] = rate
    return rates


WITH_INT8 = ("as_it_comes", "ctranslate2")  # what int8 is compared with


def peer_case(program, keys):
    """The case that a peer is compared in: transformers has no int8 for this."""
    if program != "ctranslate2" and keys["precision"] == "int8":
        return dict(keys, precision="float32")
    return keys


def peers_of(document, keys):
    """The name of each peer's results in a case, by peer."""
    found = {}
    for name in document.names():
        program, own = parse_name(name)
        if program in PEERS and {key: own[key] for key in CASE} == peer_case(program, keys):
            if keys["precision"] != "int8" or program in WITH_INT8:
                found[program] = name
    return {program: found[program] for program in PEERS if program in found}


def label(name):
    program, keys = parse_name(name)
    if program == OURS:
        return f"peft-bench, {keys['backend']}" + (f", dropout {keys['dropout']}" if "dropout" in keys else "")
    peer = PEERS[program]
    if program == "ctranslate2":
        return peer.title
    if keys["method"] in EVALUATIONS:
        return f"transformers {peer.title}"
    return f"transformers + peft {peer.title}, dropout {peer.dropout:g}"


def number(value, digits=0):
    return "–" if value is None else f"{value:,.{digits}f}"


def row(document, name, best, peers):
    if message := document.failure(name):
        return [label(name), f"failed: {message}"]
    times = document.values(name)
    digits = 0 if max(times) >= 100 else 1
    median = document.median(name)
    rate = document.median(name, "GFLOP/s")
    shown = [number(value, digits) for value in (median, min(times), max(times))]
    cells = [label(name), "{} ({}–{})".format(*shown), number(rate),
             f"{rate / best:.0%}" if rate and best else "–", number(document.median(name, "peak_MiB"))]
    for peer in peers.values():
        theirs = document.median(peer)
        cells.append(f"{theirs / median:.2f}" if theirs and name.startswith(OURS) else "–")
    return cells


def aligned(rows):
    whole = [cells for cells in rows if len(cells) == len(rows[0])]  # the others say why they failed
    first, *widths = (max(map(len, column)) for column in zip(*whole))
    for cells in rows:
        yield "  ".join([cells[0].ljust(first), *(cell.rjust(width) for cell, width in zip(cells[1:], widths))])


def block(document, keys, ours):
    rates = products_of(document, keys)
    peers = peers_of(document, keys)
    shown = ", ".join(f"{by} {number(rate)}" for by, rate in rates.items())
    title = f"{keys['method']}, {keys['shape']}, {keys['text']} text, {keys['precision']}, {keys['device']}"
    lines = [title + (f"; products here: {shown} GFLOP/s" if shown else "")]
    if keys["precision"] == "int8" and set(peers) - {"ctranslate2"}:
        lines.append("transformers has no int8 for this: it is shown in float32, as it comes")
    rows = [["", "ms", "GFLOP/s", "of products", "peak MiB", *(f"vs {PEERS[peer].title}" for peer in peers)]]
    best = max(rates.values(), default=None)
    rows += [row(document, name, best, peers) for name in (*ours, *peers.values())]
    return "\n".join([*lines, *aligned(rows)])


def table(document):
    cases = {}
    for name in document.names():
        program, keys = parse_name(name)
        if program == OURS:
            cases.setdefault(name_of("", **{key: keys[key] for key in CASE}), []).append(name)
    blocks = [block(document, parse_name(case)[1], ours) for case, ours in cases.items()]
    note = ("In brackets the range. vs …: how many times as long that peer takes. Machines differ and drift: compare within "
            "one table.")
    return "\n\n".join([header(document), *blocks, note])
