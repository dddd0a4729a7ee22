"""Runs the finished program on the held-out sets and notes the figures of the card's table of bounds.

    python measure.py --program target/release/doorstep --data FOLDER [--without-clinc150 MODEL] [--without-hwu64 MODEL]

`MODEL` is a folder made by `make.py --without … --out MODEL`. Run `make.py --reuse` afterwards to write the card anew.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import data
from card import MEASURED

ROOT = Path(__file__).parent.parent


def write_csv(path: Path, header: list[str], rows: Iterable[Iterable[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


@dataclass
class Measuring:
    """What was run and what came of it."""

    program: Path
    folder: Path
    rows: list[dict] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def run(self, *arguments: str) -> dict:
        """One `doorstep eval intents`; the card shows the command without this run's folders."""
        command = [str(self.program), "eval", "intents", *arguments, "--json"]
        shown = " ".join(Path(part).name if "/" in part else part for part in command)
        if shown not in self.commands:
            self.commands.append(shown)
        print(shown, flush=True)
        result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        if result.returncode not in (0, 1) or not result.stdout.strip():
            raise SystemExit(f"{shown}: exit {result.returncode}\n{result.stderr}")
        return json.loads(result.stdout)

    def note(self, what: str, value: float, bound: float, *, at_most: bool = False, share: bool = True) -> None:
        met = value <= bound if at_most else value >= bound
        show = (lambda number: f"{number:.1%}") if share else (lambda number: f"{number:.3f}")
        sign = "≤" if at_most else "≥"
        self.rows.append({"what": what, "bound": f"{sign} {show(bound)}", "value": show(value), "met": met})
        print(self.rows[-1], flush=True)


def measure_clinc(measuring: Measuring, sources: data.Sources) -> None:
    folder = measuring.folder
    train = write_csv(folder / "clinc-train.csv", ["text", "label"], data.clinc(sources))
    test = [*data.clinc(sources, "test"), *data.clinc(sources, "oos_test")]
    path = write_csv(folder / "clinc-test.csv", ["text", "label"], test)
    found = measuring.run("--train", str(train), "--test", str(path), "--oos-label", "oos")
    measuring.note("CLINC150, all examples: in scope", found["in_scope_accuracy"], 0.965)
    measuring.note("CLINC150 with out-of-scope at the chosen threshold", found["accuracy"], 0.92)
    measuring.note("CLINC150: AUROC in/out of scope", found["oos_auroc"], 0.975, share=False)
    measuring.note("CLINC150: training", found["train_s"], 120.0, at_most=True, share=False)


def measure_few(measuring: Measuring, name: str, model: Path | None, pairs: tuple, bound: float) -> None:
    train = write_csv(measuring.folder / f"{name}-train.csv", ["text", "label"], pairs[0])
    test = write_csv(measuring.folder / f"{name}-test.csv", ["text", "label"], pairs[1])
    arguments = ["--train", str(train), "--test", str(test), "--shots", "10", "--seeds", "5"]
    if model:
        found = measuring.run(*arguments, "--model", str(model.resolve()))
        measuring.note(f"{name}, 10 examples an intent, encoder without it", found["in_scope_accuracy"], bound)


def measure_built_in(measuring: Measuring) -> None:
    header = ["text", "label", "language", "escalation"]
    for name in ("test", "mixed"):
        messages = data.held_out(name)
        rows = [(each.text, "|".join(each.intents), each.language, each.escalation) for each in messages]
        path = write_csv(measuring.folder / f"{name}.csv", header, rows)
        found = measuring.run("--builtin", "--test", str(path), "--max-wrong", "0.05")
        print(json.dumps(found, ensure_ascii=False)[:2000], flush=True)
        if name == "mixed":
            measuring.note("language, mixed messages", found["language_accuracy"], 0.97)
            continue
        by_language = found["languages"]
        measuring.note("shipped intents, English (only the first of several wishes counts)", by_language["en"], 0.92)
        measuring.note("furthest behind English", by_language["en"] - min(by_language.values()), 0.06, at_most=True)
        measuring.note("escalation: recall", found["escalation_recall"], 0.95)
        measuring.note("escalation: false alarms", found["escalation_false_alarms"], 0.10, at_most=True)
        measuring.note("language", found["language_accuracy"], 0.97)
        measuring.note("`max_wrong` 0.05: wrong answers", found["error"], 0.06, at_most=True)
        measuring.note("`max_wrong` 0.05: in-scope messages answered", found["coverage"], 0.75)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=Path, default=ROOT / "target" / "release" / "doorstep")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--without-clinc150", type=Path, default=None)
    parser.add_argument("--without-hwu64", type=Path, default=None)
    parser.add_argument("--bench", type=Path, default=None, help="what `doorstep-bench --understanding --json` wrote")
    arguments = parser.parse_args()
    sources = data.Sources(arguments.data)
    with tempfile.TemporaryDirectory() as folder:
        measuring = Measuring(arguments.program.resolve(), Path(folder))
        measure_built_in(measuring)
        measure_clinc(measuring, sources)
        clinc = (data.clinc(sources), data.clinc(sources, "test"))
        measure_few(measuring, "CLINC150", arguments.without_clinc150, clinc, 0.942)
        hwu = (data.hwu(sources), data.hwu(sources, "test"))
        measure_few(measuring, "HWU64", arguments.without_hwu64, hwu, 0.872)
    if arguments.bench:
        measuring.commands.append("doorstep-bench --understanding --plain training/build/plain.onnx")
        for ratio in json.loads(arguments.bench.read_text(encoding="utf-8")):
            bound = f"{'≤' if ratio['at_most'] else '≥'} {ratio['bound']}"
            value = f"{ratio['value']:.2f}"
            measuring.rows.append({"what": ratio["name"], "bound": bound, "value": value, "met": ratio["met"]})
    noted = {"rows": measuring.rows, "commands": measuring.commands}
    MEASURED.write_text(json.dumps(noted, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
