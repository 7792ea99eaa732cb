"""Hand-made hostile files through the program itself: every command that reads a file, every kind of file that has once
done harm. Whatever it is given, the program ends within 5 s of processor time and 1 GB of memory, without a signal, with
status 0 or 2 and a message of its own.

    command_line.py ROOT PROGRAM [--all] [WORD…]     (only the cases whose name holds all words)

Kinds of files that are tried in many places take turns: a third of them in each place, so that each is tried in a third of
the places. --all tries every kind in every place.
"""
import concurrent.futures
import gzip
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import time

SECONDS, BYTES, WALL = 5, 1 << 30, 40  # of the processor, resident; WALL tells what waits for ever from what is slow
BYTES_A_SECOND = 20e6  # what is read and hashed to its end may take, beside those seconds
RAW = re.compile(r"\[json\.exception|yaml-cpp|filesystem error|Exception raised from|terminate called|std::|basic_string|"
                 r"vector::|stoi|stol|bad_alloc|bad conversion|INTERNAL ASSERT|[\x00-\x08\x0b-\x1f\x7f]")

root, program = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
words = [word for word in sys.argv[3:] if word != "--all"]
everything = len(sys.argv) > 3
nano = root / "assets/backbones/t5-nano-lm"
corpus = root / "tests/hostile/corpus"


# Kinds of hostile files: each makes one at a path. -------------------------------------------------------------------
def text(content):
    data = content if isinstance(content, bytes) else content.encode()
    return lambda path: path.write_bytes(data)


ANYWHERE = {
    "empty": text(""),
    "folder": lambda path: path.mkdir(),
    "pipe": lambda path: os.mkfifo(path),
    "dev zero": lambda path: path.symlink_to("/dev/zero"),
    "link to nothing": lambda path: path.symlink_to("nowhere"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "zeros": text(b"\0" * 4096),
    "not UTF-8": text(b"\xff\xfe\xc0\xaf" * 64),
    "sparse": lambda path: (path.touch(), os.truncate(path, 1 << 30)),
}
JSON = {
    "deep lists": text("[" * 60_000),
    "deep lists, closed": text("[" * 60_000 + "]" * 60_000),
    "deep maps": text('{"a":' * 60_000 + "1" + "}" * 60_000),
    "deep in a key": text('{"seed": ' + "[" * 60_000 + "]" * 60_000 + "}"),
    "1e999": text('{"seed": 1e999}'),
    "list of 1e999": text("[[1e999]]"),
    "NaN": text('{"seed": NaN}'),
    "not UTF-8": text(b'{"\xff": "\xc0"}'),
    "escape": text('{"\x1b[31m": "\\u001b[2J"}'),
    "null": text("null"),
    "number": text("18446744073709551616"),
    "cut off": text('{"a": ['),
}
YAML = {
    "refers to itself": text("on: &a {t*: *a}\n"),
    "refers to itself in a list": text("a: &a [*a]\ntasks: *a\nrows: *a\n"),
    "merges itself": text("a: &a\n  <<: *a\n"),
    "alias bomb": text("a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))),
    "deep lists": text("a: " + "[" * 60_000),
    "deep maps": text("{a: " * 60_000 + "}" * 60_000),
    "deep lines": text("".join(" " * i + "a:\n" for i in range(3000))),
    "deep dashes": text("- " * 30_000 + "x"),
    "key is a list": text("[a]: 1\n? {b: 1}\n: 2\n"),
    "escape": text('"\\e[31m": "\\e[2J"\n'),
    "many keys": text("".join(f"k{i}: {i}\n" for i in range(200_000))),
    "tag": text("a: !!binary !!! x\nb: !<x\n"),
}


def safetensors(header, data=b""):
    header = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(header)) + header + data


def npy(header):
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(header)) + header.encode()


def many_tensors(count):
    return json.dumps({f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(count)})


