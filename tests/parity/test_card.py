"""Cards of adapters as huggingface_hub reads them: metadata, scores as its EvalResult, and the settings, which name the
run that they came from."""

import json
import re
from pathlib import Path

import yaml
from huggingface_hub import ModelCard, eval_result_entries_to_yaml, parse_eval_result_entries

import other_tools
import support


def check(checks, name, card, record, library):
    checks.equal(f"{name}: library", card.data.library_name, library)
    checks.equal(f"{name}: base model", card.data.base_model, record["backbone"]["name"])
    checks.true(f"{name}: no licence is claimed", card.data.license is None)
    scores = {(result.dataset_name, result.metric_type): result.metric_value for result in card.data.eval_results}
    checks.equal(f"{name}: scores", scores,
                 {(record["task"]["name"], metric["name"]): metric["value"] for metric in record["metrics"]
                  if metric["value"] is not None})


def main():
    options = support.arguments()
    checks = support.Checks()
    with support.scratch(options) as name:
        folder = Path(name)
        run, record = other_tools.run(options, folder)
        cards = {"adapter": ("peft-bench", run / "adapter"), "huggingface": ("peft", folder / "huggingface"),
                 "google": ("peft-bench", folder / "google")}
        for form, (library, place) in cards.items():
            if form != "adapter":
                support.run(options.program, "export", run, place, "--format", form)
            check(checks, form, ModelCard.load(place / "README.md"), record, library)
            checks.true(f"{form}: data of no hub have no results for it", not (place / ".eval_results").exists())

        # The settings in the card are those of the run.
        (settings,) = re.findall(r"^```yaml\n(.*?)^```$", (run / "adapter" / "README.md").read_text(), re.M | re.S)
        given = yaml.safe_load(settings)
        given["task"]["name"] = str(folder / "task" / "task.yaml")  # neither has a place of its own
        given["backbone"]["name"] = str(folder / "backbone")
        (folder / "run.yaml").write_text(json.dumps(given))
        same = json.loads(support.run(options.program, "--config", folder / "run.yaml", "--out", folder / "runs", "--json"))
        checks.equal("the settings name the same run", same["id"], record["id"])

        # What the hub would take, where a record's data are a data set of the hub.
        moved = folder / "runs" / "moved"
        moved.mkdir()
        (run / "adapter").rename(moved / "adapter")
        record["task"]["source"] = "/cache/datasets--org--some_data/snapshots/12ab/config/train/0000.parquet"
        (moved / "record.json").write_text(json.dumps(record))
        support.run(options.program, "export", moved, folder / "of-the-hub", "--format", "huggingface")
        entries = yaml.safe_load((folder / "of-the-hub" / ".eval_results" / "peft-bench.yaml").read_text())
        (entry,) = parse_eval_result_entries(entries)
        checks.equal("hub: data set", (entry.dataset_id, entry.task_id, entry.dataset_revision),
                     ("org/some_data", "config", "12ab"))
        checks.equal("hub: value and time", (entry.value, entry.date), (record["metrics"][0]["value"], record["ended"]))
        checks.equal("hub: as its own writer has it", eval_result_entries_to_yaml([entry]), entries)
        checks.equal("hub: the card names the data set", ModelCard.load(folder / "of-the-hub" / "README.md").data.datasets,
                     ["org/some_data"])
    checks.finish()


if __name__ == "__main__":
    main()
