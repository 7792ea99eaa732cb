"""A disk that fails, and a process that is killed, at every call of the system that a command makes.

    campaign.py PROGRAM INJECTOR [--all | --sample N] [--stops N] [--seed S] [--jobs J] [--only SCENARIO…]
                [--seconds S] [--json FILE]

The injector (injector.cpp) is loaded into the program. A first pass counts the calls on files below one folder, which
holds what the command reads and writes; then each call fails once with each fault that it can have (no space, an error
of the disk, no permission, half of the bytes), and the process is killed once before each call that changes something.
After each of them:

- the program ended by itself within a minute: with an error that names the file and the reason, or with success and
  the bytes of a command that nothing disturbed; killed it was by us alone;
- the same command again, undisturbed, succeeds and leaves these bytes: adapter, predictions, log, checkpoint, models,
  and the record but for its times;
- no file of a writer that died is left.

--stops: so often each command is asked to stop (SIGTERM, SIGINT, SIGHUP) at a moment drawn by chance; it ends with
128 + the signal's number, and the rest holds as above.

--all tries every call; --sample draws some of each scenario, the same ones for the same --seed; --seconds ends the
drawing (the rest is counted as not tried). Exit status 1 where one of these does not hold.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HOME = pathlib.Path(__file__).resolve().parents[3]
TIMEOUT = 60  # seconds of the processor, or ten times as many of waiting: what takes longer hangs

# What each call can come to.
FAULTS = {
    "open": ["EIO", "EACCES", "ENOSPC", "kill"],
    "read": ["EIO", "short"],
    "pread": ["EIO", "short"],
    "write": ["ENOSPC", "EIO", "short", "kill"],
    "pwrite": ["ENOSPC", "EIO", "short", "kill"],
    "fsync": ["EIO", "ENOSPC", "kill"],
    "fdatasync": ["EIO", "ENOSPC", "kill"],
    "rename": ["EIO", "EACCES", "ENOSPC", "kill"],
    "mkdir": ["EACCES", "ENOSPC", "kill"],
    "mmap": ["EIO", "ENOSPC"],
    "ftruncate": ["EIO", "kill"],
    "unlink": ["EIO", "EACCES", "kill"],
    "close": ["EIO"],
}
REASONS = {"EIO": ["Input/output error"], "EACCES": ["Permission denied"],
           "ENOSPC": ["No space left on device", "Cannot allocate memory"]}
# Of these the reason must be told; what reads may say "cannot be read" alone.
WRITES = {"write", "pwrite", "fsync", "fdatasync", "rename", "mkdir", "ftruncate"}

PRETRAIN = """
model: {vocab_size: 512, d_model: 32, d_kv: 8, num_heads: 4, d_ff: 64, encoder_layers: 1, decoder_layers: 1,
        activation: gelu_tanh, gated: true, tied: true, scale_logits: true}
vocabulary: spiece.model
text: {TEXT: 1}
objectives:
  span_corruption: {share: 1}
  tasks: {share: 1, tasks: [TASK], rate: equal}
