#!/usr/bin/env python3
"""Logits, loss and generated ids of a random T5 v1.1-base: peft-bench and transformers on one device.

    benchmarks/gpu_parity.py PROGRAM [DEVICE]    DEVICE: cuda (default) or cpu

Prints the largest absolute differences in float32 and bfloat16; exit status 1 where float32 differs by more than 1e-4
of a logit's size, or a generated id differs.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from transformers import T5Config, T5ForConditionalGeneration

program, device = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "cuda"
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
torch.manual_seed(1)
config = T5Config(vocab_size=32128, d_model=768, d_kv=64, num_heads=12, d_ff=2048, num_layers=12, num_decoder_layers=12,
                  feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0)
model = T5ForConditionalGeneration(config).eval()
inputs = torch.randint(2, 32000, (8, 48))
labels = torch.randint(2, 32000, (8, 6))
bad = False
with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    model.save_pretrained(folder / "model")
    (folder / "inputs.json").write_text(json.dumps(inputs.tolist()))
    (folder / "labels.json").write_text(json.dumps(labels.tolist()))
    model.to(device)
    for precision in ("float32", "bfloat16"):
        model.to(getattr(torch, precision))
        command = [program, "forward", "--backbone", folder / "model", "--input-ids", folder / "inputs.json", "--labels",
                   folder / "labels.json", "--output", folder / "out.safetensors", "--generate", folder / "ids.json",
                   "--max-tokens", "8", "--precision", precision, "--device", device]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        out = load_file(folder / "out.safetensors")
        ids = json.loads((folder / "ids.json").read_text())
        with torch.inference_mode():
            expected = model(input_ids=inputs.to(device), labels=labels.to(device))
            generated = model.generate(input_ids=inputs.to(device), max_new_tokens=8, num_beams=1, do_sample=False)
        logits = expected.logits.float().cpu()
        difference = (out["logits"] - logits).abs().max().item()
        size = logits.abs().max().item()
        loss = abs(out["loss"].item() - expected.loss.item())
        theirs = [[i for i in row if i not in (0, 1)] for row in generated.cpu().tolist()]
        same = sum(a == [i for i in b if i not in (0, 1)] for a, b in zip(theirs, ids))
        print(f"parity, v1.1-base, {precision}, {device}: logits {difference:.2e} of {size:.1f}, loss {loss:.2e}, "
              f"greedy ids equal in {same} of {len(ids)} rows")
        bad |= precision == "float32" and (difference > 1e-4 * max(1, size) or same != len(ids))
sys.exit(bad)
