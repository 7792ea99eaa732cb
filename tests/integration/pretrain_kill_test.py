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
model: {vocab_size: 512, d_model: 32, d_kv: 8, num_heads: 4, d_ff: 64, encoder_layers: 2, decoder_layers: 2,
        activation: gelu_tanh, gated: true, tied: true, scale_logits: true}
vocabulary: spiece.model
text: {TEXT: 1}
objectives:
  span_corruption: {share: 2}
  prefix_lm: {share: 1}
  tasks: {share: 1, tasks: [TASK], rate: equal}
lengths: {inputs: 32}
tokens: 256
held_out: {documents: 0.1, examples: 8}
snapshots: {half: 0.5}
train: {steps: 60, dropout: 0.1, warmup_steps: 4, evaluate_every: 7, checkpoint_every: 3, log_every: 1, seed: 3}
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
    result = subprocess.run([program, *words], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{' '.join(words)}: exit {result.returncode}\n{result.stderr}")
    return result.stderr


def killed_series(words, whole, most):
    """Begins the run and kills it until it ends or was killed so often; then lets it end. The number of kills."""
    killed = 0
    while killed < most:
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen([program, *words], stdout=subprocess.DEVNULL, stderr=errors)
            try:
                process.wait(chance.uniform(0.1, 0.6) * whole)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                killed += 1
                continue
            if process.returncode:
                errors.seek(0)
                sys.exit(f"after {killed} kills: exit {process.returncode}\n{errors.read().decode(errors='replace')}")
            return killed
    run(*words)
    return killed


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

    expected = hashes(world / "whole")
    killed = series = 0
    while killed < KILLS:  # a series that ends early is compared, and another one begun in a new folder
        series += 1
        if series > 5 * KILLS:
            sys.exit(f"only {killed} kills in {series} runs: they end too soon")
        out = world / f"killed{series}"
        command = ["pretrain", str(world / "tiny.yaml"), "--out", str(out)]
        here = killed_series(command, whole, KILLS - killed)
        killed += here
        found = hashes(out)
        for name, value in expected.items():
            if found[name] != value:
                sys.exit(f"after {here} kills {name} has other bytes: {value[:16]} {found[name][:16]}")
        left = [str(file) for file in out.rglob("*.tmp-*")]
        if left:
            sys.exit(f"files of killed processes were left: {left}")
    errors = run(*command)
    if "already finished" not in errors:
        sys.exit(f"a finished run did not say so: {errors}")
print(f"{len(expected)} files of {series} runs that were killed {killed} times have the bytes of one that was not; "
      f"whole run {whole:.1f} s")
