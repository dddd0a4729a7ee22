"""The table that tells languages apart: models/languages.bin.

Naive Bayes over whole words and their letters in twos, threes and fours (Cavnar and Trenkle 1994, "N-Gram-Based Text
Categorization"), learnt from what the model learns from. The encoder cannot tell languages: it is taught to put the same
meaning in the same place. Russian needs no table; its letters tell it.

The file holds BUCKETS rows of one byte of a feature's hash (0: empty) and one signed byte for each language: how much
more likely the feature is there than elsewhere, in sixteenths of a natural logarithm. `nlu/src/language.rs` reads it.
"""

from __future__ import annotations

import math
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import data

LANGUAGES = ("en", "es", "pt", "fr", "de", "it")
BUCKETS = 1 << 16
SIXTEENTHS = 16.0
SMOOTHING = 0.5
# What is rarer than this is a name or a slip.
LEAST = 1.0
# Customers' own words say more than software's texts and dictionaries.
WEIGHTS = {"written": 1.0, "word": 0.5, "text": 0.3}


def words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.lower())


def features(word: str) -> Iterator[str]:
    """The word itself, and its letters in twos to fours with its ends marked."""
    yield f"={word}"
    marked = f"^{word}$"
    for length in (2, 3, 4):
        for start in range(len(marked) - length + 1):
            yield marked[start : start + length]


def hashed(feature: str) -> tuple[int, int]:
    """Bucket and check byte by FNV-1a."""
    value = 0x811C9DC5
    for byte in feature.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value & (BUCKETS - 1), max(1, value >> 24)


def without_accents(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))


def texts(sources: data.Sources) -> Iterator[tuple[str, str, float]]:
    """Text, language and weight."""
    for message in data.written():
        yield message.text, message.language, WEIGHTS["written"]
    for pair in data.parallel(sources):
        weight = WEIGHTS["word" if pair.is_word else "text"]
        yield pair.foreign, pair.language, weight
        yield pair.english, "en", weight / 4  # it comes with each of the other languages
    for message in data.public(sources, random.Random(1)):
        yield message.text, "en", WEIGHTS["text"]


def count(sources: data.Sources) -> dict[str, Counter]:
    counts: dict[str, Counter] = {code: Counter() for code in LANGUAGES}
    for text, language, weight in texts(sources):
        if language not in counts:
            continue
        # Half of the people leave accents out.
        for form in {text, without_accents(text)}:
            for word in words(form):
                for feature in features(word):
                    counts[language][feature] += weight
    return counts


def table(counts: dict[str, Counter]) -> np.ndarray:
    """The rows of the file. Where two features fall into one bucket, the one that says more stays."""
    everywhere = sum(counts.values(), Counter())
    known = [feature for feature, seen in everywhere.items() if seen >= LEAST]
    totals = [sum(counts[code].values()) + SMOOTHING * len(known) for code in LANGUAGES]
    rows = np.zeros((BUCKETS, 1 + len(LANGUAGES)), np.int8)
    best = np.zeros(BUCKETS)
    for feature in sorted(known):
        logs = np.array([math.log((counts[code][feature] + SMOOTHING) / total) for code, total in zip(LANGUAGES, totals)])
        logs -= logs.mean()
        worth = np.abs(logs).max() * math.sqrt(everywhere[feature])
        bucket, check = hashed(feature)
        if worth > best[bucket]:
            best[bucket] = worth
            rows[bucket, 0] = np.uint8(check).astype(np.int8)
            rows[bucket, 1:] = np.clip(np.round(logs * SIXTEENTHS), -127, 127)
    return rows


def write(sources: data.Sources, folder: Path) -> None:
    rows = table(count(sources))
    (folder / "languages.bin").write_bytes(rows.tobytes())
    print(f"languages: {(rows[:, 0] != 0).sum()} of {BUCKETS} buckets used", flush=True)
