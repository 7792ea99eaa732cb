"""A grid of methods, tasks and seeds as a user of peft writes it: a loop in one process. Run it through
../suite_time.py.

    .deps/peer/bin/python benchmarks/peer/suite_loop.py GRID.json
"""
import json
import pathlib
import sys

import peft
import torch
from transformers import T5ForConditionalGeneration, T5Tokenizer

grid = json.loads(pathlib.Path(sys.argv[1]).read_text())
torch.set_num_threads(grid["threads"])
tokenizer = T5Tokenizer.from_pretrained(grid["model"])
kind = {"task_type": "SEQ_2_SEQ_LM"}
CONFIGS = {  # sizes as ours are on this backbone
    "prompt_tuning": lambda: peft.PromptTuningConfig(**kind, num_virtual_tokens=40, num_transformer_submodules=1),
    "p_tuning": lambda: peft.PromptEncoderConfig(**kind, num_virtual_tokens=20, num_transformer_submodules=1,
                                                 encoder_reparameterization_type="LSTM", encoder_hidden_size=256),
    "prefix_tuning": lambda: peft.PrefixTuningConfig(**kind, num_virtual_tokens=20, token_dim=256),
    "lora": lambda: peft.LoraConfig(**kind, r=8, target_modules=["q", "v"]),
    "ia3": lambda: peft.IA3Config(**kind, target_modules=["k", "v", "wo"], feedforward_modules=["wo"]),
    "norm_tuning": lambda: peft.LNTuningConfig(**kind, target_modules=["layer_norm", "final_layer_norm"]),
}


def encoded(texts):
    batch = tokenizer(texts, padding=True, truncation=True, max_length=192, return_tensors="pt")
    return batch.input_ids, batch.attention_mask


def train(model, task):
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    model.train()
    size, count = grid["batch"], len(task["inputs"])
    for step in range(grid["steps"]):
        chosen = [(step * size + i) % count for i in range(size)]
        ids, mask = encoded([task["inputs"][i] for i in chosen])
        labels, there = encoded([task["targets"][i] for i in chosen])
        optimizer.zero_grad()
        model(input_ids=ids, attention_mask=mask, labels=labels.masked_fill(there == 0, -100)).loss.backward()
        optimizer.step()


@torch.inference_mode()
def answers(model, task):
    model.eval()
    found = []
    for first in range(0, len(task["inputs"]), grid["evaluation_batch"]):
        ids, mask = encoded(task["inputs"][first:first + grid["evaluation_batch"]])
        out = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=grid["tokens"], do_sample=False)
        found += tokenizer.batch_decode(out, skip_special_tokens=True)
    return found


for task in grid["tasks"].values():
    for method in grid["methods"]:
        for seed in range(1, grid["seeds"] + 1):
            torch.manual_seed(seed)
            model = T5ForConditionalGeneration.from_pretrained(grid["model"])
            if method in CONFIGS:
                model = peft.get_peft_model(model, CONFIGS[method]())
            train(model, task)
            answers(model, task)
