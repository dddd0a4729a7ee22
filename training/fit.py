"""Multi-task fine-tuning: the shop's own questions, intents in general, and other languages, at once.

| task | loss | what for |
|---|---|---|
| read | cross-entropy and binary cross-entropy | intents, escalation, sentiment, several wishes in order |
| gather | supervised contrastive (Khosla et al. 2020) | topics of one intent close together, for merchants' own intents |
| translate | cosine and contrastive distillation (Reimers and Gurevych 2020) | other languages where English is |
| keep | cosine | English texts, half of them about goods, stay where the base encoder had them, for search |
"""

from __future__ import annotations

import itertools
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import noise
from checkpoint import EVERY, Checkpoint
from data import ESCALATION, INTENT_SETS, SENTIMENT, Translation, Utterance
from understanding import Understanding

IGNORED = -100
ENGLISH = "en"
LENGTHS = 5  # groups of like length in a step


@dataclass(frozen=True)
class Tuning:
    """How long and how fast; the defaults made the shipped model."""

    steps: int = 3000
    warm_up: int = 200
    read: int = 72
    # Of the English messages: most public ones are strangers' matters, and a shop's must not drown in them.
    public_share: float = 0.3
    gather: tuple[int, int] = (32, 4)
    translate: int = 56
    keep: int = 48
    tokens: int = 40
    rate: float = 8e-5
    word_rate: float = 1e-3
    topic_rate: float = 5e-4
    head_rate: float = 4e-3
    gather_weight: float = 2.0
    translate_weight: float = 4.0
    keep_weight: float = 6.0
    temperature: float = 0.07
    smoothing: float = 0.05
    average: float = 0.998
    seed: int = 7


