"""benchmarks/speed with stubs in place of our program and its peers: order, file, table, failures and exponents.

    speed_test.py SOURCE
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from xml.etree import ElementTree

source = pathlib.Path(sys.argv.pop(1)).resolve()
sys.dont_write_bytecode = True

# Ours takes 2 ms and one more with each repetition, the peers 6; with growth as many ms as the input has tokens.
OURS = """#!{python}
import json, os, sys
task = json.load(open(sys.argv[1]))
steps = int(sys.argv[2].split("=")[1])
open(os.environ["CALLS"], "a").write(task["work"] + " " + task["backend"] + "\\n")
if task["backend"] == "fast" and os.environ.get("BROKEN"):
    sys.exit("the fast one is broken")
names = ["products/plain", "products/packed"] if task["work"] == "products" else [task["work"]]
first = len(task["inputs"][0]) if os.environ.get("GROWS") else 2
print(json.dumps({{"context": {{"libtorch": "2", "commit": "abc", "num_cpus": 2, "host_name": "secret"}}, "benchmarks": [
    {{"run_name": name + "/iterations:1/real_time", "run_type": "iteration", "real_time": first + step, "cpu_time": 3,
     "GFLOP/s": 100 + i * 100, "peak_MiB": 50}} for i, name in enumerate(names) for step in range(steps)]}}))
"""
PEER = """#!{python}
import json, os, sys
task = json.load(open(sys.argv[2]))
open(os.environ["CALLS"], "a").write("peer " + task["precision"] + " " + str(task.get("dropout")) + " " +
                                     os.environ.get("MALLOC_TOP_PAD_", "-") + " " + str(sys.argv[4:]) + "\\n")
print(json.dumps({{"ms": [6, 7, 5], "cpu_ms": [1], "peak_MiB": 400, "context": {{"transformers": "5"}}}}))
"""


class SpeedTest(unittest.TestCase):
    def setUp(self):
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.folder = pathlib.Path(made.name)
        for name, text in (("ours", OURS), ("peer", PEER)):
            path = self.folder / name
            path.write_text(text.format(python=sys.executable))
            path.chmod(0o755)

    def run_speed(self, *words, status=0, **environment):
        environment = dict(os.environ, PEFTBENCH_TRAINING_STEP=str(self.folder / "ours"),
                           CALLS=str(self.folder / "calls"), PEFTBENCH_PEER_PYTHON=str(self.folder / "peer"),
                           PYTHONDONTWRITEBYTECODE="1", **environment)
        run = subprocess.run([source / "benchmarks/speed", *words], env=environment, capture_output=True, text=True)
        self.assertEqual(run.returncode, status, run.stderr)
        return run.stdout

    def test_the_programs_take_turns(self):
        self.run_speed("--rounds", "2", "--peers", "as_it_comes,tuned,compiled")
        one = ["products reference", "training_step reference", "training_step fast", "peer float32 0.1 - []",
               "peer float32 0.0 67108864 []", "peer float32 0.0 67108864 ['compiled']"]
        self.assertEqual((self.folder / "calls").read_text().splitlines(), one * 2)

    def test_the_table_and_its_file(self):
        file = self.folder / "out.json"
        table = self.run_speed("--rounds", "2", "--out", str(file))
        self.assertIn("even text, float32, cpu; products here: plain 100, packed 200 GFLOP/s", table)
        line = next(line for line in table.splitlines() if line.startswith("peft-bench, fast, dropout 0.1"))
        self.assertEqual([cell.strip() for cell in line.split("  ") if cell][1:],
                         ["3.0 (3.0–3.0)", "100", "50%", "50", "2.00", "2.00"])
        self.assertEqual(self.run_speed("--show", str(file)), table)
        written = json.loads(file.read_text())
        self.assertEqual(written["context"]["transformers"], "5")
        self.assertNotIn("secret", file.read_text())
        fast = [run for run in written["benchmarks"] if "backend:fast" in run["name"]]
        self.assertEqual([run["run_type"] for run in fast], ["iteration"] * 2 + ["aggregate"] * 5)
        self.assertEqual([run["repetition_index"] for run in fast[:2]], [0, 1])
        self.assertEqual(fast[2]["name"], fast[0]["name"] + "_median")
        self.assertEqual((fast[2]["real_time"], fast[2]["time_unit"], fast[2]["aggregate_name"]), (3, "ms", "median"))

    def test_int8_has_the_peer_in_float32(self):
        table = self.run_speed("--rounds", "1", "--precision", "int8", "--peers", "tuned")
        self.assertIn("transformers has no int8 for this: it is shown in float32, as it comes", table)
        self.assertIn("vs as it comes", table)
        self.assertIn("peer float32 0.1 - []", (self.folder / "calls").read_text())

    def test_a_failure_is_a_row(self):
        file = self.folder / "out.json"
        table = self.run_speed("--rounds", "2", "--out", str(file), status=1, BROKEN="1")
        self.assertIn("failed: the fast one is broken", table)
        self.assertEqual((self.folder / "calls").read_text().count("fast"), 1)
        broken = [run for run in json.loads(file.read_text())["benchmarks"] if run.get("error_occurred")]
        self.assertEqual([run["error_message"] for run in broken], ["the fast one is broken"])

    def test_growth_has_its_exponents(self):
        figure = self.folder / "growth.svg"
        out = self.run_speed("--growth", "--rounds", "1", "--steps", "1", "--backend", "fast", "--figure", str(figure),
                             GROWS="1")
        lines = out.splitlines()
        tokens = lines.index(next(line for line in lines if line.startswith("tokens ")))
        self.assertEqual(lines[tokens].split(), ["tokens", "32", "64", "128", "256", "512", "exponent", "last", "half"])
        self.assertEqual(lines[tokens + 1].split(), "peft-bench, fast 32 64 128 256 512 1.00 1.00".split())
        self.assertEqual(lines[tokens + 2].split()[-2:], ["0.00", "0.00"])
        panels = ElementTree.parse(figure).getroot().findall("{http://www.w3.org/2000/svg}g")
        self.assertEqual(len(panels), 5)

    def test_what_is_wrong_is_said(self):
        self.run_speed("--method", "lore", status=2)
        self.run_speed("--growth", "--method", "greedy", status=2)
        self.run_speed("--show", str(self.folder / "ours"), status=1)


unittest.main()