SAFETENSORS = {
    "huge length": text(struct.pack("<Q", 1 << 63) + b"{}"),
    "length of the file": text(struct.pack("<Q", 99) + b"{}"),
    "deep": text(safetensors('{"a":' * 60_000 + "1" + "}" * 60_000)),
    "40,000 empty tensors": text(safetensors(many_tensors(40_000))),
    "huge shape": text(safetensors('{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}', b"abcd")),
    "shape 1e999": text(safetensors('{"a":{"dtype":"F32","shape":[1e999],"data_offsets":[0,4]}}', b"abcd")),
    "not UTF-8": text(safetensors(b'{"\xff":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', b"abcd")),
    "many dimensions": text(safetensors('{"a":{"dtype":"F32","shape":[' + "1," * 500_000 + '1],"data_offsets":[0,4]}}', b"abcd")),
}
NPY = {
    "a million dimensions": text(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1, " * 1_000_000 + ")}") + b"abcd"),
    "huge shape": text(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9)}") + b"abcd"),
    "deep": text(npy("{'shape': " + "(" * 60_000)),
}


def protobuf(number, payload):
    size, out = len(payload), bytes([number << 3 | 2])
    while size >= 0x80:
        out, size = out + bytes([size & 0x7f | 0x80]), size >> 7
    return out + bytes([size]) + payload


def pieces(entries):
    return b"".join(protobuf(1, protobuf(1, p) + b"\x15" + struct.pack("<f", s) + b"\x18" + bytes([t])) for p, s, t in entries)


