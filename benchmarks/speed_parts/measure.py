"""Runs jobs in turn, round by round, into a Document."""
import dataclasses
import sys
import tempfile
import time

from speed_parts import tasks
from speed_parts.document import Document, machine, name_of
from speed_parts.programs import OURS, PEERS, Failed, Programs
from speed_parts.table import WITH_INT8, peer_case


@dataclasses.dataclass
class Job:
    name: str
    program: str
    task: dict


def ours(method, sizes, backend, dropout, keys):
    keys = dict(keys, backend=backend)
    if method in tasks.TRAINED:
        keys["dropout"] = f"{dropout:g}"
    task = tasks.task(method, sizes, keys["text"], keys["precision"], backend, keys["device"], dropout)
    return Job(name_of(OURS, **keys), OURS, task)


def peer(method, sizes, program, keys):
    """None where there is no such peer."""
    if program == "ctranslate2" and (method != "greedy" or keys["precision"] == "bfloat16" or keys["device"] != "cpu"):
        return None
    if keys["precision"] == "int8" and program not in WITH_INT8:
        program = "as_it_comes"
    keys = peer_case(program, keys)
    task = tasks.task(method, sizes, keys["text"], keys["precision"], device=keys["device"],
                      dropout=PEERS[program].dropout)
    return Job(name_of(program, **keys), program, task)


def table_jobs(options):
    """Of all combinations of what was asked for; each once."""
    jobs = {}

    def add(job):
        if job:
            jobs.setdefault(job.name, job)

    sizes = tasks.Sizes(tasks.SHAPES[options.shape])
    for precision in options.precision:
        where = {"shape": options.shape, "precision": precision, "device": options.device}
        add(Job(name_of("products", **where), "products", tasks.products(sizes, precision, options.device)))
        for method in options.method:
            for text in options.text:
                keys = {"method": method, "text": text, **where}
                for backend in options.backend:
                    for dropout in options.dropout:
                        add(ours(method, sizes, backend, dropout, keys))
                for program in options.peers:
                    add(peer(method, sizes, program, keys))
    return list(jobs.values())


def say(text):
    print(text, end="", file=sys.stderr, flush=True)


def measure(jobs, options):
    """The Document of what was measured; after Ctrl-C of what there is until then."""
    document = Document(machine())
    failed = set()
    with tempfile.TemporaryDirectory() as folder:
        programs = Programs(folder, options.threads, options.steps)
        programs.set_up({job.program for job in jobs} & set(PEERS))
        files = {job.name: programs.file_of(job.name, job.task) for job in jobs}
        try:
            for index in range(options.rounds):
                for number, job in enumerate(jobs, 1):
                    if job.name in failed:
                        continue
                    say(f"round {index + 1}/{options.rounds}, {number}/{len(jobs)}: {job.name} … ")
                    start = time.monotonic()
                    try:
                        for by, result in programs.run(job.program, files[job.name]).items():
                            name = job.name + (f"/by:{by.partition('/')[2]}" if job.program == "products" else "")
                            document.add(name, index, options.rounds, options.steps, result)
                            say(f"{result.median():.1f} ms ")
                        say(f"({time.monotonic() - start:.0f} s)\n")
                    except Failed as failure:
                        failed.add(job.name)
                        document.add_failure(job.name, index, options.rounds, str(failure))
                        say(f"failed: {failure}\n")
        except KeyboardInterrupt:
            say("stopped\n")
        document.context = {**programs.context, **document.context, "executable": "benchmarks/speed",
                            "threads": options.threads, "rounds": options.rounds, "steps": options.steps}
    return document


def write_commands(jobs, options, folder):
    """The tasks as files, and the commands that would measure them."""
    programs = Programs(folder, options.threads, options.steps)
    programs.folder.mkdir(parents=True, exist_ok=True)
    for job in jobs:
        command, before, environment = programs.command(job.program, programs.file_of(job.name, job.task))
        for words in (before, command):
            if words:
                print(*(f"{key}={value}" for key, value in environment.items()), *words)