def pad(ids: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Token ids of unequal length as one tensor, and its mask."""
    padded = torch.zeros(len(ids), max(map(len, ids)), dtype=torch.int64)
    mask = torch.zeros_like(padded)
    for number, row in enumerate(ids):
        padded[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
    return padded, mask


def shuffled(items: list, chance: random.Random) -> Iterator:
    """The items over and over, in a new order each time."""
    while True:
        yield from chance.sample(items, len(items))


@dataclass(frozen=True)
class Corpus:
    """Everything that is learnt from: messages written for the shop's intents and public ones, all of them English.
    `anchors` are the base encoder's vectors of the English texts."""

    messages: list[Utterance]
    public: list[Utterance]
    sets: dict[str, dict[str, list[str]]]
    pairs: list[Translation]
    english: list[str]
    goods: list[str]
    anchors: dict[str, np.ndarray]
    labels: list[str]


class Batches:
    """Draws what each step learns from."""

    def __init__(self, corpus: Corpus, tokenizer: Tokenizer, tuning: Tuning) -> None:
        self.corpus, self.tokenizer, self.tuning = corpus, tokenizer, tuning
        self.chance = random.Random(tuning.seed)
        by_language: dict[str, list[Utterance]] = {}
        for message in corpus.messages:
            by_language.setdefault(message.language, []).append(message)
        # English twice, because a part of it is public.
        self.languages = [*sorted(by_language), ENGLISH]
        self.turns = {code: shuffled(group, self.chance) for code, group in by_language.items()}
        self.public = shuffled(corpus.public, self.chance)
        self.mixer = noise.Mixer(corpus.pairs)
        words = [pair for pair in corpus.pairs if pair.is_word]
        texts = [pair for pair in corpus.pairs if not pair.is_word]
        self.words, self.texts = shuffled(words or texts, self.chance), shuffled(texts, self.chance)
        self.english, self.goods = shuffled(corpus.english, self.chance), shuffled(corpus.goods, self.chance)

    def encode(self, texts: list[str]) -> list[list[int]]:
        return [encoding.ids[: self.tuning.tokens] for encoding in self.tokenizer.encode_batch(texts)]

    def message(self, language: str) -> Utterance:
        """A message as it might also have been written."""
        chance = self.chance
        public = language == ENGLISH and chance.random() < self.tuning.public_share
        message = next(self.public if public else self.turns[language])
        if chance.random() < 0.2:
            message = noise.joined(message, next(self.turns[language]), chance) or message
        text = message.text
        if chance.random() < 0.12:
            text = noise.dressed(message, chance)
        if chance.random() < 0.2:
            text = noise.misspell(text, chance)
        if language == ENGLISH and chance.random() < 0.08:
            text = self.mixer.mix(text, chance, 0.4)
        return Utterance(text, message.intents, message.escalation, message.sentiment, message.language)

    def read(self) -> list[Utterance]:
        return [self.message(self.languages[at % len(self.languages)]) for at in range(self.tuning.read)]

    def gather(self) -> tuple[list[str], Tensor]:
        names = sorted(self.corpus.sets)
        groups = self.corpus.sets[self.chance.choices(names, [INTENT_SETS[name] for name in names])[0]]
        wanted, each = self.tuning.gather
        chosen = self.chance.sample(sorted(groups), min(wanted, len(groups)))
        each = max(each, wanted * each // len(chosen) // 2)
        texts, classes = [], []
        for number, label in enumerate(chosen):
            drawn = self.chance.sample(groups[label], min(each, len(groups[label])))
            texts += [noise.misspell(text, self.chance) if self.chance.random() < 0.1 else text for text in drawn]
            classes += [number] * len(drawn)
        return texts, torch.tensor(classes)

    def translate(self) -> tuple[list[str], Tensor]:
        size = self.tuning.translate
        pairs = [next(self.words if at % 3 == 0 else self.texts) for at in range(size)]
        return [pair.foreign for pair in pairs], self.anchor([pair.english for pair in pairs])

    def keep(self) -> tuple[list[str], Tensor]:
        """English texts, one in three with some words in another language."""
        texts = [next(self.goods if at % 2 else self.english) for at in range(self.tuning.keep)]
        said = [self.mixer.mix(text, self.chance, 0.5) if self.chance.random() < 0.35 else text for text in texts]
        return said, self.anchor(texts)

    def anchor(self, texts: list[str]) -> Tensor:
        return torch.from_numpy(np.stack([self.corpus.anchors[text] for text in texts]))


def targets(messages: list[Utterance], labels: list[str]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Shares of the intents, order of the intents (0 where not asked), escalation and sentiment."""
    shares, order = torch.zeros(len(messages), len(labels)), torch.zeros(len(messages), len(labels))
    for row, message in enumerate(messages):
        for place, intent in enumerate(message.intents):
            shares[row, labels.index(intent)] = 1.0 / len(message.intents)
            order[row, labels.index(intent)] = place + 1.0
    levels = torch.tensor([ESCALATION.index(message.escalation) for message in messages])
    known = [SENTIMENT.index(message.sentiment) if message.sentiment in SENTIMENT else IGNORED for message in messages]
    return shares, order, levels, torch.tensor(known)


def order_loss(positions: Tensor, order: Tensor) -> Tensor:
    """What is asked first must be found at least a fifth of the text before what is asked next."""
    rows = (order > 0).sum(dim=1) > 1
    if not rows.any():
        return positions.new_zeros(())
    place, rank = positions[rows], order[rows]
    before = (rank[:, :, None] > 0) & (rank[:, None, :] == rank[:, :, None] + 1)
    gap = place[:, None, :] - place[:, :, None]
    return functional.relu(0.2 - gap)[before].mean()


def read_loss(outputs: tuple[Tensor, ...], messages: list[Utterance], labels: list[str], smoothing: float) -> Tensor:
    _, _, intent, presence, positions, escalation, sentiment = outputs
    shares, order, levels, feelings = targets(messages, labels)
    loss = functional.cross_entropy(intent, shares, label_smoothing=smoothing)
    loss = loss + 8.0 * functional.binary_cross_entropy_with_logits(presence, (order > 0).float())
    loss = loss + functional.cross_entropy(escalation, levels) + order_loss(positions, order)
    if (feelings != IGNORED).any():
        loss = loss + 0.3 * functional.cross_entropy(sentiment, feelings, ignore_index=IGNORED)
    return loss


def gather_loss(vectors: Tensor, classes: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss over unit vectors."""
    itself = torch.eye(len(classes), dtype=torch.bool)
    closeness = torch.log_softmax((vectors @ vectors.T / temperature).masked_fill(itself, -1e4), dim=1)
    same = (classes[:, None] == classes[None]) & ~itself
    return -((closeness * same).sum(dim=1) / same.sum(dim=1).clamp(min=1)).mean()


def distance(left: Tensor, right: Tensor) -> Tensor:
    """One minus cosine, for vectors of length 1."""
    return (1.0 - (left * right).sum(dim=1)).mean()


def translate_loss(vectors: Tensor, anchors: Tensor) -> Tensor:
    """Where its English text is, and nearer to that than to the others."""
    among = vectors @ anchors.T * 20.0
    return distance(vectors, anchors) + 0.1 * functional.cross_entropy(among, torch.arange(len(vectors)))


def parameter_groups(model: Understanding, tuning: Tuning) -> list[dict]:
    """Word vectors move fast (those of other languages are only begun), heads faster still."""
    words = [model.encoder.words.weight]
    heads = [*itertools.chain(*(head.parameters() for head in (model.intent, model.escalation, model.sentiment, model.wishes)))]
    topic = [model.topic.weight]
    known = {id(parameter) for parameter in heads + words + topic}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in known]
    return [
        {"params": rest, "lr": tuning.rate, "weight_decay": 0.01},
        {"params": words, "lr": tuning.word_rate, "weight_decay": 0.0},
        {"params": topic, "lr": tuning.topic_rate, "weight_decay": 0.0},
        {"params": heads, "lr": tuning.head_rate, "weight_decay": 0.01},
    ]


def pace(step: int, tuning: Tuning) -> float:
    """Share of the full learning rate: a short warm-up, then half a cosine down to nothing."""
    return min((step + 1) / tuning.warm_up, 0.5 * (1 + math.cos(math.pi * step / tuning.steps)))


@dataclass
class Task:
    """Texts of one step and what is made of the model's outputs for them."""

    texts: list[str]
    loss: Callable[[tuple[Tensor, ...]], Tensor]


def tasks(batches: Batches, tuning: Tuning) -> dict[str, Task]:
    """What one step learns from."""
    messages = batches.read()
    gathered, classes = batches.gather()
    foreign, meant = batches.translate()
    english, kept = batches.keep()

    def gather(outputs: tuple[Tensor, ...]) -> Tensor:
        return tuning.gather_weight * gather_loss(outputs[1], classes, tuning.temperature)

    return {
        "read": Task(
            [message.text for message in messages],
            lambda outputs: read_loss(outputs, messages, batches.corpus.labels, tuning.smoothing),
        ),
        "gather": Task(gathered, gather),
        "translate": Task(foreign, lambda outputs: tuning.translate_weight * translate_loss(outputs[0], meant)),
        "keep": Task(english, lambda outputs: tuning.keep_weight * distance(outputs[0], kept)),
    }


def run(model: Understanding, ids: list[list[int]]) -> tuple[Tensor, ...]:
    """Every output for many texts. Those of like length go together, which saves padding, and the word vectors they
    need are looked up once, because each look-up costs a gradient of the whole table."""
    order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
    size = math.ceil(len(ids) / LENGTHS)
    used = torch.tensor(sorted(set(itertools.chain(*ids))))
    numbers = dict(zip(used.tolist(), range(len(used))))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        words = functional.embedding(used, model.encoder.words.weight)
        parts = []
        for start in range(0, len(ids), size):
            rows = [[numbers[number] for number in ids[at]] for at in order[start : start + size]]
            parts.append(model(*pad(rows), words))
    back = torch.tensor(order).argsort()
    return tuple(torch.cat(part).float()[back] for part in zip(*parts))


def step_losses(model: Understanding, batches: Batches, tuning: Tuning) -> dict[str, Tensor]:
    drawn = tasks(batches, tuning)
    outputs = run(model, batches.encode([text for task in drawn.values() for text in task.texts]))
    losses, start = {}, 0
    for name, task in drawn.items():
        end = start + len(task.texts)
        losses[name] = task.loss(tuple(output[start:end] for output in outputs))
        start = end
    return losses


def settle(model: Understanding, average: AveragedModel) -> None:
    """Ends on the running average of the weights: what two runs agree on, and no worse than where one of them stopped
    (Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima")."""
    model.load_state_dict(average.module.state_dict())


def fine_tune(
    model: Understanding, tokenizer: Tokenizer, corpus: Corpus, tuning: Tuning, checkpoint: Checkpoint
) -> None:
    """Runs every task in every step. In bfloat16 where it is fast; weights stay in float32. One that was interrupted goes
    on from its checkpoint: what the steps before had drawn is drawn again, so that the next draw what they would have."""
    torch.manual_seed(tuning.seed)
    torch.set_flush_denormal(True)  # the optimiser's smallest averages otherwise cost most of the time
    optimiser = torch.optim.AdamW(parameter_groups(model, tuning), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: pace(step, tuning))
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(tuning.average))
    batches = Batches(corpus, tokenizer, tuning)
    parts = {"model": model, "optimiser": optimiser, "schedule": schedule, "average": average}
    done = checkpoint.take_up(parts)
    for _ in range(done):
        tasks(batches, tuning)
    model.train()
    started, sums = time.monotonic(), Counter()
    for step in range(done, tuning.steps):
        losses = step_losses(model, batches, tuning)
        optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimiser.step()
        average.update_parameters(model)
        schedule.step()
        sums.update({name: loss.item() for name, loss in losses.items()})
        if (step + 1) % EVERY == 0:
            shown = " ".join(f"{name} {total / EVERY:.3f}" for name, total in sums.items())
            print(f"step {step + 1} {shown} ({time.monotonic() - started:.0f} s)", flush=True)
            sums.clear()
            checkpoint.save(step + 1, parts)
    settle(model, average)
    checkpoint.remove()
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