BASE = [(b"<pad>", 0.0, 3), (b"</s>", 0.0, 3), (b"<unk>", 0.0, 2), (b"a", -1.0, 1)]
SPIECE = {
    "no pieces": text(protobuf(2, b"")),
    "unknown type": text(pieces(BASE + [(b"b", -1.0, 99)])),
    "scores not finite": text(pieces(BASE + [(b"b", float("nan"), 1), (b"c", float("inf"), 1)])),
    "same piece twice": text(pieces(BASE + [(b"a", -1.0, 1)])),
    "huge length": text(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
    "empty piece": text(pieces(BASE + [(b"", -1.0, 1)])),
    "damaged normalizer": text(pieces(BASE) + protobuf(3, protobuf(2, b"\xff" * 64))),
    "normalizer of a huge size": text(pieces(BASE) + protobuf(3, protobuf(2, b"\xff\xff\xff\x7f" + b"\1" * 60))),
    "piece of a million letters": text(pieces(BASE + [(b"a" * 1_000_000, -1.0, 1)])),
    "cut off": lambda path: path.write_bytes((nano / "spiece.model").read_bytes()[:100_001]),
}
TORCH = {
    "zip without end": text(b"PK\x03\x04" + b"\0" * 64),
    "huge zip64": text(b"PK\x06\x06" + struct.pack("<Q", 1 << 62) + b"\xff" * 64 + b"PK\x05\x06" + b"\xff" * 18),
    "pickle that calls": text(b"\x80\x02cposix\nsystem\nX\x02\0\0\0id\x85R."),
}


def packed(write, compressed_of):
    def make(path):
        with gzip.open(path, "wb", compresslevel=6) as file:
            for block in compressed_of:
                file.write(block)
    return make


def bomb(path):  # one line of 3 GB; a megabyte of it is packed once
    block = gzip.compress(b"a" * (64 << 20), 6)
    path.write_bytes(block * 48)


ROWS = {
    ".csv": {"a hundred million commas": text("a,b\n" + "," * 100_000_000), "open quote": text('a,b\n"' + "x\n" * 20_000_000),
             "long line": text("a" * 100_000_000), "many columns": text(",".join(f"c{i}" for i in range(300_000)) + "\n" + "1," * 300_000),
             "NUL in a name": text("a\0b,mood\nx,good\n"), "escape": text("text,mood\n\x1b[31mx,\x1b[2Jgood\n" * 9)},
    ".tsv": {"UTF-16": text("text\tmood\nx\tgood\n".encode("utf-16"))},
    ".jsonl": {"deep lists": text("[" * 60_000 + "\n"), "deep in a row": text('{"text": ' + "[" * 60_000 + "]" * 60_000 + "}\n"),
               "1e999": text('{"text": 1e999, "mood": "good"}\n' * 9), "long line": text('{"text": "' + "a" * 100_000_000 + '"}\n')},
    ".json": {"deep lists": text("[" * 60_000), "deep maps": text('{"a":' * 60_000), "1e999": text('[{"text": 1e999}]'),
              "long text": text('[{"text": "' + "a" * 100_000_000 + '"}]')},
    ".csv.gz": {"one line of 3 GB": bomb, "cut off": text(gzip.compress(b"a,b\n" * 1000)[:-20]), "not gzip": text("a,b\n1,2\n")},
    ".jsonl.gz": {"one line of 3 GB": bomb},
    ".parquet": {"cut off": text(b"PAR1" + b"\0" * 64 + b"PAR1"), "huge footer": text(b"PAR1" + b"\0" * 64 + b"\xff\xff\xff\x7fPAR1")},
}
PREDICTIONS = {k: v for k, v in ROWS[".jsonl"].items()} | {
    "label beyond 64 bits": text('{"prediction": "a", "target": "a", "label": 18446744073709551615}\n'),
    "90 MB of short lines": text('{"prediction":"a","target":"a"}\n' * 2_900_000)}
LABELLED = {"huge number": text('{"id": 99999999999999999999999}')}


# Places: a command around a hostile file. ----------------------------------------------------------------------------
def model_with(folder, name):
    """A model's folder in which one file is the hostile one."""
    folder.mkdir()
    for file in nano.iterdir():
        if file.name != name and not (name.startswith(("model.", "pytorch")) and file.name.startswith("model.")):
            (folder / file.name).symlink_to(file)
    return folder / name


def forward(backbone, *more):
    return ["forward", "--backbone", backbone, "--output", "out.safetensors", *more]


def task_of(folder, ending):
    (folder / "task.yaml").write_text(f"name: t\nsummary: a test\nsource: rows{ending}\ninput: \"{{text}}\"\ntarget: \"{{mood}}\"\n"
                                      "labels: [bad, good]\nmetrics: [accuracy]\nsplit: {validation: 2, test: 2}\n")
    return folder / f"rows{ending}"


def adapter_with(folder, name, like):
    folder.mkdir()
    for file in (corpus / "companions" / like).iterdir():
        if file.name != name:
            shutil.copy(file, folder)
    return folder / name


def run_with(folder, name):
    """A run's folder, copied from one that this test made, in which one file is the hostile one."""
    shutil.copytree(made_run(), folder / "run")
    target = folder / "run" / name
    if target.exists():
        target.unlink()
    return target


_run = None


def made_run():
    return _run


def make_run(scratch):
    global _run
    folder = scratch / "made"
    folder.mkdir()
    task_of(folder, ".jsonl").write_text("".join(
        json.dumps({"text": f"{'bright' if i % 2 else 'dull'} film {i}", "mood": "good" if i % 2 else "bad"}) + "\n" for i in range(16)))
    done = subprocess.run([program, "--method", "prompt_tuning", "--task", folder / "task.yaml", "--backbone", "t5-nano-lm", "--steps", "1",
                           "--set", "length=2", "--set", "train.batch_size=2", "--threads", "1", "--out", folder / "runs"],
                          env=environment(folder), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit("the run that other cases start from failed:\n" + done.stderr)
    _run = next(p for p in (folder / "runs").iterdir() if (p / "record.json").exists())


IDS = '[[5, 6, 1], [7, 1]]'


def places(folder):
    """name, hostile path, command, kinds of files."""
    method = ["--method", "prompt_tuning", "--dry-run", "--backbone", "t5-nano-lm"]
    yield "settings", lambda: folder / "f.yaml", [*method, "--config", "f.yaml"], YAML
    yield "suite", lambda: folder / "f.yaml", ["suite", "f.yaml", "--dry-run"], YAML
    yield "task", lambda: folder / "f.yaml", ["tasks", "f.yaml"], YAML
    yield "pretrain", lambda: folder / "f.yaml", ["pretrain", "f.yaml", "--show", "1"], YAML | {
        "endless length": text("summary: x\nmodel: {from: t5-nano-span}\ntext: {here.txt: 1}\nobjectives: {span_corruption: 1}\n"
                               "lengths: {inputs: 9223372036854775807}\ntrain: {steps: 1}\n")}
    for ending, kinds in ROWS.items():
        yield "rows" + ending, lambda e=ending: task_of(folder, e), ["tasks", "task.yaml", "--examples", "1"], kinds
    for ending in (".csv", ".jsonl"):
        yield "predict" + ending, lambda e=ending: folder / ("f" + e), ["predict", made_run(), "f" + ending], ROWS[ending]
    yield "label words", lambda: folder / "f", ["score", "f", "--metrics", "accuracy", "--labels", "a,b"], PREDICTIONS
    yield "predictions", lambda: folder / "f", ["score", "f", "--metrics", "exact_match"], PREDICTIONS
    for name, kinds in (("config.json", JSON), ("generation_config.json", JSON), ("model.safetensors", SAFETENSORS),
                        ("model.safetensors.index.json", JSON), ("pytorch_model.bin", TORCH),
                        ("pytorch_model.bin.index.json", JSON)):
        yield name, lambda n=name: model_with(folder / "m", n), forward(folder / "m", "--input-ids", "ids"), kinds
    for name in ("added_tokens.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.json"):
        yield name, lambda n=name: model_with(folder / "m", n), ["--method", "prompt_tuning", "--dry-run", "--backbone", folder / "m",
                                                                 "--task", made_run().parent.parent / "task.yaml"], JSON
    yield "spiece.model", lambda: model_with(folder / "m", "spiece.model"), [
        "--method", "prompt_tuning", "--backbone", folder / "m", "--task", made_run().parent.parent / "task.yaml", "--steps", "1",
        "--set", "length=2", "--set", "train.batch_size=2"], SPIECE
    yield "backbones", lambda: model_with(folder / "m", "config.json"), ["backbones", folder / "m"], JSON
    yield "ids", lambda: folder / "f", forward("t5-nano-lm", "--input-ids", "f"), JSON | LABELLED
    yield "labels", lambda: folder / "f", forward("t5-nano-lm", "--input-ids", "ids", "--labels", "f"), JSON
    yield "groups", lambda: folder / "f", forward("t5-nano-lm", "--input-ids", "ids", "--groups", "f", "--adapter",
                                                  made_run()), JSON
    for like, name, kinds in (("ours", "adapter.json", JSON), ("ours", "adapter.safetensors", SAFETENSORS),
                              ("peft", "adapter_config.json", JSON), ("peft", "adapter_model.safetensors", SAFETENSORS),
                              ("peft", "adapter_model.bin", TORCH)):
        make = lambda lk=like, n=name: adapter_with(folder / "a", n, lk)
        yield "forward " + name, make, forward("t5-nano-lm", "--input-ids", "ids", "--adapter", folder / "a"), kinds
        if like == "peft":
            yield "import " + name, make, ["import", folder / "a", "--backbone", "t5-nano-lm"], kinds
    yield "adapter.npy", lambda: folder / "f.npy", ["import", "f.npy", "--backbone", "t5-nano-lm"], NPY
    yield "init npy", lambda: folder / "f.npy", [*method, "--init-from", "f.npy"], NPY
    yield "init", lambda: folder / "f.safetensors", [*method, "--init-from", "f.safetensors"], SAFETENSORS
    for command in (["report", folder], ["eval", folder / "run"], ["forgetting", folder / "run"], ["ensemble", folder / "run"],
                    ["neighbors", folder / "run"], ["export", folder / "run", folder / "e", "--format", "huggingface"]):
        yield command[0], lambda: run_with(folder, "record.json"), command, JSON
    yield "neighbors adapter", lambda: run_with(folder, "adapter/adapter.safetensors"), ["neighbors", folder / "run"], SAFETENSORS
    yield "eval adapter", lambda: run_with(folder, "adapter/adapter.json"), ["eval", folder / "run"], JSON
    yield "forgetting text", lambda: folder / "f.txt", ["forgetting", made_run(), "--text", "f.txt", "--examples", "2"], {
        "long line": text("a" * 30_000_000)}
    yield "suite.json", lambda: (folder / "s.suite").mkdir() or folder / "s.suite/suite.json", ["report", folder, "--suite", "s"], JSON
    yield "vocab", lambda: folder / "f.jsonl", ["vocab", "f.jsonl", "--size", "100", "--out", "v.model"], ROWS[".jsonl"]
    yield "vocab txt", lambda: folder / "f.txt", ["vocab", "f.txt", "--size", "100", "--out", "v.model"], {}
    yield "plugin", lambda: folder / "f.so", ["--method", "./f.so", "--dry-run"], {
        "cut off": lambda path: path.write_bytes(next(root_plugins().glob("*.so")).read_bytes()[:20_000])}
    yield "catalogue", lambda: home_with(folder / "home"), ["backbones"], YAML
    yield "defaults", lambda: home_with(folder / "home", "configs/defaults.yaml"), ["params", "--method", "prompt_tuning"], YAML


def root_plugins():
    return program.parent.parent / "lib/peftbench/plugins"


def home_with(home, name="configs/backbones/t5-test.yaml"):
    shutil.copytree(root / "configs", home / "configs")
    (home / "assets").symlink_to(root / "assets")
    target = home / name
    target.unlink(missing_ok=True)
    return target


def environment(folder):
    home = folder / "home" if (folder / "home").exists() else root
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "PEFTBENCH_HOME": str(home), "PEFTBENCH_DATA": str(folder / "data"),
            "OMP_NUM_THREADS": "1", "TMPDIR": str(folder), "LC_ALL": "C.UTF-8", "HF_HUB_OFFLINE": "1"}


def limits():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (6 * SECONDS, 6 * SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))