lengths: {inputs: 24}
tokens: 64
held_out: {documents: 0.1, examples: 4}
snapshots: {half: 0.5}
train: {steps: 6, warmup_steps: 2, evaluate_every: 4, checkpoint_every: 2, log_every: 1, seed: 3}
"""
SETTINGS = {"length": 4, "train.steps": 20, "train.batch_size": 2, "train.evaluate_every": 10,
            "train.validation_limit": 8, "train.checkpoint_every": 8, "train.log_every": 5}


class World:
    """A folder with all that a command reads, and room for what it writes."""

    def __init__(self, folder, program):
        self.folder, self.program = folder, program
        self.out = folder / "out"
        self.reset()
        words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
        rows = "".join(f"{words[i % 10]} {words[i * 7 % 10]} {i},{'odd' if i * 7 % 2 else 'even'}\n" for i in range(60))
        (folder / "parity.csv").write_text("text,parity\n" + rows)
        (folder / "parity.yaml").write_text(
            'name: parity\nsource: parity.csv\ninput: "number: {text}"\ntarget: "{parity}"\nlabels: [even, odd]\n'
            "metrics: [accuracy]\nsplit: {seed: 0, validation: 8, test: 8}\nlimits: {input: 24, target: 6}\n")
        backbone = folder / "backbone"
        backbone.mkdir()
        for file in (HOME / "assets/backbones/t5-nano-lm").iterdir():
            shutil.copy(file, backbone / file.name)
        (folder / "text").mkdir()
        with open(folder / "text/documents.jsonl", "w", encoding="utf-8") as text:
            chance = random.Random(7)
            made_up = ["".join(chance.choice("aeiou" if k % 2 else "bdklmnrst") for k in range(chance.randint(2, 7)))
                       for _ in range(300)]
            for _ in range(80):
                text.write(json.dumps({"text": " ".join(chance.choices(made_up, k=30))}) + "\n")
        suite = [f"backbones: [{backbone}]\ntasks: [{folder / 'parity.yaml'}]\nseeds: [1]\n"
                 "defaults: {train.steps: 6, train.batch_size: 2, train.evaluate_every: 0, threads: 1}\n"
                 "rows:\n  - {method: prompt_tuning, name: a, set: {length: 2}}\n"
                 "  - {method: norm_tuning, name: b}\n"]
        (folder / "pair.yaml").write_text("".join(suite))
        self.environment = dict(os.environ, PEFTBENCH_HOME=str(HOME), PEFTBENCH_DATA=str(self.out / "data"),
                                OMP_NUM_THREADS="1", HF_HOME=str(folder / "hub"))
        self.environment["TMPDIR"] = str(folder / "tmp")
        self.environment.pop("LD_PRELOAD", None)

    def make_vocabulary(self):
        words = ["vocab", str(self.folder / "text"), "--size", "160", "--out", str(self.folder / "spiece.model")]
        done = subprocess.run([self.program, *words], capture_output=True, text=True, env=self.environment)
        if done.returncode:
            sys.exit(f"vocab: {done.stderr}")
        config = PRETRAIN.replace("TEXT", str(self.folder / "text")).replace("TASK", str(self.folder / "parity.yaml"))
        (self.folder / "tiny.yaml").write_text(config)

    def train_words(self, out, method="prompt_tuning", settings=SETTINGS):
        words = ["--method", method, "--task", str(self.folder / "parity.yaml"), "--backbone",
                 str(self.folder / "backbone"), "--seed", "1", "--threads", "1", "--out", str(out)]
        for key, value in settings.items():
            words += ["--set", f"{key}={value}"]
        return words

    def reset(self):
        for folder in (self.out, self.folder / "tmp"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()

    def call(self, words, extra=None, timeout=TIMEOUT, stop=None):
        process = subprocess.Popen([self.program, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=dict(self.environment, **(extra or {})), cwd=self.folder,
                                   start_new_session=True)
        if stop:
            number, moment = stop
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                process.send_signal(number)
        begun = time.monotonic()
        while True:
            try:
                out, err = process.communicate(timeout=2)
                break
            except subprocess.TimeoutExpired:
                if used_seconds(process.pid) < timeout and time.monotonic() - begun < 10 * timeout:
                    continue
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                return None, ""
        return process.returncode, (out + err).decode(errors="replace")


def used_seconds(process):
    """Of the processor, by a process and those of its children that have ended."""
    try:
        numbers = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return sum(map(int, numbers[11:15])) / os.sysconf("SC_CLK_TCK")


def of_run(world):
    return world.train_words(world.out)


def of_suite(world):
    return ["suite", str(world.folder / "pair.yaml"), "--jobs", "1", "--out", str(world.out)]


def of_pretrain(world):
    return ["pretrain", str(world.folder / "tiny.yaml"), "--threads", "1", "--out", str(world.out)]


def of_export(world):
    return ["export", str(next((world.folder / "kept").glob("prompt_tuning-*"))), str(world.out / "hf"), "--format",
            "huggingface", "--backbone", str(world.folder / "backbone")]


def of_again(world):
    return of_run(world) + ["--again"]


SCENARIOS = {"run": of_run, "again": of_again, "suite": of_suite, "pretrain": of_pretrain, "export": of_export}
# The command that is given afterwards, where it is another.
CONTINUED = {"again": of_run}
FILLED = {"export"}  # refuse to write over what an earlier one completed
TIMES = re.compile(r"\.log$")  # of a suite: what a process said, with its times


def prepared(world, scenario):
    """The state from which the command starts."""
    world.reset()
    if scenario == "again":
        shutil.copytree(world.folder / "kept", world.out, dirs_exist_ok=True)


def plain_record(text):
    record = json.loads(text)
    for key in ("started", "ended", "phases"):
        record.pop(key, None)
    for key in ("times_resumed", "resumed_from", "encoder_cache"):
        record["training"].pop(key, None)
    told = ("a checkpoint cannot be used", "the record is rewritten", "the run had finished, but")
    record["warnings"] = [w for w in record["warnings"] if not w.startswith(told) and "is shorter than the checkpoint expects" not in w]
    return json.dumps(record)


def bytes_of(world):
    """What must be the same, by name: hashes."""
    found = {}
    for file in sorted(world.out.rglob("*")):
        name = str(file.relative_to(world.out))
        if not file.is_file() or file.name in ("lock", "time.json") or TIMES.search(name):
            continue
        if name.startswith("data/") or "train.previous" in name or "train.next" in name:
            continue
        content = file.read_bytes()
        if file.name == "record.json":
            content = plain_record(content.decode()).encode()
        if file.name == "README.md":  # a card tells the minutes
            content = re.sub(rb"[^\n]*(minutes|seconds|hours)[^\n]*", b"", content)
        found[name] = hashlib.sha256(content).hexdigest()
    return found


def leftovers(world):
    left = [*world.out.rglob("*.tmp-*"), *world.out.rglob("*.unfinished"), *(world.folder / "tmp").iterdir()]
    return [str(file.relative_to(world.folder)) for file in left]


def differences(found, expected):
    return [name for name in sorted(set(found) | set(expected)) if found.get(name) != expected.get(name)]


def told_text(world, text):
    for log in world.out.rglob("*.log"):  # of a suite's processes
        text += log.read_text(errors="replace")
    return text


def names_it(text, path):
    """The message names the file, or one above or below it (a folder that cannot be flushed is that of a file)."""
    plain = re.sub(r"\.tmp-\d+-\d+$", "", path)
    stem = pathlib.Path(plain).name
    return stem in text or pathlib.Path(plain).parent.name in text


class Campaign:
    def __init__(self, program, injector):
        self.program, self.injector = program, injector
        self.lock = threading.Lock()
        self.violations, self.counts, self.kills = [], {}, 0

    def inject(self, world, scenario, expected, number, call, path, fault):
        prepared(world, scenario)
        log = world.folder.parent / (world.folder.name + ".calls")
        log.unlink(missing_ok=True)
        words = SCENARIOS[scenario](world)
        status, text = world.call(words, {"LD_PRELOAD": str(self.injector), "INJECT_ROOT": str(world.folder),
                                          "INJECT_LOG": str(log), "INJECT_AT": str(number), "INJECT_FAULT": fault})
        lines = log.read_text().splitlines() if log.exists() else []
        reached = number < len(lines)
        if reached:
            call, path = lines[number].split(" ", 2)[1:]
        faults = []
        if status is None:
            faults.append(f"did not end within {TIMEOUT} s of the processor")
        elif status < 0 and not (fault == "kill" and status == -signal.SIGKILL):
            faults.append(f"ended by signal {-status}")
        elif status == 0 and differences(bytes_of(world), expected):
            faults.append(f"success with other files: {differences(bytes_of(world), expected)[:4]}")
        elif status > 0 and fault in REASONS:
            told = told_text(world, text)
            if not names_it(told, path):
                faults.append(f"the message does not name {path}: {told[-400:]}")
            if call in WRITES and not any(reason in told for reason in REASONS[fault]):
                faults.append(f"the message does not tell {REASONS[fault][0]}: {told[-400:]}")
        self.finish(world, scenario, expected, faults)
        self.keep(scenario, number, call, path, fault, faults, reached)

    def stop(self, world, scenario, expected, number, moment):
        prepared(world, scenario)
        status, text = world.call(SCENARIOS[scenario](world), stop=(number, moment))
        faults = []
        # Before the program listens, a signal does what it does to any.
        if status not in (0, 128 + number, -number):
            faults.append(f"exit {status}: {text[-400:]}")
        elif status == 128 + number and "run the same command again" not in text:
            faults.append(f"it does not say that it goes on: {text[-400:]}")
        elif status == 0 and differences(bytes_of(world), expected):
            faults.append(f"success with other files: {differences(bytes_of(world), expected)[:4]}")
        self.finish(world, scenario, expected, faults)
        self.keep(scenario, 0, "signal", f"after {moment:.2f} s", signal.Signals(number).name, faults, True)

    @staticmethod
    def finish(world, scenario, expected, faults):
        """The same command, undisturbed."""
        if scenario in FILLED and not differences(bytes_of(world), expected):
            if leftovers(world):
                faults.append(f"left over: {leftovers(world)[:3]}")
            return
        again, text = world.call(CONTINUED.get(scenario, SCENARIOS[scenario])(world))
        if again != 0:
            faults.append(f"the same command afterwards: exit {again}: {text[-600:]}")
        elif differences(bytes_of(world), expected):
            other = differences(bytes_of(world), expected)[:4]
            faults.append(f"the same command afterwards leaves other files: {other}")
        if leftovers(world):
            faults.append(f"left over: {leftovers(world)[:3]}")

    def keep(self, scenario, number, call, path, fault, faults, reached):
        with self.lock:
            key = f"{call} {fault}"
            self.counts[key] = self.counts.get(key, 0) + reached
            self.kills += reached and fault == "kill"
            for one in faults:
                self.violations.append({"scenario": scenario, "call": call, "number": number, "fault": fault,
                                        "path": path, "violation": one})
                print(f"VIOLATION {scenario} {number} {call} {fault} {path}: {one}", flush=True)

    def reference(self, world, scenario):
        """Hashes of an undisturbed command, and the calls it makes."""
        prepared(world, scenario)
        log = world.folder.parent / (world.folder.name + ".calls")
        log.unlink(missing_ok=True)
        counting = {"LD_PRELOAD": str(self.injector), "INJECT_ROOT": str(world.folder), "INJECT_LOG": str(log)}
        begun = time.monotonic()
        status, text = world.call(SCENARIOS[scenario](world), counting, 300)
        seconds = time.monotonic() - begun
        if status != 0:
            sys.exit(f"{scenario}, undisturbed: exit {status}\n{text}")
        if leftovers(world):
            sys.exit(f"{scenario}, undisturbed, leaves {leftovers(world)}")
        calls = [line.split(" ", 2)[1:] for line in log.read_text().splitlines()]
        return bytes_of(world), calls, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("injector", type=pathlib.Path)
    parser.add_argument("--all", action="store_true", help="every call and every fault")
    parser.add_argument("--sample", type=int, default=6, help="of each scenario, without --all")
    parser.add_argument("--stops", type=int, default=0, help="signals for each scenario")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", nargs="*", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--seconds", type=float, default=0, help="stop drawing after this time")
    parser.add_argument("--json", type=pathlib.Path, help="write the counts there")
    options = parser.parse_args()
    campaign = Campaign(options.program.resolve(), options.injector.resolve())
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="peftbench-inject-") as temporary:
        worlds = []
        for job in range(options.jobs):
            folder = pathlib.Path(temporary).resolve() / f"w{job}"
            folder.mkdir()
            world = World(folder, campaign.program)
            if "pretrain" in options.only:
                world.make_vocabulary()
            if {"export", "again"} & set(options.only):
                status, text = world.call(world.train_words(folder / "kept"), timeout=300)
                if status != 0:
                    sys.exit(f"the run to export: exit {status}\n{text}")
            worlds.append(world)
        free = list(worlds)
        done = planned = 0
        for scenario in options.only:
            references = {id(world): campaign.reference(world, scenario) for world in worlds}
            calls = references[id(worlds[0])][1]
            work = [(number, call, path, fault) for number, (call, path) in enumerate(calls) for fault in FAULTS[call]]
            print(f"{scenario}: {len(calls)} calls, {len(work)} faults", flush=True)
            if not options.all:
                work = random.Random(f"{options.seed} {scenario}").sample(work, min(options.sample, len(work)))
            chance, seconds = random.Random(f"{options.seed} {scenario} stops"), references[id(worlds[0])][2]
            work += [(chance.choice([signal.SIGTERM, signal.SIGINT, signal.SIGHUP]), chance.uniform(0, seconds))
                     for _ in range(options.stops)]
            planned += len(work)

            def one(item):
                if options.seconds and time.monotonic() - begun > options.seconds:
                    return 0
                with campaign.lock:
                    world = free.pop()
                try:
                    work_of = campaign.stop if len(item) == 2 else campaign.inject
                    work_of(world, scenario, references[id(world)][0], *item)
                finally:
                    with campaign.lock:
                        free.append(world)
                return 1

            with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
                done += sum(pool.map(one, work))
            print(f"{scenario}: {done} of {planned} so far, {len(campaign.violations)} violations, "
                  f"{time.monotonic() - begun:.0f} s", flush=True)
    seconds = time.monotonic() - begun
    for key in sorted(campaign.counts):
        print(f"  {key:20} {campaign.counts[key]}")
    print(f"{done} of {planned} faults tried, {campaign.kills} of them kills, {len(campaign.violations)} violations, "
          f"{seconds:.0f} s")
    if options.json:
        options.json.write_text(json.dumps({"counts": campaign.counts, "kills": campaign.kills, "tried": done,
                                            "violations": campaign.violations, "seconds": seconds}, indent=1))
    return 1 if campaign.violations else 0


if __name__ == "__main__":
    sys.exit(main())
