"""Span-corruption steps of a T5 in transformers, as a user writes them: AdamW, batches of equal length, fp32 or bf16.

    .deps/peer/bin/python benchmarks/peer/pretraining.py CONFIG_FOLDER INPUTS TARGETS BATCH STEPS PRECISION THREADS

PRECISION is bfloat16 or float32. Prints one line of JSON with the tokens a second, the first two steps left
out. Run it through ../pretraining.py.
"""
import contextlib
import json
import sys
import time

import torch
from transformers import T5Config, T5ForConditionalGeneration

folder, inputs, targets, batch, steps, precision, threads = sys.argv[1:]
inputs, targets, batch, steps = int(inputs), int(targets), int(batch), int(steps)
torch.set_num_threads(int(threads))
torch.manual_seed(0)
config = T5Config.from_pretrained(folder)
config.dropout_rate = 0.0
model = T5ForConditionalGeneration(config).train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
narrow = precision == "bfloat16"
begin = 0.0
for step in range(steps + 2):
    if step == 2:
        begin = time.perf_counter()
    ids = torch.randint(3, 8000, (batch, inputs))
    labels = torch.randint(3, 8000, (batch, targets))
    with torch.autocast("cpu", torch.bfloat16) if narrow else contextlib.nullcontext():
        loss = model(input_ids=ids, labels=labels).loss
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
seconds = time.perf_counter() - begin
print(json.dumps({"tokens_per_second": steps * batch * (inputs + targets) / seconds}))
