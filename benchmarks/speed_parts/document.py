"""Results as a file in the schema of Google Benchmark: one entry a round, and aggregates over the rounds."""
import datetime
import json
import os
import pathlib
import statistics
import sys

FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_bf16", "amx_int8")
VALUES = ("real_time", "cpu_time", "GFLOP/s", "peak_MiB")
STATISTICS = {"median": statistics.median, "mean": statistics.mean, "min": min, "max": max,
              "stddev": lambda values: statistics.stdev(values) if len(values) > 1 else 0.0}


def name_of(program, **keys):
    """What is measured, as Google Benchmark names it: program/key:value/…"""
    return "/".join([program, *(f"{key}:{value}" for key, value in keys.items())])


def parse_name(name):
    program, *keys = name.split("/")
    return program, dict(key.split(":", 1) for key in keys)


def machine():
    context = {"date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), "load_avg": os.getloadavg()}
    known = {}
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        known.setdefault(key.strip(), value.strip())
    present = known.get("flags", "").split()
    context["cpu_model"] = known.get("model name", "unknown")
    context["cpu_flags"] = " ".join(flag for flag in FLAGS if flag in present)
    context["memory_MiB"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return context


class Document:
    def __init__(self, context, entries=()):
        self.context, self.entries = context, list(entries)

    def add(self, name, index, rounds, steps, result):
        entry = self._entry(name, index, rounds)
        entry.update(iterations=steps, real_time=result.median(), cpu_time=statistics.median(result.cpu_ms),
                     time_unit="ms", peak_MiB=result.peak_mib)
        if result.gflops:
            entry["GFLOP/s"] = statistics.median(result.gflops)
        self.entries.append(entry)

    def add_failure(self, name, index, rounds, message):
        self.entries.append(dict(self._entry(name, index, rounds), error_occurred=True, error_message=message,
                                 iterations=0, real_time=0.0, cpu_time=0.0, time_unit="ms"))

    def _entry(self, name, index, rounds):
        families = list(dict.fromkeys(entry["run_name"] for entry in self.entries))
        family = families.index(name) if name in families else len(families)
        return {"name": name, "family_index": family, "per_family_instance_index": 0, "run_name": name,
                "run_type": "iteration", "repetitions": rounds, "repetition_index": index, "threads": 1}

    def names(self):
        return list(dict.fromkeys(entry["run_name"] for entry in self.entries))

    def values(self, name, key="real_time"):
        """Of each round that did not fail."""
        return [entry[key] for entry in self.entries
                if entry["run_name"] == name and key in entry and not entry.get("error_occurred")]

    def median(self, name, key="real_time"):
        values = self.values(name, key)
        return statistics.median(values) if values else None

    def failure(self, name):
        return next((entry["error_message"] for entry in self.entries
                     if entry["run_name"] == name and entry.get("error_occurred")), None)

    def _aggregates(self, name):
        first = next(entry for entry in self.entries if entry["run_name"] == name)
        common = {key: first[key] for key in ("family_index", "per_family_instance_index", "repetitions", "threads")}
        for statistic, of in STATISTICS.items():
            values = {key: of(self.values(name, key)) for key in VALUES if self.values(name, key)}
            if values:
                yield {"name": f"{name}_{statistic}", "run_name": name, "run_type": "aggregate", **common,
                       "aggregate_name": statistic, "aggregate_unit": "time", "iterations": len(self.values(name)),
                       "time_unit": "ms", **values}

    def write(self, path):
        benchmarks = [made for name in self.names() for made in
                      (*(entry for entry in self.entries if entry["run_name"] == name), *self._aggregates(name))]
        text = json.dumps({"context": self.context, "benchmarks": benchmarks}, indent=1, ensure_ascii=False)
        pathlib.Path(path).write_text(text + "\n", encoding="utf-8")

    @staticmethod
    def read(path):
        try:
            read = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
            return Document(read["context"], [run for run in read["benchmarks"] if run["run_type"] == "iteration"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            sys.exit(f"speed: this file cannot be shown: {path}\n  found:    {type(error).__name__}: {error}\n"
                     f"  expected: what benchmarks/speed --out writes\n  fix:      name such a file")
