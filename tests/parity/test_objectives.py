"""Pre-training's examples against a second implementation of T5's objectives, written from their description: the same
lengths, the same text, and the same distribution of what is hidden."""

import json
from pathlib import Path

import numpy as np
import sentencepiece

from support import Checks, arguments, run, scratch

SENTINEL, EOS = 8099, 1  # of the vocabulary of t5-nano-lm
DENSITY, MEAN = 0.15, 3.0


def numbers(n):
    """Tokens of noise and runs of them in a segment of n tokens. Python rounds halves to even, as T5 does."""
    noise = min(max(round(n * DENSITY), 1), n - 1)
    return noise, max(round(noise / MEAN), 1)


def sizes(n):
    noise, runs = numbers(n)
    return n - noise + runs + 1, noise + runs + 1


def raw_length(inputs):
    n = 2
    while sizes(n + 1)[0] <= inputs:
        n += 1
    return n


def random_partition(items, parts, random):
    starts = random.permutation(np.arange(items - 1) < parts - 1)
    return np.bincount(np.cumsum(np.concatenate([[0], starts])))


def random_mask(n, random):
    noise, runs = numbers(n)
    lengths = np.stack([random_partition(n - noise, runs, random), random_partition(noise, runs, random)], 1).ravel()
    return np.repeat(np.arange(2 * runs) % 2 == 1, lengths)


def is_sentinel(token):
    return SENTINEL - 100 < token <= SENTINEL


def restore(example):
    """The segment of text and its mask of noise, or what is wrong with the example."""
    source, target = example["input"], example["target"]
    if source[-1] != EOS or target[-1] != EOS:
        return None, "no EOS at the end"
    if len(source) == 2 and target == [SENTINEL, EOS]:  # a segment of one token hides nothing
        return ((source[0],), np.array([False])), None
    hidden, order = {}, []
    for token in target[:-1]:
        if is_sentinel(token):
            order.append(token)
            hidden[token] = []
        elif not order:
            return None, "the target does not begin with a sentinel"
        else:
            hidden[order[-1]].append(token)
    if order != [SENTINEL - k for k in range(len(order))]:
        return None, f"sentinels {order}"
    if [token for token in source if is_sentinel(token)] != order:
        return None, "the input's sentinels are not the target's"
    tokens, mask = [], []
    for token in source[:-1]:
        part = hidden[token] if is_sentinel(token) else [token]
        tokens += part
        mask += [is_sentinel(token)] * len(part)
    return (tuple(tokens), np.array(mask)), None


def run_lengths(mask):
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return edges[1::2] - edges[::2]


class Texts:
    """Documents, and the examples that the program makes of them."""

    def __init__(self, options, folder):
        self.program, self.folder = options.program, Path(folder)
        vocabulary = options.source / "assets/backbones/t5-nano-lm/spiece.model"
        self.pieces = sentencepiece.SentencePieceProcessor(model_file=str(vocabulary))
        self.config = (
            "model: {vocab_size: 8100, d_model: 4, d_kv: 2, num_heads: 2, d_ff: 4, encoder_layers: 1,\n"
            "        decoder_layers: 1, activation: relu, gated: false, tied: true, scale_logits: true}\n"
            f"vocabulary: {vocabulary}\nheld_out: {{documents: 0}}\ntrain: {{steps: 1}}\n")

    def encode(self, document):
        # Sentinels that a text writes out are words there.
        return self.pieces.encode(document.replace("<extra_id_", "< extra_id_"))

    def examples(self, documents, objective, inputs, count):
        text = self.folder / "documents.jsonl"
        text.write_text("".join(json.dumps({"text": document}) + "\n" for document in documents))
        config = self.folder / "objective.yaml"
        config.write_text(self.config + f"text: {{{text}: 1}}\nobjectives: {{{objective}: 1}}\n"
                          f"lengths: {{inputs: {inputs}}}\n")
        shown = run(self.program, "pretrain", config, "--show", count, "--json", "--data", self.folder)
        return [json.loads(line) for line in shown.splitlines()]


