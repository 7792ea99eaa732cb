"""What the tests of T5's formats share: the program's examples of a task, and their comparison with other ones."""

import json
import os
import subprocess


def described(program, task, data, examples=1_000_000):
    """The program's description with so many examples of each split; nothing where its build reads no parquet."""
    environment = {**os.environ, "HF_HUB_CACHE": str(data / "none"), "HF_HOME": str(data / "none"),
                   "XDG_CACHE_HOME": str(data / "none")}
    result = subprocess.run([program, "tasks", task, "--data", data, "--examples", str(examples), "--json"],
                            capture_output=True, text=True, env=environment)
    if result.returncode != 0 and "cannot read parquet" in result.stdout + result.stderr:
        return None
    if result.returncode != 0:
        raise SystemExit(f"peft-bench ended with {result.returncode}: {result.stdout[-2000:]}{result.stderr[-2000:]}")
    return json.loads(result.stdout)


def without_origin(examples):
    return [{key: value for key, value in example.items() if key != "origin"} for example in examples]


def difference(ours, theirs):
    """Where two lists of examples differ first; nothing where they are equal."""
    for place, (own, other) in enumerate(zip(ours, theirs)):
        for key in other:
            if own[key] != other[key]:
                return f"example {place}, {key}:\n  ours   {own[key]!r}\n  theirs {other[key]!r}"
    return f"{len(ours)} examples, not {len(theirs)}" if len(ours) != len(theirs) else None
