"""The programs that are measured: ours and its peers. Each run is a process of its own."""
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent.parent

# glibc gives large blocks back to the system, and each page of the next one costs a fault.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(4 << 30), "MALLOC_TRIM_THRESHOLD_": str(4 << 30),
          "MALLOC_TOP_PAD_": str(64 << 20)}
OURS = "peft-bench"


@dataclasses.dataclass(frozen=True)
class Peer:
    title: str
    dropout: float = 0.0
    malloc: bool = True  # tuned
    compiled: bool = False


PEERS = {
    "as_it_comes": Peer("as it comes", dropout=0.1, malloc=False),
    "tuned": Peer("tuned"),
    "compiled": Peer("compiled", compiled=True),
    "ctranslate2": Peer("CTranslate2", malloc=False),
}


class Failed(Exception):
    pass


@dataclasses.dataclass
class Result:
    ms: list  # of each step
    cpu_ms: list
    peak_mib: float
    gflops: list = dataclasses.field(default_factory=list)  # a second

    def median(self):
        return statistics.median(self.ms)


class Programs:
    """Where the programs are, and how they are run. `folder` holds tasks and converted models."""

    def __init__(self, folder, threads, steps):
        self.folder, self.steps, self.threads = pathlib.Path(folder), steps, threads
        self.program = pathlib.Path(os.environ.get("PEFTBENCH_TRAINING_STEP") or self.build() / "bin/training_step")
        self.python = self.peer_python()
        self.ctranslate2 = pathlib.Path(os.environ.get("PEFTBENCH_CTRANSLATE2_PYTHON") or
                                        root / ".deps/ctranslate2/bin/python")
        self.context = {}  # what the programs say of the machine and of themselves

    @staticmethod
    def build():
        return pathlib.Path(os.environ.get("PEFTBENCH_BUILD_DIR") or root / "build")

    @staticmethod
    def peer_python():
        return pathlib.Path(os.environ.get("PEFTBENCH_PEER_PYTHON") or root / ".deps/peer/bin/python")

    def set_up(self, peers):
        """Builds ours and installs the peers, as ./peft-bench does; not where the environment names our program."""
        if not os.environ.get("PEFTBENCH_TRAINING_STEP"):
            wanted = {"PEFTBENCH_CTRANSLATE2": "on"} if "ctranslate2" in peers else {}
            status = subprocess.run([root / "tools/setup.sh", "benchmarks"], env=dict(os.environ, **wanted)).returncode
            if status:
                sys.exit(status)
        needed = [(self.program, "our program", "PEFTBENCH_TRAINING_STEP")]
        if peers - {"ctranslate2"}:
            needed.append((self.python, "the Python with transformers and peft", "PEFTBENCH_PEER_PYTHON"))
        if "ctranslate2" in peers:
            needed.append((self.ctranslate2, "the Python with CTranslate2", "PEFTBENCH_CTRANSLATE2_PYTHON"))
        for path, what, variable in needed:
            if not path.exists():
                sys.exit(f"speed: {what} is not there\n  found:    no file {path}\n  expected: what "
                         f"`PEFTBENCH_CTRANSLATE2=on tools/setup.sh benchmarks` makes\n"
                         f"  fix:      run that, or set {variable}, or choose other --peers")

    def file_of(self, name, task):
        path = self.folder / (name.replace("/", ",") + ".json")
        path.write_text(json.dumps(task))
        return path

    def command(self, program, file):
        """What measures a task, what must be run once before it, and the environment of both."""
        environment = {"OMP_NUM_THREADS": str(self.threads)}
        if program in (OURS, "products"):
            ours = [self.program, file, f"--benchmark_repetitions={self.steps}", "--benchmark_format=json"]
            return ours, None, environment
        if program == "ctranslate2":
            script, model = root / "benchmarks/peer/ctranslate2_greedy.py", file.with_suffix("")
            convert = [self.ctranslate2, script, file, model]
            return [*convert, str(self.steps), str(self.threads)], None if model.exists() else convert, environment
        peer = PEERS[program]
        if peer.malloc:
            environment.update(MALLOC)
        if peer.compiled:
            environment["TORCHINDUCTOR_CACHE_DIR"] = str(self.folder / "inductor")  # gone with the folder
        script = [self.python, root / "benchmarks/peer/training_step.py", file, str(self.steps)]
        return script + ["compiled"] * peer.compiled, None, environment

    def run(self, program, file):
        """The result of each benchmark of a process, by name."""
        command, before, environment = self.command(program, file)
        if before:
            self._output(before, environment)
        out = json.loads(self._output(command, environment))
        if program in (OURS, "products"):
            return self._of_google(out)
        self.context.update(out["context"])
        return {program: Result(out["ms"], out["cpu_ms"], out["peak_MiB"])}

    def _of_google(self, out):
        left_out = ("host_name", "executable", "date", "load_avg")
        self.context.update({key: value for key, value in out["context"].items() if key not in left_out})
        runs = {}
        for run in out["benchmarks"]:
            if run["run_type"] != "iteration":
                continue
            result = runs.setdefault(run["run_name"].split("/iterations:")[0], Result([], [], 0))
            result.ms.append(run["real_time"])
            result.cpu_ms.append(run["cpu_time"])
            result.gflops.append(run["GFLOP/s"])
            result.peak_mib = max(result.peak_mib, run["peak_MiB"])
        return runs

    @staticmethod
    def _output(command, environment):
        run = subprocess.run(command, env=dict(os.environ, **environment), capture_output=True, text=True)
        if run.returncode:
            lines = [line for line in run.stderr.splitlines() if line.strip()] or [f"exit status {run.returncode}"]
            raise Failed(lines[-1].strip()[:300])
        return run.stdout