def run(folder, command):
    """status, seconds of the processor, resident peak, output."""
    with open(folder / "stdout", "wb") as out, open(folder / "stderr", "wb") as err:
        child = subprocess.Popen([str(w) for w in (program, *command)], cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL,
                                 stdout=out, stderr=err, preexec_fn=limits, start_new_session=True)
    end = time.monotonic() + WALL
    while True:
        done, status, usage = os.wait4(child.pid, os.WNOHANG)
        if done:
            break
        if time.monotonic() > end:
            os.killpg(child.pid, signal.SIGKILL)
            _, status, usage = os.wait4(child.pid, 0)
            status = "no end"
            break
        time.sleep(0.005)
    child.returncode = 0  # waited for above
    if status != "no end":
        status = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    read = lambda name: (folder / name).read_bytes()[:200_000].decode("utf-8", "surrogateescape")
    return status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10, read("stdout"), read("stderr")


def faults_of(size, status, seconds, peak, out, err):
    if status == "no end":
        yield f"does not end within {WALL} s"
    elif status not in (0, 2):
        yield f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
    if seconds > SECONDS + size / BYTES_A_SECOND:
        yield f"{seconds:.1f} s of the processor"
    if peak > BYTES:
        yield f"{peak / 1e9:.2f} GB"
    if found := RAW.search(err) or RAW.search(out):
        yield f"{found.group(0)!r} in what it says"
    if any("\udc80" <= c <= "\udcff" for c in err + out):
        yield "bytes that are not UTF-8 in what it says"
    if status not in (0, "no end") and not re.search(r"^peft-bench: ", err, re.M):
        yield "no message of its own"


