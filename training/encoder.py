"""The sentence encoder as a plain PyTorch module.

The graph that the transformers library exports does not load in tract, so the six-layer
MiniLM is written out here and only its weights are taken over (parameter names differ).
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

HIDDEN = 384
LAYERS = 6
ATTENTION_HEADS = 12
FEED_FORWARD = 1536
POSITIONS = 128  # the longest text that is read, in tokens
NORM_EPS = 1e-12
# Large enough to silence padding after softmax, small enough not to overflow when quantised.
MASKED = -10000.0


class Layer(nn.Module):
    """One transformer block: self-attention, then a feed-forward net, each with a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(HIDDEN, HIDDEN)
        self.key = nn.Linear(HIDDEN, HIDDEN)
        self.value = nn.Linear(HIDDEN, HIDDEN)
        self.attended = nn.Linear(HIDDEN, HIDDEN)
        self.attended_norm = nn.LayerNorm(HIDDEN, eps=NORM_EPS)
        self.widen = nn.Linear(HIDDEN, FEED_FORWARD)
        self.narrow = nn.Linear(FEED_FORWARD, HIDDEN)
        self.output_norm = nn.LayerNorm(HIDDEN, eps=NORM_EPS)

    def split(self, x: Tensor) -> Tensor:
        """[batch, seq, hidden] to [batch, heads, seq, hidden / heads]."""
        batch, seq = x.shape[0], x.shape[1]
        return x.view(batch, seq, ATTENTION_HEADS, HIDDEN // ATTENTION_HEADS).transpose(1, 2)

    def attend(self, x: Tensor, bias: Tensor) -> Tensor:
        """Scaled dot-product attention; `bias` is 0 for tokens and MASKED for padding."""
        query, key, value = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        scores = query @ key.transpose(2, 3) / math.sqrt(HIDDEN // ATTENTION_HEADS) + bias
        mixed = torch.softmax(scores, dim=-1) @ value
        return mixed.transpose(1, 2).reshape(x.shape[0], x.shape[1], HIDDEN)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        x = self.attended_norm(x + self.attended(self.attend(x, bias)))
        return self.output_norm(x + self.narrow(functional.gelu(self.widen(x))))


class Encoder(nn.Module):
    """Token ids and mask in; the hidden states after the embedding layer and each block out."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, HIDDEN)
        # Position and (constant) segment embeddings, added together when the weights are loaded.
        self.positions = nn.Parameter(torch.zeros(POSITIONS, HIDDEN))
        self.norm = nn.LayerNorm(HIDDEN, eps=NORM_EPS)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, words: Tensor | None = None) -> list[Tensor]:
        """`words` [pieces, hidden] stands in for the word table, with `input_ids` counting its rows."""
        bias = (1.0 - attention_mask.to(torch.float32))[:, None, None, :] * MASKED
        found = self.words(input_ids) if words is None else functional.embedding(input_ids, words)
        x = self.norm(found + self.positions[: input_ids.shape[1]])
        states = [x]
        for layer in self.layers:
            x = layer(x, bias)
            states.append(x)
        return states


BLOCK_NAMES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attended": "attention.output.dense",
    "attended_norm": "attention.output.LayerNorm",
    "widen": "intermediate.dense",
    "narrow": "output.dense",
    "output_norm": "output.LayerNorm",
}


def load_encoder(weights: Path, words: Tensor | None = None) -> Encoder:
    """Build the encoder from a BERT-style safetensors file; `words` [pieces, hidden] replaces its word vectors."""
    source = load_file(weights)
    if words is None:
        words = source["embeddings.word_embeddings.weight"]
    state = {
        "words.weight": words,
        "positions": source["embeddings.position_embeddings.weight"][:POSITIONS]
        + source["embeddings.token_type_embeddings.weight"][0],
        "norm.weight": source["embeddings.LayerNorm.weight"],
        "norm.bias": source["embeddings.LayerNorm.bias"],
    }
    for number in range(LAYERS):
        for ours, theirs in BLOCK_NAMES.items():
            for part in ("weight", "bias"):
                state[f"layers.{number}.{ours}.{part}"] = source[f"encoder.layer.{number}.{theirs}.{part}"]
    encoder = Encoder(len(words))
    encoder.load_state_dict(state)
    return encoder.eval()


def unit(vectors: Tensor) -> Tensor:
    """Rows scaled to length 1."""
    return vectors / (vectors * vectors).sum(dim=1, keepdim=True).sqrt().clamp(min=1e-9)


def mean_pool(states: Tensor, mask: Tensor) -> Tensor:
    """The average direction of each text's token states, padding left out, at length 1."""
    weights = mask[:, :, None]
    return unit((states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0))
