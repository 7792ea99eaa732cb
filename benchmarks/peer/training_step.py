"""The work of training_step.cpp in transformers + peft, on a random T5 of the same sizes: prompt tuning (P = 100), LoRA
(rank 8, on all maps of attention q and v) or model tuning, by the same variables of the environment.

Prints one JSON line a repetition. Run it through compare.py, or: .deps/peer/bin/python benchmarks/peer/training_step.py
"""
import json
import os
import sys
import time

import torch
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from transformers import T5Config, T5ForConditionalGeneration

SIZES = {"nano": (8192, 256, 4, 640, 4), "small": (32128, 512, 6, 1024, 8), "base": (32128, 768, 12, 2048, 12),
         "large": (32128, 1024, 16, 2816, 24)}
shape = os.environ.get("PEFTBENCH_SHAPE") or "small"
method = os.environ.get("PEFTBENCH_METHOD") or "prompt_tuning"
precision = getattr(torch, os.environ.get("PEFTBENCH_PRECISION") or "float32")
device = os.environ.get("PEFTBENCH_DEVICE") or "cpu"
ragged = os.environ.get("PEFTBENCH_TEXT") == "ragged"
B, S, T = 16, 128, 8


def model(dropout):
    vocabulary, d_model, heads, d_ff, layers = SIZES[shape]
    config = T5Config(
        vocab_size=vocabulary, d_model=d_model, d_kv=64, num_heads=heads, d_ff=d_ff, num_layers=layers,
        num_decoder_layers=layers, feed_forward_proj="gated-gelu", tie_word_embeddings=False, dropout_rate=dropout,
        decoder_start_token_id=0)
    torch.manual_seed(1)
    base = T5ForConditionalGeneration(config).to(device, precision)
    if method == "model_tuning":
        return base
    if method == "lora":
        return get_peft_model(base, LoraConfig(task_type="SEQ_2_SEQ_LM", r=8, target_modules=["q", "v"]))
    return get_peft_model(base, PromptTuningConfig(
        task_type="SEQ_2_SEQ_LM", num_virtual_tokens=100, num_transformer_submodules=1))


def wait():  # a device goes on computing when a call has returned
    if device != "cpu":
        torch.cuda.synchronize()


def main():
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    ids = (torch.arange(B * S).view(B, S) * 17 % 8000 + 2).to(device)
    labels = (torch.arange(B * T).view(B, T) * 29 % 8000 + 2).to(device)
    lengths = torch.tensor([32 + 96 * (b * 7 % 16) // 15 if ragged else S for b in range(B)])  # as training_step.cpp has it
    mask = (torch.arange(S) < lengths.unsqueeze(1)).long().to(device)
    ids = ids * mask
    for dropout in (0.0, 0.1):
        tuned = model(dropout).train()
        optimizer = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=1e-4)
        for repetition in range(repetitions + 1):
            start = time.perf_counter()
            optimizer.zero_grad()
            tuned(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
            optimizer.step()
            wait()
            if repetition:  # the first warms up
                print(json.dumps({"name": f"training_step/dropout_percent:{round(dropout * 100)}",
                                  "ms": (time.perf_counter() - start) * 1e3}), flush=True)
    tuned = model(0.0).eval()
    for repetition in range(repetitions + 1):
        start = time.perf_counter()
        with torch.inference_mode():
            tuned.generate(input_ids=ids, attention_mask=mask, max_new_tokens=T, min_new_tokens=T, num_beams=1, do_sample=False)
        wait()
        if repetition:
            print(json.dumps({"name": "greedy", "ms": (time.perf_counter() - start) * 1e3}), flush=True)


if __name__ == "__main__":
    main()
