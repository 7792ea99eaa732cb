"""`export --format eee`, validated against the schema of the Every Eval Ever project where set-up could fetch it
(schemas.txt); the numbers are those of the record."""

import hashlib
import importlib.util
import json
import sys
from pathlib import Path

import jsonschema

import other_tools
import support

SCHEMA = "c9c6195aec8a9dfa0b2aba4924ac1aa8a184c9d8ca97cee778cb531088e39b48"  # SHA-256, of version 0.3.0


def schema():
    package = importlib.util.find_spec("every_eval_ever")  # not imported: what it requires is not here
    if package is None or not package.submodule_search_locations:
        return None
    file = Path(package.submodule_search_locations[0]) / "schemas" / "eval.schema.json"
    text = file.read_bytes()
    if hashlib.sha256(text).hexdigest() != SCHEMA:
        raise SystemExit(f"{file} is another schema than that of version 0.3.0")
    return json.loads(text)


def main():
    options = support.arguments()
    found = schema()
    if found is None:
        print("skipped: no schema of Every Eval Ever here (./run-tests fetches it: tests/parity/schemas.txt)")
        sys.exit(77)
    checks = support.Checks()
    with support.scratch(options) as name:
        folder = Path(name)
        run, record = other_tools.run(options, folder)
        file = folder / "run.json"
        support.run(options.program, "export", run, file, "--format", "eee")
        exported = json.loads(file.read_text())
        validator = jsonschema.Draft7Validator(found)
        checks.equal("valid", [fault.message for fault in validator.iter_errors(exported)], [])
        checks.equal("version", exported["schema_version"], found["version"])
        scores = {(result["evaluation_name"], result["metric_config"]["metric_id"]): result["score_details"]["score"]
                  for result in exported["evaluation_results"]}
        checks.equal("scores", scores, {(record["task"]["name"], metric["name"]): metric["value"]
                                        for metric in record["metrics"] if metric["value"] is not None})
        support.run(options.program, "export", run, folder / "again.json", "--format", "eee")
        checks.true("the same record gives the same bytes", (folder / "again.json").read_bytes() == file.read_bytes())
        exported["evaluation_results"][0]["score_details"].pop("score")
        checks.true("the schema finds faults", not validator.is_valid(exported))
    checks.finish()


if __name__ == "__main__":
    main()
