"""Event files as TensorBoard itself reads them: each scalar is the number of log.jsonl, each step is there once, also
after a run was continued, and in the files of runs that finished before."""

import json
import math
import shutil
import struct
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import other_tools
import support


def single(value):
    """As a float of 32 bits has it."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def expected(log):
    """{tag: [(step, value), …]} of a log."""
    found = {}
    for line in map(json.loads, log.read_text().splitlines()):
        if line["event"] == "step":
            scalars = {f"train/{key}": line[key] for key in ("loss", "learning_rate", "gradient_norm")}
        elif line["event"] == "evaluation":
            scalars = {f"validation/{key}": line[key] for key in ("loss", "illegal_rate")}
            scalars |= {f"validation/{metric['name']}": metric["value"] for metric in line["metrics"]}
        else:
            continue
        for tag, value in scalars.items():
            if value is not None and math.isfinite(value):
                found.setdefault(tag, []).append((line["step"], single(value)))
    return found


def read(folder):
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def main():
    options = support.arguments()
    checks = support.Checks()
    with support.scratch(options) as name:
        folder = Path(name)
        plain, record = other_tools.run(options, folder)
        checks.true("without the setting there is no event file", not list(plain.glob("*tfevents*")))
        log = expected(plain / "log.jsonl")
        checks.true("the log has losses, rates and metrics", {"train/loss", "train/learning_rate", "train/gradient_norm",
                                                              "validation/loss", "validation/accuracy"} <= log.keys())
        support.run(options.program, "export", plain, folder / "exported", "--format", "tensorboard")
        checks.equal("export: each scalar is the log's", read(folder / "exported"), log)

        again, same = other_tools.run(options, folder, "log.tensorboard=true")
        checks.equal("the setting is not part of the run's identity", same["id"], record["id"])
        checks.equal("a run that had finished: each scalar is the log's", read(again), log)

        shutil.rmtree(plain)
        live, trained = other_tools.run(options, folder, "log.tensorboard=true")
        checks.equal("written while training: each scalar is the log's", read(live), expected(live / "log.jsonl"))
        checks.equal("the score is the same", trained["metrics"], record["metrics"])
        checks.equal("the adapter is the same", trained["adapter_hash"], record["adapter_hash"])

        # Killed after the last step: its record is not there yet, and the file holds half of a record.
        (live / "record.json").unlink()
        (events,) = live.glob("*tfevents*")
        events.write_bytes(events.read_bytes()[:-7])
        other_tools.run(options, folder, "log.tensorboard=true")
        checks.equal("a run that was continued: each step once", read(live), expected(live / "log.jsonl"))
    checks.finish()


if __name__ == "__main__":
    main()
