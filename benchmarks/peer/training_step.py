"""The work of training_step.cpp in transformers + peft: prompt tuning, P = 100, on a random T5 of the same sizes.

Prints one JSON line a repetition. Run it through compare.py, or: .deps/peer/bin/python benchmarks/peer/training_step.py
"""
import json
import os
import sys
import time

import torch
from peft import PromptTuningConfig, get_peft_model
from transformers import T5Config, T5ForConditionalGeneration

nano = os.environ.get("PEFTBENCH_SHAPE") == "nano"
B, S, T = 16, 128, 8


def model(dropout):
    config = T5Config(
        vocab_size=8192 if nano else 32128, d_model=256 if nano else 512, d_kv=64, num_heads=4 if nano else 6,
        d_ff=640 if nano else 1024, num_layers=4 if nano else 8, num_decoder_layers=4 if nano else 8,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, dropout_rate=dropout, decoder_start_token_id=0)
    torch.manual_seed(1)
    base = T5ForConditionalGeneration(config)
    return get_peft_model(base, PromptTuningConfig(
        task_type="SEQ_2_SEQ_LM", num_virtual_tokens=100, num_transformer_submodules=1))


def main():
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    ids = torch.arange(B * S).view(B, S) * 17 % 8000 + 2
    labels = torch.arange(B * T).view(B, T) * 29 % 8000 + 2
    mask = torch.ones_like(ids)
    for dropout in (0.0, 0.1):
        tuned = model(dropout).train()
        for repetition in range(repetitions + 1):
            tuned.zero_grad()
            start = time.perf_counter()
            tuned(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
            if repetition:  # the first warms up
                print(json.dumps({"name": f"training_step/dropout_percent:{round(dropout * 100)}",
                                  "ms": (time.perf_counter() - start) * 1e3}), flush=True)
    tuned = model(0.0).eval()
    for repetition in range(repetitions + 1):
        start = time.perf_counter()
        with torch.inference_mode():
            tuned.generate(input_ids=ids, attention_mask=mask, max_new_tokens=T, min_new_tokens=T, num_beams=1, do_sample=False)
        if repetition:
            print(json.dumps({"name": "greedy", "ms": (time.perf_counter() - start) * 1e3}), flush=True)


if __name__ == "__main__":
    main()
