"""Pre-training that is killed ten times at moments drawn by chance ends with the same bytes as one that is not.

    pretrain_kill_test.py PROGRAM [SEED]
"""
import hashlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

program = pathlib.Path(sys.argv[1]).resolve()
seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
print("seed", seed)
chance = random.Random(seed)
KILLS = 10

CONFIG = """
model: {vocab_size: 512, d_model: 64, d_kv: 16, num_heads: 4, d_ff: 128, encoder_layers: 2, decoder_layers: 2,
        activation: gelu_tanh, gated: true, tied: true, scale_logits: true}
vocabulary: spiece.model
text: {TEXT: 1}
objectives:
  span_corruption: {share: 2}
  prefix_lm: {share: 1}
  tasks: {share: 1, tasks: [TASK], rate: equal}
lengths: {inputs: 32}
tokens: 512
held_out: {documents: 0.1, examples: 8}
snapshots: {half: 0.5}
train: {steps: 40, dropout: 0.1, warmup_steps: 4, evaluate_every: 7, checkpoint_every: 3, log_every: 1, seed: 3}
"""


def make_world(folder):
    """Text, a task and a vocabulary, made up."""
    words = ["".join(chance.choice("aeiou" if i % 2 else "bdklmnrst") for i in range(chance.randint(2, 7)))
             for _ in range(400)]
    text = folder / "text" / "documents.jsonl"
    text.parent.mkdir()
    with open(text, "w", encoding="utf-8") as out:
        for _ in range(300):
            sentences = [" ".join(chance.choices(words, k=12)) + "." for _ in range(6)]
            out.write(json.dumps({"text": " ".join(sentences)}) + "\n")
    rows = "".join(f"{chance.choice(words)},{chance.choice(['one', 'two'])}\n" for _ in range(200))
    (folder / "task.csv").write_text("word,answer\n" + rows)
    (folder / "task.yaml").write_text(
        'source: task.csv\ninput: "word: {word}"\ntarget: "{answer}"\nlabels: [one, two]\n')
    run("vocab", str(text), "--size", "300", "--out", str(folder / "spiece.model"))
    config = CONFIG.replace("TEXT", str(text.parent)).replace("TASK", str(folder / "task.yaml"))
    (folder / "tiny.yaml").write_text(config)


def run(*words):
    subprocess.run([program, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def hashes(out):
    kept = ["tiny/model.safetensors", "half/model.safetensors", "tiny/config.json", "log.jsonl",
            "checkpoint/train.safetensors"]
    return {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in kept}


with tempfile.TemporaryDirectory() as temporary:
    world = pathlib.Path(temporary)
    os.environ.update(PEFTBENCH_DATA=str(world / "data"), OMP_NUM_THREADS="1")
    make_world(world)
    begun = time.monotonic()
    run("pretrain", str(world / "tiny.yaml"), "--out", str(world / "whole"))
    whole = time.monotonic() - begun

    killed, tries = 0, 0
    command = [program, "pretrain", str(world / "tiny.yaml"), "--out", str(world / "killed")]
    while killed < KILLS and tries < 20 * KILLS:
        tries += 1
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(chance.uniform(0.05, 0.6) * whole)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
            continue
        if process.returncode:
            sys.exit(f"after {killed} kills the program ended with {process.returncode}")
        break  # done before all kills: begin again and kill sooner
    if killed < KILLS:  # a fast machine: more kills of a second run, from the start
        while killed < KILLS:
            process = subprocess.Popen(command + ["--again"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(0.02, 0.5) * whole)
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
    run(*command[1:])
    expected, found = hashes(world / "whole"), hashes(world / "killed")
    for name, value in expected.items():
        print(name, value[:16], found[name][:16])
    if expected != found:
        sys.exit("the bytes differ")
    again = subprocess.run(command, capture_output=True, text=True)
    if again.returncode or "finished before" not in again.stderr:
        sys.exit(f"a finished run did not say so: {again.stderr}")
print(f"killed {killed} times; whole run {whole:.1f} s")
