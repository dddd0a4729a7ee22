"""The graph that ships: one encoder pass, then a linear head for each question."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from encoder import HIDDEN, Encoder, mean_pool

# Pooled states the heads read: the word embeddings, a middle block and the last block. The
# lower ones keep the exact words, which helps languages the encoder hardly knows.
FEATURE_STATES = (0, 3, 6)
FEATURES = HIDDEN * len(FEATURE_STATES)


@dataclass(frozen=True)
class LinearHead:
    """Weights [classes, FEATURES] and bias [classes], already divided by the temperature."""

    weight: np.ndarray
    bias: np.ndarray

    @staticmethod
    def untrained(classes: int) -> "LinearHead":
        return LinearHead(np.zeros((classes, FEATURES), np.float32), np.zeros(classes, np.float32))

    def logits(self, features: np.ndarray) -> np.ndarray:
        return features @ self.weight.T + self.bias

    def module(self) -> nn.Linear:
        layer = nn.Linear(FEATURES, len(self.bias))
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(self.weight))
            layer.bias.copy_(torch.from_numpy(self.bias))
        return layer


class Understanding(nn.Module):
    """`input_ids`, `attention_mask` to `embedding`, `intent_logits`, `escalation_logits`."""

    def __init__(self, encoder: Encoder, intent: LinearHead, escalation: LinearHead) -> None:
        super().__init__()
        self.encoder = encoder
        self.intent = intent.module()
        self.escalation = escalation.module()

    def features(self, states: list[Tensor], attention_mask: Tensor) -> list[Tensor]:
        return [mean_pool(states[number], attention_mask) for number in FEATURE_STATES]

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        pooled = self.features(self.encoder(input_ids, attention_mask), attention_mask)
        features = torch.cat(pooled, dim=1)
        return pooled[-1], self.intent(features), self.escalation(features)


class Features(Understanding):
    """The same graph cut before the heads: what the heads are trained on."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder, LinearHead.untrained(1), LinearHead.untrained(1))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return torch.cat(self.features(self.encoder(input_ids, attention_mask), attention_mask), dim=1)
