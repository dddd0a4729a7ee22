"""Makes everything in models/: read data, fine-tune, calibrate, quantise, measure, write.

    python make.py --data FOLDER [--reuse | --card] [--without clinc150 --out FOLDER]
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from tokenizers import Tokenizer

import data
import evaluate
import fit
import languages
import train
from card import card
from checkpoint import Checkpoint
from encoder import HIDDEN, load_encoder
from evaluate import Answers
from export import MAX_TOKENS, Runner, build, load_tokenizer
from understanding import OUTPUTS, Understanding

HERE = Path(__file__).parent
ROOT = HERE.parent
MODELS = ROOT / "models"
WORK = HERE / "build"
SCORES = HERE / "scores.json"
VERSION = "0.2.0"
SEED = 7
# Of the calibration messages that need nobody, so many may be raised all the same.
FALSE_ALARMS = 0.038
# How much a message's sentiment weighs beside what the escalation head says itself.
SENTIMENT_WEIGHT = 0.5
# Messages that show how large activations get.
RANGE_MESSAGES = 600


def read_labels() -> list[str]:
    """Intent names in logit order: the order of the taxonomy file."""
    taxonomy = yaml.safe_load((ROOT / "config" / "taxonomy.yaml").read_text(encoding="utf-8"))
    return [entry["name"] for entry in taxonomy]


def load_weights(path: Path, made_of: str) -> dict:
    """The last run's weights, refused if messages or settings have changed since."""
    saved = torch.load(path) if path.exists() else {"made_of": None}
    if saved["made_of"] != made_of:
        raise SystemExit(f"{path} was not made from these messages and settings; run without --reuse")
    return saved["state"]


def with_weights(base: Path, state: dict, intents: int) -> Understanding:
    encoder = load_encoder(base / "model.safetensors", torch.zeros_like(state["encoder.words.weight"]))
    model = Understanding(encoder, intents)
    model.load_state_dict(state)
    return model.eval()


def cool(layer: torch.nn.Linear, divisor: float) -> None:
    """Divide a head by its temperature, so that the graph's softmax needs no correction."""
    with torch.no_grad():
        layer.weight /= divisor
        layer.bias /= divisor


def heed_sentiment(model: Understanding) -> None:
    """An annoyed customer is raised sooner than a calm one with the same words; both heads read the same features, so
    their sum is a head too."""
    ours, theirs = model.escalation, model.sentiment
    negative, neutral = data.SENTIMENT.index("negative"), data.SENTIMENT.index("neutral")
    with torch.no_grad():
        ours.weight[0] += SENTIMENT_WEIGHT * (theirs.weight[neutral] - theirs.weight[negative])
        ours.bias[0] += SENTIMENT_WEIGHT * (theirs.bias[neutral] - theirs.bias[negative])


def calibrate(model: Understanding, answers: Answers) -> None:
    """Shares that are as sure as they are right, and an escalation with few false alarms."""
    cool(model.intent, fit.temperature(answers.rows["intent_logits"], answers.classes()))
    with torch.no_grad():
        model.escalation.bias[0] -= evaluate.raise_bias(answers, FALSE_ALARMS)


@dataclass(frozen=True)
class Made:
    """A finished graph and what belongs to it."""

    graph: Path
    plain: Path | None
    tokenizer: Tokenizer
    labels: list[str]
    presence: float
    calibration: Answers

    def description(self) -> dict:
        return {
            "version": VERSION,
            "date": datetime.date.today().isoformat(),
            "labels": self.labels,
            "escalation": list(data.ESCALATION),
            "sentiment": list(data.SENTIMENT),
            "dimensions": HIDDEN,
            "max_tokens": MAX_TOKENS,
            "sha256": hashlib.sha256(self.graph.read_bytes()).hexdigest(),
            "threshold": evaluate.threshold(self.calibration),
            "presence": round(self.presence, 2),
            "calibration": evaluate.calibration(self.calibration),
        }


