"""Fitting: linear heads on fixed features, fine-tuning of the encoder, calibration."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from data import ESCALATION, Utterance
from heads import FEATURES, LinearHead, Understanding

RIDGE = 1e-5


def fit_head(features: np.ndarray, classes: np.ndarray, weights: np.ndarray, count: int) -> LinearHead:
    """Multinomial logistic regression with sample weights, by L-BFGS on centred features."""
    centre = features.mean(axis=0)
    x = torch.from_numpy(features - centre)
    y = torch.from_numpy(classes)
    share = torch.from_numpy((weights / weights.sum()).astype(np.float32))
    weight = torch.zeros(count, FEATURES, requires_grad=True)
    bias = torch.zeros(count, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        error = functional.cross_entropy(x @ weight.T + bias, y, reduction="none")
        total = (error * share).sum() + RIDGE * (weight * weight).sum()
        total.backward()
        return total

    optimiser.step(loss)
    trained = weight.detach().numpy()
    return LinearHead(trained, bias.detach().numpy() - trained @ centre)


@dataclass(frozen=True)
class Tuning:
    """How the encoder is fine-tuned; the defaults made the shipped model."""

    steps: int = 500
    warm_up: int = 30
    batch: int = 40
    tokens: int = 24
    rate: float = 1e-4
    word_rate: float = 5e-4
    head_rate: float = 1e-2
    keep: float = 2.0
    escalate: float = 0.5
    seed: int = 7


def pad(ids: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Token ids of unequal length as one tensor, and its mask."""
    padded = torch.zeros(len(ids), max(map(len, ids)), dtype=torch.int64)
    mask = torch.zeros_like(padded)
    for number, row in enumerate(ids):
        padded[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
    return padded, mask


def batches(lengths: np.ndarray, share: np.ndarray, tuning: Tuning) -> Iterator[np.ndarray]:
    """Rows drawn by their weight; messages of like length go together, which saves padding."""
    chance = np.random.default_rng(tuning.seed)
    pool = 10
    for _ in range(math.ceil(tuning.steps / pool)):
        drawn = chance.choice(len(share), tuning.batch * pool, p=share)
        ordered = drawn[np.argsort(lengths[drawn], kind="stable")].reshape(pool, tuning.batch)
        yield from chance.permutation(ordered)


def parameter_groups(model: Understanding, tuning: Tuning) -> list[dict]:
    """Word vectors move fast (foreign word pieces are nearly untrained), heads faster still."""
    heads = [*model.intent.parameters(), *model.escalation.parameters()]
    words = [model.encoder.words.weight]
    known = {id(parameter) for parameter in heads + words}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in known]
    return [
        {"params": rest, "lr": tuning.rate, "weight_decay": 0.01},
        {"params": words, "lr": tuning.word_rate, "weight_decay": 0.0},
        {"params": heads, "lr": tuning.head_rate, "weight_decay": 0.0},
    ]


def distance(left: Tensor, right: Tensor) -> Tensor:
    """One minus cosine, for vectors of length 1."""
    return 1.0 - (left * right).sum(dim=1)


@dataclass(frozen=True)
class Labelled:
    """Labelled messages as arrays, with the untouched encoder's embedding of each English one."""

    utterances: list[Utterance]
    intents: np.ndarray
    levels: np.ndarray
    weights: np.ndarray
    anchors: np.ndarray

    @staticmethod
    def of(utterances: list[Utterance], labels: list[str], anchors: np.ndarray) -> "Labelled":
        return Labelled(
            utterances,
            np.array([labels.index(utterance.intent) for utterance in utterances]),
            np.array([ESCALATION.index(utterance.escalation) for utterance in utterances]),
            np.array([utterance.weight for utterance in utterances], np.float32),
            anchors,
        )


def pace(step: int, tuning: Tuning) -> float:
    """Share of the full learning rate: a short warm-up, then half a cosine down to nothing."""
    return min((step + 1) / tuning.warm_up, 0.5 * (1 + math.cos(math.pi * step / tuning.steps)))


def fine_tune(model: Understanding, tokenizer: Tokenizer, labelled: Labelled, tuning: Tuning) -> None:
    """Learn the intents while the sentence vector of English texts stays where it was, so that
    it remains good for search and for merchants' own intents."""
    torch.manual_seed(tuning.seed)
    torch.set_flush_denormal(True)  # the optimiser's smallest averages otherwise cost most of the time
    texts = [utterance.text for utterance in labelled.utterances]
    ids = [encoding.ids[: tuning.tokens] for encoding in tokenizer.encode_batch(texts)]
    english = torch.tensor([utterance.language == "en" for utterance in labelled.utterances])
    share = labelled.weights.astype(np.float64) / labelled.weights.astype(np.float64).sum()
    optimiser = torch.optim.AdamW(parameter_groups(model, tuning))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: pace(step, tuning))
    intents, levels = torch.from_numpy(labelled.intents), torch.from_numpy(labelled.levels)
    anchors = torch.from_numpy(labelled.anchors)
    model.train()
    for step, rows in enumerate(batches(np.array(list(map(len, ids))), share, tuning)):
        embedding, intent, level = model(*pad([ids[row] for row in rows]))
        at = torch.from_numpy(rows)
        moved = distance(embedding, anchors[at]) * english[at]
        loss = functional.cross_entropy(intent, intents[at], label_smoothing=0.05)
        loss = loss + tuning.escalate * functional.cross_entropy(level, levels[at]) + tuning.keep * moved.mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 50 == 0:
            print(f"step {step} loss {loss.item():.3f} moved {moved.mean().item():.3f}", flush=True)
    model.eval()


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def log_loss(logits: np.ndarray, classes: np.ndarray) -> float:
    chosen = softmax(logits)[np.arange(len(classes)), classes]
    return float(-np.log(chosen.clip(1e-9)).mean())


def temperature(logits: np.ndarray, classes: np.ndarray) -> float:
    """The divisor that makes the softmax of held-out logits least wrong about itself."""
    candidates = np.geomspace(0.3, 4.0, 80)
    return float(min(candidates, key=lambda value: log_loss(logits / value, classes)))
