"""LoRA equals peft's: logits of its adapters here and of ours there, merged weights, losses of fifty steps."""

import json
import subprocess
from pathlib import Path

from peft import LoraConfig, PeftModel

import peft_models
import support
import training
from models import Shape

GATED = {"gated": True, "tied": False, "scaled": False}
SHAPES = {
    "v1.0": Shape(vocab_size=8192, encoder_layers=2, decoder_layers=2, seed=71),
    "v1.1": Shape(vocab_size=8192, encoder_layers=2, decoder_layers=2, seed=72, **GATED),
    "v1.1-small": Shape(vocab_size=8192, d_model=64, d_kv=8, num_heads=3, encoder_layers=3, decoder_layers=2, seed=73,
                        **GATED),  # d_kv · heads ≠ d_model
}
ALL = ["q", "k", "v", "o", "wo"]
# peft's settings; what trains the same here (all of it follows from the adapter where one is only read).
CASES = {
    "q,v": ({"r": 8, "lora_alpha": 16}, ["rank=8", "alpha=16"]),
    "all linear": ({"r": 4, "lora_alpha": 6, "target_modules": "all-linear"},
                   ["rank=4", "alpha=6", "targets=all-linear"]),
    "rsLoRA": ({"r": 4, "lora_alpha": 6, "use_rslora": True}, ["rank=4", "alpha=6", "rslora=true"]),
    # peft saves its patterns sorted and takes the first that fits: these fit different maps, or agree.
    "patterns": ({"r": 4, "lora_alpha": 6, "target_modules": ALL,
                  "rank_pattern": {"encoder.block.0.*.q": 2, "DenseReluDense.wo": 3, ".*EncDecAttention.*[kv]": 6},
                  "alpha_pattern": {"v": 9, "block.1.layer.0.SelfAttention.o": 2.5}},
                 ["rank=4", "alpha=6", "targets=q,k,v,o,wo",
                  "rank_pattern=encoder.0.*.q=2,ffn.wo=3,decoder.*cross.[kv]=6",
                  "alpha_pattern=v=9,(en|de)coder.1.self.o=2.5"]),
}
READ_ONLY = {
    "layers and an expression": {"r": 4, "target_modules": r".*decoder.*(SelfAttention|EncDecAttention)\.(q|v)$"},
    "some layers": {"r": 4, "target_modules": ["q", "wo"], "layers_to_transform": [1], "layers_pattern": "block"},
    "without a block": {"r": 4, "exclude_modules": ["encoder.block.0.layer.0.SelfAttention.q"]},
}


def untied_head(checks, bench, folder):
    """peft stores the head's frozen weight beside its update; a tied one cannot be merged there either."""
    config = LoraConfig(task_type="SEQ_2_SEQ_LM", r=4, target_modules=["q", "lm_head"])
    model = peft_models.tuned(bench.peer(), config, seed=bench.shape.seed)
    model.save_pretrained(folder / "peft")
    inputs, labels = peft_models.sequences(bench.shape)
    ours = support.forward(bench.options.program, bench.backbone, inputs, labels, folder, "--adapter", folder / "peft")
    checks.close("q and lm_head: logits", ours["logits"], peft_models.logits_of(model, bench.shape),
                 peft_models.TOLERANCE)


def edited(checks, bench, folder):
    """What peft makes of an adapter_config.json that was written by hand: the order of patterns, Python's expressions."""
    config = LoraConfig(task_type="SEQ_2_SEQ_LM", r=4, lora_alpha=6, target_modules=["q"])
    peft_models.tuned(bench.peer(), config, seed=bench.shape.seed).save_pretrained(folder)
    inputs, labels = peft_models.sequences(bench.shape)
    file = folder / "adapter_config.json"
    saved = json.loads(file.read_text())
    for name, patterns in {"the general one first": {"q": 3, "encoder.*q": 16},
                           "the general one last": {"encoder.*q": 16, "q": 3},
                           "\\A": {r"\Aencoder.*q": 16}, "lazy": {r"encoder.*?[qv]": 16},
                           "counted": {r"encoder\.block\.\d{1,2}\..*": 16}}.items():
        file.write_text(json.dumps({**saved, "alpha_pattern": patterns}))
        model = PeftModel.from_pretrained(bench.peer(), folder).eval()
        ours = support.forward(bench.options.program, bench.backbone, inputs, labels, folder / "out", "--adapter", folder)
        checks.close(f"alpha_pattern, {name}: logits", ours["logits"], peft_models.logits_of(model, bench.shape),
                     peft_models.TOLERANCE)


def refused(checks, bench, folder, key, **settings):
    peft_models.tuned(bench.peer(), LoraConfig(task_type="SEQ_2_SEQ_LM", r=4, **settings)).save_pretrained(folder)
    result = subprocess.run([bench.options.program, "import", folder, "--backbone", bench.backbone],
                            capture_output=True, text=True)
    checks.true(f"{key} is refused by its name", result.returncode == 2 and key in result.stderr)


def main():
    options = support.arguments()
    checks = support.Checks()
    with support.scratch(options) as scratch:
        for shape_name, shape in SHAPES.items():
            folder = Path(scratch) / shape_name
            bench = training.Bench(options, shape, folder)
            for name, (peft_settings, settings) in CASES.items():
                config = LoraConfig(task_type="SEQ_2_SEQ_LM", **peft_settings)
                here = folder / name.replace(" ", "-")
                model = peft_models.tuned(bench.peer(), config, seed=shape.seed)
                peft_models.both_ways(checks, bench, f"{name}, {shape_name}", model, here, "lora")
                peft_models.merged(checks, bench, f"{name}, {shape_name}", model, here)
                peft_models.trajectory(checks, bench, f"{name}, {shape_name}, trained", config, here, "lora",
                                       settings, 5e-3)
            if shape_name != "v1.1":
                continue
            for name, peft_settings in READ_ONLY.items():
                config = LoraConfig(task_type="SEQ_2_SEQ_LM", **peft_settings)
                model = peft_models.tuned(bench.peer(), config, seed=shape.seed)
                peft_models.both_ways(checks, bench, name, model, folder / name.replace(" ", "-"), "lora")
            untied_head(checks, bench, folder / "head")
            edited(checks, bench, folder / "edited")
            refused(checks, bench, folder / "dora", "use_dora", use_dora=True)
            refused(checks, bench, folder / "bias", "lora_bias", lora_bias=True)
            refused(checks, bench, folder / "alora", "alora_invocation_tokens", alora_invocation_tokens=[5, 6])
            refused(checks, bench, folder / "saved", "modules_to_save", modules_to_save=["lm_head"])
            refused(checks, bench, folder / "pissa", "init_lora_weights", init_lora_weights="pissa")
    checks.finish()


if __name__ == "__main__":
    main()
