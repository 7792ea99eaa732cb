"""Parameters of every method, counted by `peft-bench params`, against three other counts of them:

- formulas written here from the papers and the released code, with the numbers that they come to for T5 v1.1-base;
- the formulas of what Hugging Face's peft reports and of what of it is alive, for five T5s;
- with --peft: what peft itself reports, run for real on models without storage.

Then every row of the tables in docs/accounting.md, whose settings are run as they stand there.

    accounting.py --program PROGRAM --source SOURCE [--peft]
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

LENGTH, RANK = 20, 8  # of the comparison with peft

# name here, name on the hub, layers of each stack, d_model, d_kv, heads, d_ff, gated
SIZES = [
    ("t5-small", "t5-small", 6, 512, 64, 8, 2048, False),
    ("t5-base", "t5-base", 12, 768, 64, 12, 3072, False),
    ("t5-large", "t5-large", 24, 1024, 64, 16, 4096, False),
    ("t5-v1_1-small", "flan-t5-small", 8, 512, 64, 6, 1024, True),
    ("t5-v1_1-base", "flan-t5-base", 12, 768, 64, 12, 2048, True),
]


class Checks:
    def __init__(self, program):
        self.program, self.made, self.failed = program, 0, 0

    def equal(self, what, found, expected):
        self.made += 1
        self.failed += found != expected
        print(("ok    " if found == expected else "FAIL  ") + f"{what}: {found:,}"
              + ("" if found == expected else f", expected {expected:,}"), flush=True)

    def true(self, what, good):
        self.made += 1
        self.failed += not good
        print(("ok    " if good else "FAIL  ") + what, flush=True)

    def ledger(self, backbone, method, *settings, task="movie_sentiment"):
        command = [str(self.program), "params", "--backbone", backbone, "--method", method, "--task", task, "--json"]
        for setting in settings:
            command += ["--set", setting]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(f"$ {' '.join(command)}\nended with {result.returncode}: {result.stderr}")
        found = json.loads(result.stdout)
        trained, total = found["ledger"]["trained"], found["backbone_parameters"]
        replaced = sum(row["trained"] for row in found["ledger"]["rows"] if row["site"].endswith(".weight"))
        share = 100 * trained / (total + trained - replaced) if trained else 0  # Lester et al.'s percentage
        if abs(found["ledger"]["percent"] - share) > 1e-9:
            self.equal(f"{method} on {backbone}, percent", found["ledger"]["percent"], share)
        return found["ledger"]

    def counts(self, what, ledger, **expected):
        for count, value in expected.items():
            self.equal(f"{what}, {count}", ledger[count], value)


def lstm(inputs, hidden, layers, directions=2):
    """Elements of torch's LSTM: four gates of two matrices and two biases for each layer and direction."""
    return sum(directions * (4 * hidden * ((inputs if layer == 0 else directions * hidden) + hidden) + 8 * hidden)
               for layer in range(layers))


