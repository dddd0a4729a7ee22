"""The graph that ships: one pass of the encoder, then everything that is asked of a message."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from encoder import HIDDEN, Encoder, mean_pool, unit

# Pooled states the heads read: the word embeddings, a middle block and the last block. The lower
# ones keep the exact words, which tells close intents apart and helps languages the encoder hardly knows.
MIDDLE, LAST = 3, 6
HEAD_STATES = (0, MIDDLE, LAST)
# What the middle block weighs in the topic before training.
MIDDLE_SHARE = 0.5
# Share of the features that training hides from the heads, which otherwise learn the messages by heart.
HIDDEN_FEATURES = 0.1
OUTPUTS = [
    "embedding",
    "topic",
    "intent_logits",
    "presence_logits",
    "positions",
    "escalation_logits",
    "sentiment_logits",
]


class Wishes(nn.Module):
    """Which intents are asked for at all, and where: each intent looks at the tokens that speak of it
    (label-wise attention; Mullenbach et al. 2018, "Explainable Prediction of Medical Codes from Clinical Text")."""

    def __init__(self, intents: int) -> None:
        super().__init__()
        self.look = nn.Linear(HIDDEN, intents)
        self.tell = nn.Linear(HIDDEN, intents)

    def forward(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Token states [batch, seq, hidden] to presence logits and positions 0 to 1, [batch, intents] each."""
        gap = (1.0 - mask)[:, :, None] * -10000.0
        share = torch.softmax(self.look(states) + gap, dim=1)
        presence = (share * self.tell(states)).sum(dim=1)
        length = mask.sum(dim=1, keepdim=True)
        place = (torch.cumsum(mask, dim=1) - 0.5) / length.clamp(min=1.0)
        return presence, (share * place[:, :, None]).sum(dim=1)


class Understanding(nn.Module):
    """`input_ids`, `attention_mask` [batch, seq] to the tensors named in OUTPUTS."""

    def __init__(self, encoder: Encoder, intents: int) -> None:
        super().__init__()
        self.encoder = encoder
        width = HIDDEN * len(HEAD_STATES)
        self.intent = nn.Linear(width, intents)
        self.escalation = nn.Linear(width, 3)
        self.sentiment = nn.Linear(width, 3)
        self.wishes = Wishes(intents)
        self.hide = nn.Dropout(HIDDEN_FEATURES)
        # Apart from the sentence vector, which must go on to tell products apart, not only intents (a projection head;
        # Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations").
        self.topic = nn.Linear(2 * HIDDEN, HIDDEN, bias=False)
        for head in (self.intent, self.escalation, self.sentiment, self.wishes.look, self.wishes.tell):
            nn.init.normal_(head.weight, std=0.02)
            nn.init.zeros_(head.bias)
        with torch.no_grad():
            self.topic.weight.copy_(torch.cat([MIDDLE_SHARE * torch.eye(HIDDEN), torch.eye(HIDDEN)], dim=1))

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, words: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        states = self.encoder(input_ids, attention_mask, words)
        mask = attention_mask.to(torch.float32)
        pooled = {number: mean_pool(states[number], mask) for number in HEAD_STATES}
        # Each state at its own unit length, times a constant that suits the learning rate of the heads.
        features = self.hide(torch.cat([pooled[number] for number in HEAD_STATES], dim=1) * 8.0)
        presence, positions = self.wishes(states[-1], mask)
        return (
            pooled[LAST],
            unit(self.topic(torch.cat([pooled[MIDDLE], pooled[LAST]], dim=1))),
            self.intent(features),
            presence,
            positions,
            self.escalation(features),
            self.sentiment(features),
        )
