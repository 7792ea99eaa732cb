"""The work of training_step.cpp in transformers + peft, on a random T5 of the same sizes: the tasks of ../speed.

    .deps/peer/bin/python benchmarks/peer/training_step.py TASK.json STEPS [compiled]

Prints JSON: the time of each step after one that warms up, and the peak of the process's memory.
"""
import json
import sys

import peft
import torch
import transformers
from timed import print_times

task = json.loads(open(sys.argv[1], encoding="utf-8").read())
steps, compiled = int(sys.argv[2]), sys.argv[3:] == ["compiled"]
device, precision, parameters = task["device"], getattr(torch, task["precision"]), task.get("parameters", {})
EOS = 1


def backbone():
    sizes = task["backbone"]
    config = transformers.T5Config(
        **sizes, num_decoder_layers=sizes["num_layers"], feed_forward_proj="gated-gelu", tie_word_embeddings=False,
        dropout_rate=task.get("dropout", 0.0), decoder_start_token_id=0)
    torch.manual_seed(1)
    return transformers.T5ForConditionalGeneration(config).to(device, precision)


def with_method(base):
    method, kind = task["method"], {"task_type": "SEQ_2_SEQ_LM"}
    if method == "model_tuning":
        return base
    if method == "lora":
        return peft.get_peft_model(
            base, peft.LoraConfig(**kind, r=parameters["rank"], target_modules=parameters["targets"]))
    if method == "prompt_tuning":
        return peft.get_peft_model(base, peft.PromptTuningConfig(
            **kind, num_virtual_tokens=parameters["length"], num_transformer_submodules=1))
    if method == "prefix_tuning":  # peft has it for the decoder alone; heads need not be of d_model / heads
        return peft.get_peft_model(base, peft.PrefixTuningConfig(
            **kind, num_virtual_tokens=parameters["length"], token_dim=base.config.num_heads * base.config.d_kv))
    raise SystemExit(f"no such method here\n  found:    {method}\n  expected: one of speed_parts/tasks.py")


def padded(sequences, padding=0):
    longest = max(map(len, sequences))
    ids = torch.tensor([row + [padding] * (longest - len(row)) for row in sequences])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in sequences])
    return ids.to(device), mask.to(device)


def training_step(ids, mask):
    model = with_method(backbone()).train()
    labels, _ = padded(task["targets"], -100)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    if compiled:
        model.compile()

    def step():
        optimizer.zero_grad()
        model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
        optimizer.step()

    return step


def greedy(ids, mask):
    model = backbone().eval()
    tokens = len(task["targets"][0])
    if compiled:
        model.compile()
        model.encoder.compile()  # generate calls it by itself

    @torch.inference_mode()
    def step():
        model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=tokens, min_new_tokens=tokens, num_beams=1,
                       do_sample=False)

    return step


def ranking(ids, mask):
    """As T0's evaluation has it: the encoder once, its states again for each word, and the words teacher-forced."""
    model = backbone().eval()
    words, there = padded([word + [EOS] for word in task["words"]])
    examples, choices = len(ids), len(words)
    words, there = words.repeat(examples, 1), there.repeat(examples, 1)
    if compiled:
        model.compile()
        model.encoder.compile()

    @torch.inference_mode()
    def step():
        states = model.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        logits = model(encoder_outputs=(states.repeat_interleave(choices, 0),),
                       attention_mask=mask.repeat_interleave(choices, 0),
                       decoder_input_ids=model._shift_right(words)).logits
        scores = logits.float().log_softmax(-1).gather(2, words.unsqueeze(2)).squeeze(2)
        (scores * there).sum(1).view(examples, choices).argmax(1).tolist()

    return step


def main():
    step = {"training_step": training_step, "greedy": greedy, "ranking": ranking}[task["work"]](*padded(task["inputs"]))

    def waited():
        step()
        if device != "cpu":  # it goes on computing when a call has returned
            torch.cuda.synchronize()

    context = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}
    if device != "cpu":
        context["gpu"] = torch.cuda.get_device_name()
    print_times(waited, steps, context)


if __name__ == "__main__":
    main()
