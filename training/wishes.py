"""What a message with several wishes asks for, as the program reads it: the twin of `nlu/src/asks.rs` and of the clauses in
`nlu/src/own/clauses.rs`, where the numbers are explained. They were chosen on `calibration.tsv` and `several_dev.tsv`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

NO_WISH = {"greeting", "thanks", "goodbye", "yes", "no", "out_of_scope"}
MOST_WISHES = 3
FAINT = 0.15
CLEAR = 0.95
CLEAR_ALONE = 0.98
WHOLE = 0.75
NEEDED = 0.5
EDGE = 0.001

FEWEST_WORDS = 2
MOST_CLAUSES = 4
JOINTS = re.compile(
    r"[.?!;…]+\s+|\s*\n\s*|,?\s+(?:and also|and|also|plus|y también|y|e também|e|et aussi|et|und auch|und|e anche|ed|и ещё|и"
    r"|а также|а)\s+|,\s+",
    re.IGNORECASE,
)

LISTS = Path(__file__).resolve().parent.parent / "nlu" / "src" / "language" / "words.txt"
WORDS = re.compile(r"[^\W_]+")


def courtesies() -> set[tuple[str, ...]]:
    """The polite words and phrases of `words.txt`, as written and without their accents."""
    section = LISTS.read_text(encoding="utf-8").split("[courtesy]")[1].split("\n[")[0]
    written = [phrase for line in section.splitlines() if not line.startswith("#") for phrase in line.split()]
    bare = ["".join(c for c in unicodedata.normalize("NFD", phrase) if not unicodedata.combining(c)) for phrase in written]
    latin = [word for phrase, word in zip(written, bare) if not re.search("[а-яё]", phrase)]
    return {tuple(phrase.split("_")) for phrase in written + latin}


COURTESIES = courtesies()
LONGEST = max(map(len, COURTESIES))


def beyond_courtesy(text: str) -> int:
    """How many words of a text say more than politeness does."""
    words = tuple(WORDS.findall(text.lower()))
    at, beyond = 0, 0
    while at < len(words):
        polite = next((size for size in range(LONGEST, 0, -1) if words[at : at + size] in COURTESIES), 0)
        beyond += polite == 0
        at += polite or 1
    return beyond


# Shares of the intents, presences and positions of a text.
Row = tuple[np.ndarray, np.ndarray, np.ndarray]


def parts(text: str) -> list[str]:
    """A text cut at its joints; one part for one that is whole."""
    cut: list[tuple[int, int]] = []
    start = 0
    for joint in JOINTS.finditer(text):
        mark = joint.group().lstrip(".?!;…")
        cut.append((start, joint.end() - len(mark)))
        start = joint.end()
    cut.append((start, len(text)))

    def is_short(part: tuple[int, int]) -> bool:
        return beyond_courtesy(text[part[0] : part[1]]) < FEWEST_WORDS

    joined: list[tuple[int, int]] = []
    for part in cut:
        if joined and (is_short(joined[-1]) or is_short(part)):
            joined[-1] = (joined[-1][0], part[1])
        else:
            joined.append(part)
    return [text[start:end].strip() for start, end in joined]


def log_odds(share: np.ndarray) -> np.ndarray:
    share = np.clip(share, EDGE, 1 - EDGE)
    return np.log(share / (1 - share))


def wishes(text: str, read: Callable[[str], Row], labels: Sequence[str], least: float) -> list[str]:
    """The wishes in order; the likeliest intent alone where there are not several. `read` has the model read a text,
    `least` is the presence that counts in a message of too many clauses."""
    shares, presence, places = read(text)
    wanted = np.array([label not in NO_WISH for label in labels])
    first = int(shares.argmax())
    others = wanted & (np.arange(len(labels)) != first)
    strongest = presence[others].max()
    clauses = parts(text)
    if strongest < FAINT:
        heard = np.zeros(len(labels), bool)
    elif len(clauses) < 2:
        heard = presence >= CLEAR_ALONE
    elif strongest >= CLEAR or len(clauses) > MOST_CLAUSES:
        heard = presence >= least
    else:
        alone = np.zeros(len(labels))
        for clause in clauses:
            of_clause = read(clause)[0]
            alone[of_clause.argmax()] = max(alone[of_clause.argmax()], of_clause.max())
        heard = (alone > 0) & (log_odds(alone) + WHOLE * log_odds(presence) >= NEEDED)
    chosen = [at for at in np.argsort(-presence) if heard[at] and others[at]]
    chosen = ([first] if wanted[first] else []) + chosen
    chosen = chosen[:MOST_WISHES]
    if len(chosen) < 2:
        return [labels[first]]
    return [labels[at] for at in sorted(chosen, key=lambda at: places[at])]