def of_the_sources(checks):
    """T5 v1.1-base: 12 + 12 layers, d = h = 768, d_ff = 2048."""
    layers, d, ff, all_of_it = 12, 768, 2048, 247577856
    attentions = 3 * layers

    def check(what, ledger, trained, stored=None, inference=None, merged=None, source=None):
        stored = trained if stored is None else stored
        checks.counts(what, ledger, trained=trained, stored=stored,
                      inference=stored if inference is None else inference,
                      after_merge=stored if merged is None else merged)
        if source is not None:  # the number as it is published or worked out by hand
            checks.equal(f"{what}, by the formula", trained, source)

    def params(method, *settings, **more):
        return checks.ledger("t5-v1_1-base", method, *settings, **more)

    check("prompt tuning, 100", params("prompt_tuning", "length=100"), 100 * d, source=76800)
    check("(IA)3", params("ia3"), layers * (2 * d + ff) + layers * (4 * d + ff), merged=0, source=104448)
    check("LoRA, rank 8, q and v", params("lora", "rank=8"), attentions * 2 * 8 * (d + d), merged=0, source=884736)
    check("P-tuning v2, 100, encoder", params("p_tuning_v2", "length=100"), 2 * 100 * layers * d, source=1843200)
    adapter = 2 * d * 64 + 64 + d
    check("Pfeiffer adapter, 64", params("adapter", "kind=pfeiffer", "bottleneck=64", "train_norms=no"),
          2 * layers * adapter, source=2379264)
    norms = layers * 2 * d + layers * 3 * d + 2 * d
    check("Houlsby adapter, 64", params("adapter", "kind=houlsby", "bottleneck=64", "train_norms=no"),
          5 * layers * adapter, source=5948160)
    check("Houlsby adapter, 64, with norms", params("adapter", "kind=houlsby", "bottleneck=64", "train_norms=yes"),
          5 * layers * adapter + norms, merged=5948160, source=5948160 + 47616)  # norms take the place of frozen ones
    check("norms alone", params("norm_tuning"), norms, merged=0, source=47616)
    prefix = 2 * 100 * attentions * d
    mlp = 3 * (100 * d + d * 512 + 512 + 512 * 2 * layers * d + 2 * layers * d)
    check("prefix tuning, 100, MLP of 512", params("prefix_tuning", "length=100", "hidden=512"), mlp, stored=prefix,
          source=29778432)
    check("prefix tuning, 100, direct", params("prefix_tuning", "length=100", "reparametrisation=direct"), prefix,
          source=5529600)
    check("WARP, 8 prompts, 2 classes", params("warp", "template=[4] {input} [4] <extra_id_0>", "bias=false"),
          (8 + 2) * d, source=7680)
    check("WARP, with biases", params("warp", "template=[4] {input} [4] <extra_id_0>"), (8 + 2) * d + 2, source=7682)
    encoder = 10 * d + lstm(d, d // 2, 2) + 2 * (d * d + d)
    check("P-tuning, 10", params("p_tuning", "template=[10] {input}", "encoder=lama"), encoder, stored=10 * d,
          source=8279040)
    encoder = 10 * d + lstm(d, d, 2) + (2 * d * d + d) + (d * d + d)
    check("P-tuning, 10, as for SuperGLUE", params("p_tuning", "template=[10] {input}", "encoder=fewshot"), encoder,
          stored=10 * d)
    check("VPT, shallow, 50", params("vpt", "depth=shallow", "length=50"), 50 * d, source=38400)
    check("VPT, deep, 50", params("vpt", "depth=deep", "length=50"), layers * 50 * d, source=460800)
    words = params("soft_words", "prompts={input} [2: It was] <extra_id_0> [1: .]")
    check("soft words, 3 and their vectors", words, (layers + 1) * 3 * d, stored=(layers + 2) * 3 * d)
    check("model tuning", params("model_tuning"), all_of_it, merged=0, source=247577856)
    check("a new head alone, 2 classes", params("head_tuning", "train=head"), 2 * d + 2, source=1538)
    check("prompt design", params("prompt_design"), 0)


def of_peft(checks):
    """(reported, alive) by method for the five T5s: what peft's own code comes to."""
    table, lines = {}, []
    for ours, hub, layers, d, d_kv, heads, ff, gated in SIZES:
        inner, n = heads * d_kv, LENGTH
        mlp = 2 * n * d + (d * d + d) + (d * d + d) + (d * d + d)
        recurrent = 2 * n * d + lstm(d, d, 2) + (2 * d * 2 * d + 2 * d) + (2 * d * d + d)
        table[ours] = {
            "prompt": (2 * n * d, n * d),
            "prefix": (n * 2 * layers * d, n * layers * d),
            "p_tuning MLP": (mlp, n * d),
            "p_tuning LSTM": (recurrent, n * d),
            "lora": (3 * layers * 2 * RANK * (d + inner),) * 2,
            "ia3": (3 * layers * 2 * inner + 2 * layers * ff,) * 2,
        }
        template = f"template=[{n}] {{input}}"

        def check(what, ledger, **expected):
            checks.counts(f"{hub}, {what}", ledger, **expected)

        expected = table[ours]
        check("prompt", checks.ledger(ours, "prompt_tuning", f"length={n}"), trained=expected["prompt"][1],
              stored=expected["prompt"][1])
        faithful = 2 * n * inner * 3 * layers
        check("prefix in all three attentions",
              checks.ledger(ours, "prefix_tuning", f"length={n}", "reparametrisation=direct"), trained=faithful,
              inference=faithful)
        if d == inner:  # elsewhere peft's own forward pass fails
            check("prefix as peft has it", checks.ledger(ours, "prefix_tuning", f"length={n}",
                                                         "compatibility=huggingface", "reparametrisation=direct",
                                                         "attentions=decoder"),
                  trained=expected["prefix"][0], stored=expected["prefix"][0])
        for encoder in ("MLP", "LSTM"):
            check(f"P-tuning, {encoder}",
                  checks.ledger(ours, "p_tuning", template, f"encoder=huggingface_{encoder.lower()}"),
                  trained=expected[f"p_tuning {encoder}"][0], stored=expected[f"p_tuning {encoder}"][1])
        check("LoRA", checks.ledger(ours, "lora", f"rank={RANK}"), trained=expected["lora"][0], after_merge=0)
        check("(IA)3", checks.ledger(ours, "ia3"), trained=expected["ia3"][0], after_merge=0)
        alive = expected["prefix"][1] if d == inner else "fails"
        cells = [expected["prompt"], (expected["prefix"][0], alive, faithful), expected["p_tuning MLP"],
                 expected["p_tuning LSTM"], expected["lora"][:1], expected["ia3"][:1]]
        lines.append("| " + " | ".join([hub] + [" / ".join(f"{n:,}" if n != "fails" else n for n in cell)
                                                for cell in cells]) + " |")
    # As they stand in issues and documentation of peft, or follow from its files.
    published = {("t5-base", "lora"): 884736, ("t5-v1_1-base", "ia3"): 104448, ("t5-small", "p_tuning LSTM"): 12097024,
                 ("t5-large", "p_tuning MLP"): 3189760, ("t5-v1_1-small", "lora"): 344064}
    for (size, method), value in published.items():
        checks.equal(f"{size}, {method}: the formula", table[size][method][0], value)
    return table, lines


def by_peft(checks, table):
    """peft itself, on models without storage."""
    import torch
    import peft
    from transformers import T5Config, T5ForConditionalGeneration

    def reported(size, config):
        ours, hub, layers, d, d_kv, heads, ff, gated = size
        with torch.device("meta"):
            model = T5ForConditionalGeneration(T5Config(
                vocab_size=32128, d_model=d, d_kv=d_kv, d_ff=ff, num_layers=layers, num_decoder_layers=layers,
                num_heads=heads, feed_forward_proj="gated-gelu" if gated else "relu", tie_word_embeddings=not gated))
            return peft.get_peft_model(model, config).get_nb_trainable_parameters()[0]

    task = {"task_type": "SEQ_2_SEQ_LM"}

    def alive(config, heads=4):
        """Elements that get a gradient in a small model with values; None where the forward pass fails."""
        torch.manual_seed(0)
        model = peft.get_peft_model(T5ForConditionalGeneration(T5Config(
            vocab_size=96, d_model=64, d_kv=16, d_ff=128, num_layers=4, num_decoder_layers=4, num_heads=heads,
            decoder_start_token_id=0)), config).eval()  # no dropout
        ids = torch.arange(3, 15).reshape(2, 6)
        try:
            model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids[:, :3].contiguous()).loss.backward()
        except RuntimeError:
            return None
        return sum(int((p.grad != 0).sum()) for p in model.parameters() if p.requires_grad and p.grad is not None)

    n = LENGTH
    checks.equal("peft, prompt: elements that get a gradient",
                 alive(peft.PromptTuningConfig(num_virtual_tokens=n, **task)), n * 64)
    checks.equal("peft, prefix: elements that get a gradient",
                 alive(peft.PrefixTuningConfig(num_virtual_tokens=n, **task)), n * 4 * 64)
    checks.true("peft, prefix where d_model is not heads x d_kv: fails",
                alive(peft.PrefixTuningConfig(num_virtual_tokens=n, **task), heads=2) is None)
    for size in SIZES:
        configs = {
            "prompt": peft.PromptTuningConfig(num_virtual_tokens=LENGTH, **task),
            "prefix": peft.PrefixTuningConfig(num_virtual_tokens=LENGTH, **task),
            "p_tuning MLP": peft.PromptEncoderConfig(num_virtual_tokens=LENGTH, **task),
            "p_tuning LSTM": peft.PromptEncoderConfig(num_virtual_tokens=LENGTH,
                                                      encoder_reparameterization_type="LSTM", **task),
            "lora": peft.LoraConfig(r=RANK, **task),
            "ia3": peft.IA3Config(**task),
        }
        for name, config in configs.items():
            checks.equal(f"peft on {size[1]}, {name}: reported", reported(size, config), table[size[0]][name][0])


