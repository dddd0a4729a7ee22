"""Scores of an exported graph on held-out messages, thresholds, and the table for the card."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from data import LANGUAGES, OUT_OF_SCOPE, Utterance
from export import Runner
from fit import softmax

# Of what the bot answers by itself, at most this share may be wrong on held-out data.
MAX_WRONG = 0.15
# Where the first reading is right less often than this, asking which of two is meant pays.
WORTH_ASKING = 0.6


@dataclass(frozen=True)
class Answers:
    """What a graph said about some texts."""

    embedding: np.ndarray
    intent: np.ndarray
    escalation: np.ndarray

    @staticmethod
    def of(runner: Runner, texts: list[str]) -> "Answers":
        rows = [runner.run(text) for text in texts]
        return Answers(*(np.concatenate([row[number] for row in rows]) for number in range(3)))


def classes(utterances: list[Utterance], labels: list[str]) -> np.ndarray:
    return np.array([labels.index(utterance.intent) for utterance in utterances])


def in_scope_confidence(logits: np.ndarray, labels: list[str]) -> np.ndarray:
    """The best share any intent other than out_of_scope gets."""
    shares = softmax(logits)
    shares[:, labels.index(OUT_OF_SCOPE)] = 0.0
    return shares.max(axis=1)


def thresholds(logits: np.ndarray, truth: np.ndarray, labels: list[str]) -> dict[str, float]:
    """The lowest share at which few enough answers are wrong, and the lead over the second
    reading below which the first is right too rarely to act without asking."""
    shares = np.sort(softmax(logits), axis=1)
    best = logits.argmax(axis=1)
    right, top, lead = best == truth, shares[:, -1], shares[:, -1] - shares[:, -2]
    answered = best != labels.index(OUT_OF_SCOPE)

    def accuracy(chosen: np.ndarray) -> float:
        return float(right[chosen & answered].mean()) if (chosen & answered).any() else 0.0

    steps = np.arange(0.2, 0.9, 0.01)
    accept = next((value for value in steps if accuracy(top >= value) >= 1 - MAX_WRONG), steps[-1])
    close = [value for value in np.arange(0.05, 0.5, 0.01) if accuracy((top >= accept) & (lead < value)) < WORTH_ASKING]
    return {"accept": round(float(accept), 2), "margin": round(float(max(close, default=0.05)), 2)}


def per_language(right: np.ndarray, utterances: list[Utterance]) -> dict[str, tuple[float, int]]:
    """Accuracy and number of messages of each language."""
    languages = np.array([utterance.language for utterance in utterances])
    present = [code for code in LANGUAGES if code in languages]
    return {code: (float(right[languages == code].mean()), int((languages == code).sum())) for code in present}


def per_intent(right: np.ndarray, truth: np.ndarray, labels: list[str]) -> dict[str, tuple[int, int]]:
    """Right and all, for each intent."""
    return {name: (int(right[truth == at].sum()), int((truth == at).sum())) for at, name in enumerate(labels)}


def confusions(best: np.ndarray, truth: np.ndarray, labels: list[str]) -> list[tuple[str, int]]:
    """What was taken for what, most frequent first."""
    pairs = Counter(f"{labels[was]} → {labels[said]}" for was, said in zip(truth, best) if was != said)
    return pairs.most_common(12)


def escalation_scores(answers: Answers, utterances: list[Utterance]) -> tuple[float, float]:
    """Share of the messages that need a person which are raised, and of the others which are."""
    raised = answers.escalation.argmax(axis=1) > 0
    needed = np.array([utterance.escalation != "normal" for utterance in utterances])
    return float(raised[needed].mean()), float(raised[~needed].mean())


def auroc(known: np.ndarray, unknown: np.ndarray) -> float:
    """How well confidence tells messages with an intent from messages without one."""
    truth = np.concatenate([np.ones(len(known)), np.zeros(len(unknown))])
    return float(roc_auc_score(truth, np.concatenate([known, unknown])))
