"""Runs the finished program on the held-out sets and notes the figures of the card's table of bounds.

    python measure.py --program target/release/doorstep --data FOLDER [--without-clinc150 MODEL] [--without-hwu64 MODEL]

Needs PyYAML and nothing else. `MODEL` is a folder made by `make.py --without … --out MODEL`. What a run is not given (these
models, `--bench`) keeps the figures noted before, if the shipped model is still the same. The sets are left in `training/build/sets/`, so that each of the
card's commands can be run again alone. Run `make.py --card` afterwards to write the card anew.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import data

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ROOT / "training" / "measured.json"
SETS = ROOT / "training" / "build" / "sets"
MODEL = ROOT / "models" / "understanding.onnx"
NOT_MEASURED = "not measured"
SPEED = "speed: `understand`, int8, tract and many at once"
# A merchant's own intents: as many, with as many examples each, are taken of CLINC150 to time their training.
OWN_INTENTS, OWN_EXAMPLES = 100, 20


def write_csv(path: Path, header: list[str], rows: Iterable[Iterable[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def as_written(part: str) -> str:
    """A part of a command with paths from the repository's root; of a folder elsewhere only the name."""
    path = Path(part)
    if not path.is_absolute():
        return part
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


@dataclass
class Measuring:
    """What was run and what came of it."""

    program: Path
    # The rows that an earlier run noted of the same model.
    known: list[dict] = field(default_factory=list)
    rows: list[dict] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def run(self, *arguments: str) -> dict:
        """One `doorstep eval intents`; the card shows it as it can be run from the repository's root."""
        command = [str(self.program), "eval", "intents", *arguments, "--json"]
        shown = " ".join(["doorstep", *map(as_written, command[1:])])
        # The last one is that of the rows to come.
        self.commands = [known for known in self.commands if known != shown] + [shown]
        print(shown, flush=True)
        result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        if result.returncode not in (0, 1) or not result.stdout.strip():
            raise SystemExit(f"{shown}: exit {result.returncode}\n{result.stderr}")
        return json.loads(result.stdout)

    def note(self, what: str, value: float, bound: float, *, at_most: bool = False, share: bool = True) -> None:
        met = value <= bound if at_most else value >= bound
        show = (lambda number: f"{number:.1%}") if share else (lambda number: f"{number:.3f}")
        sign = "≤" if at_most else "≥"
        self.add(what, f"{sign} {show(bound)}", show(value), met)

    def add(self, what: str, bound: str, value: str, met: bool, part: str = "") -> None:
        """A row with the command it comes from; `part` is what it is kept by when that is not run again."""
        command = self.commands[-1] if self.commands else ""
        self.rows.append({"what": what, "bound": bound, "value": value, "met": met, "part": part or what, "command": command})
        print(self.rows[-1], flush=True)

    def skip(self, what: str, bound: str) -> None:
        """Keeps what is known of a part that is not measured now."""
        kept = [row for row in self.known if row.get("part", row["what"]) == what and row["value"] != NOT_MEASURED]
        for row in kept:
            command = row.get("command")
            if command and command not in self.commands:
                self.commands.append(command)
        missing = {"what": what, "bound": bound, "value": NOT_MEASURED, "met": False}
        self.rows.extend(kept or [missing])
        print("kept:" if kept else "not measured:", what, flush=True)


def measure_clinc(measuring: Measuring, sources: data.Sources) -> None:
    train = write_csv(SETS / "clinc-train.csv", ["text", "label"], data.clinc(sources))
    test = [*data.clinc(sources, "test"), *data.clinc(sources, "oos_test")]
    path = write_csv(SETS / "clinc-test.csv", ["text", "label"], test)
    found = measuring.run("--train", str(train), "--test", str(path), "--oos-label", "oos")
    measuring.note("CLINC150, all examples: in scope", found["in_scope_accuracy"], 0.965)
    measuring.note("CLINC150 with out-of-scope at the chosen threshold", found["accuracy"], 0.92)
    measuring.note("CLINC150: AUROC in/out of scope", found["oos_auroc"], 0.975, share=False)
    measuring.note("CLINC150: training, seconds", found["train_s"], 120.0, at_most=True, share=False)
    few = data.by_label(data.clinc(sources))
    chosen = [(text, label) for label in sorted(few)[:OWN_INTENTS] for text in few[label][:OWN_EXAMPLES]]
    own = write_csv(SETS / "own-train.csv", ["text", "label"], chosen)
    labels = {label for _, label in chosen}
    asked = [(text, label) for text, label in data.clinc(sources, "test") if label in labels]
    found = measuring.run("--train", str(own), "--test", str(write_csv(SETS / "own-test.csv", ["text", "label"], asked)))
    what = f"a merchant's {OWN_INTENTS} intents with {OWN_EXAMPLES} examples each: training, seconds"
    measuring.note(what, found["train_s"], 5.0, at_most=True, share=False)


