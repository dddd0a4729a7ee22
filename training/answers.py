"""Fits the weights by which a passage is told to answer a question and how sure it must be
(`engine/src/actions/policy.rs`).

    python answers.py

A conditional logit (McFadden 1974) over the passages of one language and "none of them": what speaks for a passage is its
similarity to the question and its share of the question's words; what speaks for none is a constant, how likely the message
is out of scope, and every word of the question that no passage holds. A passage is quoted from the chance on that has the
best sum of right and refused questions in cross-validation.

The questions are those of `tests/fixtures/answers/calibration.csv`, the passages those of the demo shop. Words are cut to
their first letters here, where the program's index has stems and synonyms: the figures are close to the program's, not the
same.
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from scipy.optimize import minimize
from tokenizers import Tokenizer

ROOT = Path(__file__).parent.parent
KNOWLEDGE = ROOT / "config/demo/knowledge"
QUESTIONS = ROOT / "tests/fixtures/answers/calibration.csv"
# How much of a word stands for it, and the least letters of a word that says anything.
STEM = 5
LEAST = 4
# Ridge, per question.
RIDGE = 0.01
FOLDS = 5
# The least chances of a passage to be quoted that are tried.
THRESHOLDS = np.arange(0.2, 0.75, 0.05)


@dataclass(frozen=True)
class Passage:
    language: str
    source: str
    card: str
    words: frozenset[str]


@dataclass(frozen=True)
class Case:
    """A question beside the passages of one language."""

    question: int
    features: np.ndarray  # [passages, 2]
    none: np.ndarray
    right: np.ndarray  # of each passage, whether it is the answer
    weight: float


def words(text: str) -> frozenset[str]:
    found = re.findall(r"[^\W_]+", text.lower())
    return frozenset(word[:STEM] for word in found if len(word) >= LEAST)


def anchor(title: str) -> str:
    return re.sub(r"[^\w]+", "-", title.lower().replace("_", "-")).strip("-")


def passages() -> list[Passage]:
    found = []
    for path in sorted(KNOWLEDGE.glob("*/*.md")):
        language = path.parent.name
        sections = [section for section in re.split(r"^#+ ", path.read_text("utf-8"), flags=re.M) if section.strip()]
        about = sections[0].split("\n")[0].strip()
        for section in sections:
            title, _, body = section.partition("\n")
            if body.strip():
                source = f"{path.stem}.{language}.md#{anchor(title.strip())}"
                card = f"{about}. {title.strip()}" if title.strip() != about else f"{about}. {body.strip()[:150]}"
                found.append(Passage(language, source, card, words(f"{about} {section}")))
    return found


class Model:
    """The program's model: vectors, and how likely a text is out of scope."""

    def __init__(self) -> None:
        self.tokenizer = Tokenizer.from_file(str(ROOT / "models/tokenizer.json"))
        self.session = onnxruntime.InferenceSession(str(ROOT / "models/understanding.onnx"))
        self.labels = json.loads((ROOT / "models/understanding.json").read_text("utf-8"))["labels"]

    def read(self, text: str) -> tuple[np.ndarray, float]:
        encoded = self.tokenizer.encode(text)
        ids = np.array([encoded.ids[: sum(encoded.attention_mask)]], np.int64)
        embedding, logits = self.session.run(
            ["embedding", "intent_logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        )
        shares = np.exp(logits[0] - logits[0].max())
        return embedding[0], float(shares[self.labels.index("out_of_scope")] / shares.sum())


def cases(rows: list[dict[str, str]], known: list[Passage]) -> list[Case]:
    model = Model()
    vectors = np.array([model.read(passage.card)[0] for passage in known])
    held: dict[str, frozenset[str]] = {}
    for passage in known:
        held[passage.language] = held.get(passage.language, frozenset()) | passage.words
    found = []
    for place, row in enumerate(rows):
        vector, out_of_scope = model.read(row["question"])
        asked = words(row["question"])
        sources = set(filter(None, row["source"].split("|")))
        own = [passage.language for passage in known if passage.source in sources or not sources]
        languages = [row["language"]] if row["language"] in own else sorted(set(own))
        for language in languages:
            of = [at for at, passage in enumerate(known) if passage.language == language]
            shared = [len(asked & known[at].words) / max(1, len(asked)) * (language == row["language"]) for at in of]
            found.append(
                Case(
                    place,
                    np.column_stack([vectors[of] @ vector, shared]),
                    np.array([1.0, out_of_scope, len(asked - held[language]) if language == row["language"] else 0]),
                    np.array([known[at].source in sources for at in of]),
                    1 / len(languages),
                )
            )
    return found


def chances(weights: np.ndarray, case: Case) -> np.ndarray:
    """Of each passage, and of none of them, which is the last."""
    speaks = np.append(case.features @ weights[:2], case.none @ weights[2:])
    shares = np.exp(speaks - speaks.max())
    return shares / shares.sum()


def fit(given: list[Case]) -> np.ndarray:
    features = np.concatenate([case.features for case in given])
    spread = features.std(axis=0)

    def loss(scaled: np.ndarray) -> tuple[float, np.ndarray]:
        weights = np.append(scaled[:2] / spread, scaled[2:])
        total, slope = RIDGE * len(given) * (scaled[:2] ** 2).sum(), np.zeros(len(scaled))
        slope[:2] = 2 * RIDGE * len(given) * scaled[:2]
        for case in given:
            shares = chances(weights, case)
            wanted = np.append(shares[:-1] * case.right, 0) if case.right.any() else np.append(0 * shares[:-1], shares[-1])
            total -= case.weight * np.log(wanted.sum() + 1e-12)
            surplus = case.weight * (shares - wanted / max(wanted.sum(), 1e-12))
            slope[:2] += surplus[:-1] @ case.features / spread
            slope[2:] += surplus[-1] * case.none
        return total, slope

    scaled = minimize(loss, np.zeros(2 + given[0].none.size), jac=True, method="L-BFGS-B").x
    return np.append(scaled[:2] / spread, scaled[2:])


def main() -> None:
    with QUESTIONS.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    known = cases(rows, passages())
    folds = np.random.default_rng(0).integers(0, FOLDS, len(rows))
    best: dict[int, tuple[float, bool]] = {}
    for fold in range(FOLDS):
        weights = fit([case for case in known if folds[case.question] != fold])
        for case in known:
            if folds[case.question] == fold:
                shares = chances(weights, case)[:-1]
                found = (float(shares.max()), bool(case.right[shares.argmax()]))
                best[case.question] = max(best.get(case.question, (0.0, False)), found)
    outcomes = []
    for threshold in THRESHOLDS:
        right = [best[at][1] and best[at][0] >= threshold for at, row in enumerate(rows) if row["source"]]
        refused = [best[at][0] < threshold for at, row in enumerate(rows) if not row["source"]]
        outcomes.append((np.mean(right) + np.mean(refused), threshold, np.mean(right), np.mean(refused)))
    _, threshold, right, refused = max(outcomes)
    names = ["similarity", "words", "none", "out_of_scope", "unknown"]
    print(dict(zip(names, fit(known).round(2).tolist())))
    print(f"quoted from {threshold:.2f} on: {right:.0%} right, {refused:.0%} refused")


if __name__ == "__main__":
    main()