def of_the_page(checks, page):
    """Rows of the tables headed by counts: | name | `METHOD key=value …` | trained | stored | …."""
    rows, columns = 0, []
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if len(cells) > 2 and cells[1] == "`peft-bench params` of":
            columns = cells
        elif not cells:
            columns = []
        elif columns and (command := re.fullmatch(r"`(.+)`", cells[1])):
            method, *settings = re.findall(r'(?:"[^"]*"|[^\s"])+', command.group(1))
            backbone = "t5-v1_1-base"
            if settings and settings[0] == "on":
                backbone, settings = settings[1], settings[2:]
            ledger = checks.ledger(backbone, method, *[s.replace('"', "") for s in settings])
            for column, cell in list(zip(columns, cells))[2:]:
                if column == "of all":
                    share, found = float(cell.rstrip(" %")), ledger["percent"]
                    checks.true(f"{page.name}: {cells[0]}, {cell} of all", abs(share - found) <= 0.005 * found)
                if column in ledger:
                    checks.equal(f"{page.name}: {cells[0]}, {column}", ledger[column], int(cell.replace(",", "")))
            rows += 1
    checks.true(f"{page.name}: {rows} rows found", rows >= 20)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True, type=Path)
    parser.add_argument("--source", required=True, type=Path)
    parser.add_argument("--peft", action="store_true", help="run peft too")
    options = parser.parse_args()
    checks = Checks(options.program)
    if not options.peft:
        of_the_sources(checks)
    table, lines = of_peft(checks)
    if options.peft:
        by_peft(checks, table)
    else:
        page = options.source / "docs" / "accounting.md"
        of_the_page(checks, page)
        for line in lines:
            checks.true(f"{page.name} has the line {line}", line in page.read_text(encoding="utf-8"))
    print(f"{checks.made - checks.failed} of {checks.made} counts")
    sys.exit(1 if checks.failed or not checks.made else 0)


if __name__ == "__main__":
    main()