def check(case):
    place, kind = case
    with tempfile.TemporaryDirectory(dir=scratch_root, ignore_cleanup_errors=True) as name:
        folder = pathlib.Path(name)
        (folder / "ids").write_text(IDS)
        (folder / "here.txt").write_text("The whale sank the ship. " * 50)
        _, where, command, kinds = next(p for p in places(folder) if p[0] == place)
        path = where()
        (kinds | ANYWHERE if kind not in kinds else kinds)[kind](path)
        size = path.stat().st_size if path.is_file() else 0
        result = run(folder, command)
        return place, kind, list(faults_of(size, *result)), result


def main():
    global scratch_root
    with tempfile.TemporaryDirectory(prefix="peftbench-hostile-", ignore_cleanup_errors=True) as name:
        scratch_root = pathlib.Path(name)
        make_run(scratch_root)
        cases = []
        for turn, (place, _, _, kinds) in enumerate(places(scratch_root / "none")):
            for at, kind in enumerate({**ANYWHERE, **kinds}):
                shared = kind in ANYWHERE or kinds is JSON or kinds is YAML or kinds is SAFETENSORS
                if not everything and shared and (turn + at) % 3:
                    continue
                if all(word in f"{place}: {kind}" for word in words):
                    cases.append((place, kind))
        begun, failed = time.monotonic(), 0
        with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("PEFTBENCH_HOSTILE_JOBS", os.cpu_count() or 1))) as pool:
            for place, kind, faults, (status, seconds, peak, out, err) in pool.map(check, cases):
                if words:
                    print(f"{place}: {kind}: status {status}, {seconds:.2f} s, {peak / 1e6:.0f} MB\n{err[:1500]}")
                if not faults:
                    continue
                failed += 1
                print(f"FAILED {place}: {kind}: {'; '.join(faults)}\n    {err[:400]!a}", flush=True)
        print(f"{len(cases)} hostile files, {failed} of them not survived, {time.monotonic() - begun:.0f} s")
    return failed > 0 or not cases


if __name__ == "__main__":
    sys.exit(main())