def measure_few(measuring: Measuring, name: str, model: Path | None, pairs: tuple, bound: float) -> None:
    what = f"{name}, 10 examples an intent, encoder without it"
    if model is None:
        measuring.skip(what, f"≥ {bound:.1%}")
        return
    train = write_csv(SETS / f"{name}-train.csv", ["text", "label"], pairs[0])
    test = write_csv(SETS / f"{name}-test.csv", ["text", "label"], pairs[1])
    arguments = ["--train", str(train), "--test", str(test), "--shots", "10", "--seeds", "5"]
    found = measuring.run(*arguments, "--model", str(model.resolve()))
    measuring.note(what, found["in_scope_accuracy"], bound)


def known_rows(model: str) -> list[dict]:
    """What was noted of this model; nothing of another one."""
    if not MEASURED.exists():
        return []
    noted = json.loads(MEASURED.read_text(encoding="utf-8"))
    return noted["rows"] if noted.get("model") == model else []


def measure_built_in(measuring: Measuring) -> None:
    for name in ("test", "mixed"):
        path = (data.HERE / "utterances" / f"{name}.tsv").resolve()
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
        wrong = "`max_wrong` 0.05: wrong answers (only the first of several wishes counts)"
        measuring.note(wrong, found["error"], 0.06, at_most=True)
        measuring.note("`max_wrong` 0.05: in-scope messages answered", found["coverage"], 0.75)
        several = found["several"]
        measuring.note("several wishes: all found (no bound, an aim)", several["all_found"], 0.75)
        imagined = several["singles_taken_for_several"]
        measuring.note("one wish: taken for several (no bound, an aim)", imagined, 0.03, at_most=True)


def measure_speed(measuring: Measuring, bench: Path | None) -> None:
    """What the benchmark found, which is run apart because it needs a quiet machine."""
    if bench is None:
        measuring.skip(SPEED, "four ratios")
        return
    measuring.commands.append("doorstep-bench --understanding --plain training/build/plain.onnx")
    for ratio in json.loads(bench.read_text(encoding="utf-8")):
        bound = f"{'≤' if ratio['at_most'] else '≥'} {ratio['bound']}"
        value = f"{ratio['value']:.2f}"
        measuring.add(ratio["name"], bound, value, ratio["met"], part=SPEED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=Path, default=ROOT / "target" / "release" / "doorstep")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--without-clinc150", type=Path, default=None)
    parser.add_argument("--without-hwu64", type=Path, default=None)
    parser.add_argument("--bench", type=Path, default=None, help="what `doorstep-bench --understanding --json` wrote")
    arguments = parser.parse_args()
    sources = data.Sources(arguments.data)
    SETS.mkdir(parents=True, exist_ok=True)
    model = hashlib.sha256(MODEL.read_bytes()).hexdigest()
    measuring = Measuring(arguments.program.resolve(), known_rows(model))
    measure_built_in(measuring)
    measure_clinc(measuring, sources)
    clinc = (data.clinc(sources), data.clinc(sources, "test"))
    measure_few(measuring, "CLINC150", arguments.without_clinc150, clinc, 0.942)
    hwu = (data.hwu(sources), data.hwu(sources, "test"))
    measure_few(measuring, "HWU64", arguments.without_hwu64, hwu, 0.872)
    measure_speed(measuring, arguments.bench)
    noted = {"model": model, "rows": measuring.rows, "commands": measuring.commands}
    MEASURED.write_text(json.dumps(noted, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
