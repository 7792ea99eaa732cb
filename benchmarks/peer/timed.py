"""The times of steps, and the peak of the process's memory, as benchmarks/speed reads them."""
import json
import time


def peak_mib():
    """Of this process alone: what wait4 tells its parent has the compilers in it that torch.compile starts."""
    for line in open("/proc/self/status", encoding="ascii"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0


def print_times(step, steps, context):
    ms, cpu_ms = [], []
    for repetition in range(steps + 1):
        start, cpu = time.perf_counter(), time.process_time()
        step()
        if repetition:  # the first warms up
            ms.append((time.perf_counter() - start) * 1e3)
            cpu_ms.append((time.process_time() - cpu) * 1e3)
    print(json.dumps({"ms": ms, "cpu_ms": cpu_ms, "peak_MiB": peak_mib(), "context": context}))
