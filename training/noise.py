"""What hurried and bilingual people do to a message."""

from __future__ import annotations

import random
import re

from data import LANGUAGES, OUT_OF_SCOPE, UNKNOWN, Translation, Utterance

# Keys beside each other on common keyboards.
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю")
BESIDE = {key: row[max(0, at - 1) : at] + row[at + 1 : at + 2] for row in ROWS for at, key in enumerate(row)}

OPENERS = {
    "en": ["hi, ", "hello ", "hey ", "good morning, ", "sorry but ", "quick question: ", "hi there! "],
    "es": ["hola, ", "buenas, ", "buenos días ", "oye ", "perdona, ", "una pregunta: "],
    "de": ["hallo, ", "guten tag, ", "hi ", "moin, ", "kurze frage: "],
    "fr": ["bonjour, ", "salut ", "bonsoir, ", "bjr ", "petite question: "],
    "pt": ["olá, ", "oi ", "bom dia, ", "boa tarde, ", "uma dúvida: "],
    "it": ["ciao, ", "buongiorno, ", "salve ", "scusate, ", "una domanda: "],
    "ru": ["привет, ", "здравствуйте, ", "добрый день, ", "подскажите, ", "скажите пожалуйста, "],
}
CLOSERS = {
    "en": [" thanks", " pls", ", thank you!", " please", " cheers"],
    "es": [" gracias", " porfa", " por favor", ", muchas gracias"],
    "de": [" danke", " bitte", ", vielen dank", " lg"],
    "fr": [" merci", " svp", " s'il vous plaît", ", merci d'avance"],
    "pt": [" obrigado", " por favor", " pfv", ", obrigada"],
    "it": [" grazie", " per favore", " per piacere", ", grazie mille"],
    "ru": [" спасибо", " пожалуйста", " плиз", ", заранее спасибо"],
}
JOINTS = {
    "en": [" and ", ". also ", " and also ", ", plus ", " btw ", ". ", "? ", ", "],
    "es": [" y ", ". además ", " y también ", ", por cierto ", ". ", "? ", ", "],
    "de": [" und ", ". außerdem ", " und noch was: ", ". ", "? ", ", "],
    "fr": [" et ", ". aussi ", " et en plus ", ". ", "? ", ", "],
    "pt": [" e ", ". também ", " e além disso ", ". ", "? ", ", "],
    "it": [" e ", ". inoltre ", " e poi ", ". ", "? ", ", "],
    "ru": [" и ", ". ещё ", " а также ", ". ", "? ", ", "],
}
# With these a greeting or a second wish makes another intent of it, or none.
STANDS_ALONE = {
    "greeting", "goodbye", "thanks", "yes", "no", "stop_messages", "start_messages", "are_you_a_bot", OUT_OF_SCOPE,
}  # fmt: skip


def misspell(text: str, chance: random.Random) -> str:
    """One or two slips of the fingers in the longer words; sometimes no punctuation at all."""
    words = text.split(" ")
    places = [at for at, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    for at in chance.sample(places, min(len(places), chance.choice((1, 1, 2)))):
        words[at] = slip(words[at], chance)
    joined = " ".join(words)
    return re.sub(r"[^\w\s@.,#-]", "", joined) if chance.random() < 0.3 else joined


def slip(word: str, chance: random.Random) -> str:
    at = chance.randrange(1, len(word) - 1)
    kind = chance.random()
    if kind < 0.3:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind < 0.6:
        return word[:at] + word[at + 1 :]
    if kind < 0.75:
        return word[:at] + word[at] + word[at:]
    beside = BESIDE.get(word[at].lower(), word[at])
    return word[:at] + chance.choice(beside) + word[at + 1 :]


def dressed(message: Utterance, chance: random.Random) -> str:
    """A greeting before or thanks after the wish, where that does not change it."""
    text = message.text
    if message.intent in STANDS_ALONE:
        return text
    if chance.random() < 0.5:
        return chance.choice(OPENERS[message.language]) + text
    return text.rstrip("?.! ") + chance.choice(CLOSERS[message.language])


def joined(first: Utterance, second: Utterance, chance: random.Random) -> Utterance | None:
    """Two messages of one language in one breath, or nothing where they do not go together."""
    intents = dict.fromkeys(first.intents + second.intents)
    if len(intents) < 2 or STANDS_ALONE & set(intents) or len(first.text) + len(second.text) > 160:
        return None
    text = first.text.rstrip(".,! ") + chance.choice(JOINTS[first.language]) + second.text
    levels = ("normal", "escalate", "urgent")
    escalation = max(first.escalation, second.escalation, key=levels.index)
    feelings = {first.sentiment, second.sentiment}
    sentiment = "negative" if "negative" in feelings else feelings.pop() if len(feelings) == 1 else UNKNOWN
    return Utterance(text, tuple(intents), escalation, sentiment, first.language)


class Mixer:
    """Swaps English words for those of another language, as bilingual people do; for the encoder the sentence must
    mean what it meant (Qin et al. 2020, "CoSDA-ML")."""

    def __init__(self, pairs: list[Translation]) -> None:
        self.words: dict[str, dict[str, list[str]]] = {language: {} for language in LANGUAGES[1:]}
        for pair in pairs:
            if pair.is_word and " " not in pair.english:
                self.words[pair.language].setdefault(pair.english.lower(), []).append(pair.foreign)

    def mix(self, text: str, chance: random.Random, share: float) -> str:
        words = self.words[chance.choice(LANGUAGES[1:])]
        return " ".join(
            chance.choice(words[word.lower()]) if word.lower() in words and chance.random() < share else word
            for word in text.split(" ")
        )
