"""A word list for seven languages, and a first vector for every word the English encoder does not know.

The base model's WordPiece list is English. Rare English pieces make room for those of the other languages; a new
word begins as the mix of the English words it is translated by, which IBM model 1 finds in the parallel texts
(Brown et al. 1993, "The Mathematics of Statistical Machine Translation").
"""

from __future__ import annotations

import heapq
import itertools
import json
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, normalizers, pre_tokenizers

from data import Translation

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# The base list is in order of frequency; what comes after this is kept only if it occurs in our texts.
FREQUENT_ENGLISH = 20_000
FOREIGN_PIECES = 22_000
LEAST_SEEN = 2
ROUNDS = 6
WORD_COPIES = 3  # a dictionary entry says more than a sentence


def normaliser() -> normalizers.Normalizer:
    return normalizers.BertNormalizer(lowercase=True, strip_accents=True)


def foreign_pieces(texts: Iterable[str]) -> list[str]:
    """Pieces learnt from texts in the new languages, most frequent words whole: byte-pair merges (Sennrich et al. 2016)
    with WordPiece's spelling. The tokenizers library's trainer breaks ties by chance; this breaks them by the alphabet,
    so that every training gets the same list."""
    normal, split = normaliser(), pre_tokenizers.BertPreTokenizer()
    seen = Counter(word for text in texts for word, _ in split.pre_tokenize_str(normal.normalize_str(text)))
    words = sorted(seen)
    spelt = [[letter if at == 0 else f"##{letter}" for at, letter in enumerate(word)] for word in words]
    merges = Merges(spelt, [seen[word] for word in words])
    pieces = {piece for word in spelt for piece in word}
    while len(pieces) < FOREIGN_PIECES and (merged := merges.next(LEAST_SEEN)):
        pieces.add(merged)
    return sorted(pieces)


class Merges:
    """Joins, again and again, the two neighbouring pieces that are seen together most often."""

    def __init__(self, words: list[list[str]], seen: list[int]) -> None:
        self.words, self.seen = words, seen
        self.counts: Counter[tuple[str, str]] = Counter()
        self.where: dict[tuple[str, str], set[int]] = defaultdict(set)
        for number in range(len(words)):
            self.count(number, 1)
        self.queue = [(-count, pair) for pair, count in self.counts.items()]
        heapq.heapify(self.queue)

    def count(self, number: int, sign: int) -> set[tuple[str, str]]:
        pairs = list(itertools.pairwise(self.words[number]))
        for pair in pairs:
            self.counts[pair] += sign * self.seen[number]
            self.where[pair].add(number)
        return set(pairs)

    def next(self, least: int) -> str | None:
        """The next piece, unless what is left is seen together less than `least` times."""
        while self.queue:
            count, pair = heapq.heappop(self.queue)
            if -count == self.counts[pair]:
                return self.join(pair) if -count >= least else None
        return None

    def join(self, pair: tuple[str, str]) -> str:
        merged = pair[0] + pair[1].removeprefix("##")
        changed: set[tuple[str, str]] = set()
        for number in self.where.pop(pair):
            changed |= self.count(number, -1)
            self.words[number] = joined(self.words[number], pair, merged)
            changed |= self.count(number, 1)
        for touched in changed - {pair}:
            heapq.heappush(self.queue, (-self.counts[touched], touched))
        del self.counts[pair]
        return merged


def joined(pieces: list[str], pair: tuple[str, str], merged: str) -> list[str]:
    made: list[str] = []
    for piece in pieces:
        if made and (made[-1], piece) == pair:
            made[-1] = merged
        else:
            made.append(piece)
    return made


def is_of_our_scripts(piece: str) -> bool:
    """Latin, Cyrillic, digits, punctuation and symbols; the base list has a thousand characters of other scripts."""
    letters = [character for character in piece.removeprefix("##") if character.isalpha()]
    return all(unicodedata.name(letter, "").startswith(("LATIN", "CYRILLIC")) for letter in letters)