def finish(
    model: Understanding, tokenizer: Tokenizer, labels: list[str], messages: list[data.Utterance], work: Path
) -> Made:
    """Calibrate on held-out messages, export, quantise. Temperature and bias come from the quantised graph, for that
    is what ships."""
    held_out = data.held_out("calibration")
    texts = [message.text for message in messages[:: max(1, len(messages) // RANGE_MESSAGES)]]
    heed_sentiment(model)
    graph = build(model, work, tokenizer, texts, OUTPUTS)
    calibrate(model, Answers.of(Runner(graph, tokenizer, threads=2), held_out, labels))
    graph = build(model, work, tokenizer, texts, OUTPUTS)
    answers = Answers.of(Runner(graph, tokenizer, threads=2), held_out, labels)
    return Made(graph, work / "plain.onnx", tokenizer, labels, evaluate.best_presence(answers), answers)


def shipped(labels: list[str]) -> Made:
    """What `models/` holds, whose weights nobody needs to have."""
    graph, tokenizer = MODELS / "understanding.onnx", load_tokenizer(MODELS / "tokenizer.json")
    described = json.loads((MODELS / "understanding.json").read_text(encoding="utf-8"))
    answers = Answers.of(Runner(graph, tokenizer, threads=2), data.held_out("calibration"), labels)
    return Made(graph, None, tokenizer, labels, described["presence"], answers)


def beside_exact(made: Made, tests: Answers) -> dict:
    """How int8 compares with float32; as it was noted, where the float32 graph is not at hand."""
    if made.plain is None:
        known = json.loads(SCORES.read_text(encoding="utf-8"))
        return {name: known[name] for name in ("agreement", "exact_accuracy")}
    exact = Answers.of(Runner(made.plain, made.tokenizer, threads=2), tests.messages, made.labels)
    return {"agreement": evaluate.agreement(tests, exact), "exact_accuracy": float(exact.right.mean())}


def scores(made: Made) -> dict:
    """Every figure of the card that this script can measure."""
    runner = Runner(made.graph, made.tokenizer, threads=2)
    tests = Answers.of(runner, data.held_out("test"), made.labels)
    mixed = Answers.of(runner, data.held_out("mixed"), made.labels)
    rows = data.read_tsv(HERE / "utterances" / "must_pass.tsv")
    must = Answers.of(runner, [data.utterance(*row[:3]) for row in rows], made.labels)
    levels = [row[3].split("|") if len(row) > 3 else ["normal"] for row in rows]
    recall, alarms = evaluate.escalation_scores(tests)
    return {
        "accuracy": evaluate.per_language(tests.right, tests.languages),
        "in_scope": evaluate.per_language(tests.right[tests.in_scope], tests.languages[tests.in_scope]),
        "mixed": float(mixed.right.mean()),
        "mixed_messages": len(mixed.right),
        "intents": evaluate.per_intent(tests),
        "confusions": evaluate.confusions(tests),
        "oos_auroc": evaluate.auroc(tests),
        "selective": {str(limit): evaluate.selective(tests, made.calibration, limit) for limit in (0.03, 0.05, 0.1)},
        "escalation_recall": recall,
        "escalation_alarms": alarms,
        "urgent_recall": evaluate.urgent_recall(tests),
        "sentiment": evaluate.sentiment_accuracy(tests),
        "several": evaluate.several_read(tests, runner, made.presence),
        "several_messages": sum(len(message.intents) > 1 for message in tests.messages),
        "must_pass": evaluate.must_pass(must, levels),
    } | beside_exact(made, tests)


def compare(measured: dict) -> None:
    """Prints by how much shares differ from those of the model that the repository has."""
    if not SCORES.exists():
        return
    known = shares(json.loads(SCORES.read_text(encoding="utf-8")))
    points = {name: 100 * (share - known[name]) for name, share in shares(measured).items() if name in known}
    print("points beside training/scores.json:", ", ".join(f"{name} {value:+.1f}" for name, value in points.items()))


def shares(scores: dict) -> dict[str, float]:
    by_language = {code: share for code, (share, _) in scores["accuracy"].items()}
    others = ("mixed", "oos_auroc", "escalation_recall", "escalation_alarms", "sentiment")
    return by_language | {name: scores[name] for name in others}


def write(made: Made, folder: Path) -> None:
    """The three files that the program loads."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(made.graph, folder / "understanding.onnx")
    made.tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    described = json.dumps(made.description(), indent=None, separators=(",", ":"), ensure_ascii=False)
    # One line a field: the calibration is long, and a difference should show which field changed.
    described = described.replace(',"', ',\n"').replace('{"language"', '\n{"language"')
    (folder / "understanding.json").write_text(described + "\n", encoding="utf-8")


def make(arguments: argparse.Namespace, labels: list[str], material: train.Material, tuning: fit.Tuning) -> Made:
    """A model from its material, or from the last run's weights."""
    work = WORK if arguments.out == MODELS else arguments.out / "build"
    work.mkdir(parents=True, exist_ok=True)
    base = train.base_model()
    weights, words = work / "weights.pt", work / "tokenizer.json"
    made_of = material.fingerprint(tuning)
    if not arguments.reuse:
        checkpoint = Checkpoint(work / "checkpoint.pt", made_of)
        model, tokenizer = train.train(base, material, labels, tuning, checkpoint)
        tokenizer.save(str(words))
        torch.save({"made_of": made_of, "state": model.state_dict()}, weights)
    model = with_weights(base, load_weights(weights, made_of), len(labels))
    made = finish(model, load_tokenizer(words), labels, [*material.messages, *material.public], work)
    write(made, arguments.out)
    return made


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of public data")
    parser.add_argument("--reuse", action="store_true", help="take the last fine-tuned weights instead of training")
    parser.add_argument("--card", action="store_true", help="only score what ships and write its card anew")
    parser.add_argument("--steps", type=int, default=fit.Tuning.steps, help="of fine-tuning")
    parser.add_argument("--without", action="append", default=[], choices=["clinc150", "hwu64"], help="leave a set out")
    parser.add_argument("--out", type=Path, default=MODELS, help="where the model goes; the card only into models/")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.without and arguments.out == MODELS:
        parser.error("--without makes a model for measuring: say --out FOLDER too")
    if arguments.card and (arguments.out != MODELS or arguments.reuse):
        parser.error("--card is about the model in models/ as it is: leave out --out and --reuse")
    return arguments


def main() -> None:
    arguments = read_arguments()
    torch.set_num_threads(arguments.threads)
    labels = read_labels()
    sources = data.Sources(arguments.data, frozenset(arguments.without))
    tuning = fit.Tuning(steps=arguments.steps, seed=SEED)
    material = train.Material.read(sources, SEED)
    made = shipped(labels) if arguments.card else make(arguments, labels, material, tuning)
    measured = scores(made)
    print(json.dumps({key: value for key, value in measured.items() if key != "intents"}, indent=1, ensure_ascii=False))
    compare(measured)
    if arguments.out != MODELS:
        return
    SCORES.write_text(json.dumps(measured, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if not arguments.card:
        languages.write(sources, MODELS)
    (MODELS / "README.md").write_text(card(measured, made.graph, sources, material, tuning), encoding="utf-8")


if __name__ == "__main__":
    main()