def check_lengths(checks, texts, document):
    ids = texts.encode(document)
    for inputs in (8, 9, 16, 33, 64, 128, 256, 512, 600):
        raw = raw_length(inputs)
        segments = [tuple(ids[at:at + raw]) for at in range(0, len(ids), raw)]
        wrong, found = [], []
        for example in texts.examples([document], "span_corruption", inputs, len(segments)):
            restored, fault = restore(example)
            if fault:
                wrong.append(fault)
                continue
            found.append(restored[0])
            n = len(restored[0])
            if n > 1 and (len(example["input"]), len(example["target"])) != sizes(n):
                wrong.append(f"{n} tokens gave {len(example['input'])} and {len(example['target'])}")
            if n > 1 and len(run_lengths(restored[1])) != numbers(n)[1]:
                wrong.append(f"{n} tokens have {len(run_lengths(restored[1]))} runs of noise")
        checks.equal(f"inputs of {inputs}: lengths, EOS, sentinels, runs", wrong[:3], [])
        checks.true(f"inputs of {inputs}: an epoch is the text in segments of {raw}", sorted(found) == sorted(segments))


def check_distribution(checks, texts, document):
    inputs, random = 64, np.random.default_rng(0)
    raw = raw_length(inputs)
    ours = [restore(example)[0][1] for example in texts.examples([document], "span_corruption", inputs, 4000)]
    ours = np.array([mask for mask in ours if len(mask) == raw])
    peers = np.array([random_mask(raw, random) for _ in range(4000)])
    checks.close("how often each place is hidden", ours.mean(0), peers.mean(0), 0.04)

    def spans(masks):
        lengths = np.concatenate([run_lengths(mask) for mask in masks])
        return np.bincount(lengths, minlength=12)[:12] / len(lengths)

    checks.close("lengths of spans", spans(ours), spans(peers), 0.015)


def check_prefix_lm(checks, texts, documents):
    inputs = 16
    pieces = []
    for document in documents:
        ids = texts.encode(document)
        pieces += [tuple(ids[at:at + inputs - 1]) for at in range(0, len(ids), inputs - 1)]
    pieces = [piece for piece in pieces if len(piece) > 1]
    examples = texts.examples(documents, "prefix_lm", inputs, len(pieces))
    found = [tuple(example["input"][:-1] + example["target"][:-1]) for example in examples]
    checks.true("prefix LM: an epoch is the documents in pieces", sorted(found) == sorted(pieces))
    checks.true("prefix LM: EOS ends input and target",
                all(e["input"][-1] == EOS and e["target"][-1] == EOS for e in examples))
    splits = [len(e["input"]) - 1 for e in texts.examples([documents[0]], "prefix_lm", inputs, 6000)
              if len(e["input"]) + len(e["target"]) == inputs + 1]
    counts = np.bincount(splits, minlength=inputs)[1:inputs - 1] / len(splits)
    checks.close("prefix LM: every split is equally likely", counts, np.full(inputs - 2, 1 / (inputs - 2)), 0.02)
    checks.true("prefix LM: no side is empty", min(splits) == 1 and max(splits) == inputs - 2)


def main():
    options, checks = arguments(), Checks()
    # Without the rules of tables: a row of dashes has cuts of equal score, and rounding decides between them.
    pages = ["\n".join(line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("|--"))
             for path in sorted((options.source / "docs").glob("*.md"))[:5]]
    with scratch(options) as folder:
        texts = Texts(options, folder)
        check_lengths(checks, texts, " ".join(pages)[:40000])
        check_distribution(checks, texts, pages[0][:8000])
        check_prefix_lm(checks, texts, [line for page in pages for line in page.splitlines() if len(line) > 60])
    checks.finish()


main()