def build(base: Path, english: Iterable[str], foreign: Iterable[str]) -> Tokenizer:
    """The base tokenizer with a word list for all languages."""
    old = Tokenizer.from_file(str(base))
    old.no_padding()
    old.no_truncation()
    used: Counter[str] = Counter()
    for encoding in old.encode_batch(list(english), add_special_tokens=False):
        used.update(encoding.tokens)
    ranked = sorted(old.get_vocab().items(), key=lambda item: item[1])
    kept = [
        piece
        for piece, number in ranked
        if piece not in SPECIAL
        and not piece.startswith("[unused")
        and is_of_our_scripts(piece)
        and (number < FREQUENT_ENGLISH or used[piece] > 1 or len(piece.removeprefix("##")) == 1)
    ]
    known = set(kept)
    pieces = SPECIAL + kept + [piece for piece in foreign_pieces(foreign) if piece not in known]
    return with_pieces(base, pieces)


def with_pieces(base: Path, pieces: list[str]) -> Tokenizer:
    """The tokenizer's own file with another word list; special tokens move to the front."""
    description = json.loads(base.read_text(encoding="utf-8"))
    numbers = {piece: number for number, piece in enumerate(pieces)}
    description["model"]["vocab"] = numbers
    for token in description["added_tokens"]:
        token["id"] = numbers[token["content"]]
    for token in description["post_processor"].get("special_tokens", {}).values():
        token["ids"] = [numbers[token["id"]]]
    for name in ("sep", "cls"):
        if name in description["post_processor"]:
            piece = description["post_processor"][name][0]
            description["post_processor"][name] = [piece, numbers[piece]]
    description["padding"] = description["truncation"] = None
    return Tokenizer.from_str(json.dumps(description, ensure_ascii=False))


def first_vectors(tokenizer: Tokenizer, base: Path, vectors: np.ndarray, pairs: list[Translation]) -> np.ndarray:
    """Vectors [pieces, hidden]: the base model's own, else what translations say, else what the piece is made of."""
    old = Tokenizer.from_file(str(base))
    old.no_padding()
    old.no_truncation()
    old_numbers = old.get_vocab()
    pieces = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    spelt = [old.encode(piece.removeprefix("##"), add_special_tokens=False).ids for piece, _ in pieces]
    made = np.stack([vectors[ids].mean(axis=0) if ids else vectors.mean(axis=0) for ids in spelt])
    norm = np.linalg.norm(vectors[1000:20_000], axis=1).mean()
    meanings = align(tokenizer, old, pairs)
    for piece, number in pieces:
        if piece in old_numbers:
            made[number] = vectors[old_numbers[piece]]
        elif number in meanings:
            ids, shares = meanings[number]
            mixed = shares @ vectors[ids]
            made[number] = mixed * (norm / max(np.linalg.norm(mixed), 1e-6))
    return made.astype(np.float32)


def align(tokenizer: Tokenizer, old: Tokenizer, pairs: list[Translation]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """For each foreign piece the English pieces that translate it and how much each does, by IBM model 1."""
    keys, groups = [], []
    sentences = [pair for pair in pairs for _ in range(WORD_COPIES if pair.is_word else 1)]
    foreign = tokenizer.encode_batch([pair.foreign for pair in sentences], add_special_tokens=False)
    english = old.encode_batch([pair.english for pair in sentences], add_special_tokens=False)
    size, group = len(old.get_vocab()), 0
    for left, right in zip(foreign, english):
        f, e = np.array(left.ids[:40], np.int64), np.array(right.ids[:40], np.int64)
        if not len(f) or not len(e):
            continue
        keys.append((f[:, None] * size + e[None, :]).ravel())
        # One group for each English word of a sentence: its meaning is shared out among the foreign words.
        groups.append((group + np.tile(np.arange(len(e)), len(f))))
        group += len(e)
    cells, key = np.unique(np.concatenate(keys), return_inverse=True)
    where = np.concatenate(groups)
    foreign_of, english_of = cells // size, cells % size
    chance = np.ones(len(cells))
    for _ in range(ROUNDS):
        weight = chance[key]
        weight /= np.bincount(where, weight, group)[where]
        counts = np.bincount(key, weight, len(cells))
        # How much of a foreign piece each English one explains.
        chance = counts / np.bincount(foreign_of, counts, foreign_of.max() + 1)[foreign_of]
    meanings = {}
    order = np.lexsort((-chance, foreign_of))
    starts = np.flatnonzero(np.r_[True, np.diff(foreign_of[order]) != 0, True])
    for start, end in zip(starts[:-1], starts[1:]):
        best = order[start : min(end, start + 5)]
        shares = chance[best] ** 2  # the best translation should prevail over what stands beside it by chance
        meanings[int(foreign_of[order[start]])] = (english_of[best], shares / shares.sum())
    return meanings
