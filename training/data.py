"""Training utterances: hand-written ones from this folder, public ones from a data folder."""

from __future__ import annotations

import csv
import hashlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

HERE = Path(__file__).parent
LANGUAGES = ("en", "es", "de", "fr", "pt", "it", "ru")
MAIN_LANGUAGES = ("en", "es")  # those with enough messages to calibrate on
ESCALATION = ("normal", "escalate", "urgent")
OUT_OF_SCOPE = "out_of_scope"


@dataclass(frozen=True)
class Utterance:
    """One labelled message. `weight` is its share of the loss; `fold` which tenth of the
    hand-written data it is in (-1: public data); `variant` marks a copy made from another message."""

    text: str
    intent: str
    escalation: str = "normal"
    language: str = "en"
    weight: float = 1.0
    fold: int = -1
    variant: bool = False


# --- hand-written -----------------------------------------------------------------------------

HAND_WEIGHT = {"en": 6.0, "es": 8.0}
OTHER_WEIGHT = 8.0
FOLDS = 10
DEV_FOLD = 9  # kept from training; calibrates temperature and thresholds
PUBLIC_OUT_OF_SCOPE_WEIGHT = 0.3

OPENERS = {
    "en": ["hi, ", "hello ", "hey ", "good morning, ", "sorry but "],
    "es": ["hola, ", "buenas, ", "buenos días ", "oye ", "perdona, "],
    "de": ["hallo, ", "guten tag, ", "hi "],
    "fr": ["bonjour, ", "salut ", "bonsoir, "],
    "pt": ["olá, ", "oi ", "bom dia, "],
    "it": ["ciao, ", "buongiorno, ", "salve "],
    "ru": ["привет, ", "здравствуйте, ", "добрый день, "],
}
# An opener in front of these makes another intent of them, or none.
NO_OPENER = {"greeting", "goodbye", "thanks", "yes", "no", "stop_messages", "start_messages", OUT_OF_SCOPE}


def read_tsv(path: Path) -> list[list[str]]:
    """Rows of a tab-separated file without quoting."""
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def hand_written() -> list[Utterance]:
    """Every hand-written training utterance, spread over the folds in file order."""
    utterances = []
    for language in LANGUAGES:
        for number, row in enumerate(read_tsv(HERE / "utterances" / f"{language}.tsv")):
            utterances.append(
                Utterance(
                    text=row[1],
                    intent=row[0],
                    escalation=row[2] if len(row) > 2 else "normal",
                    language=language,
                    weight=HAND_WEIGHT.get(language, OTHER_WEIGHT),
                    fold=number % FOLDS,
                )
            )
    return utterances


def misspell(text: str, chance: random.Random) -> str:
    """Drop, double or swap one letter, as a thumb would."""
    if len(text) < 6:
        return text
    at = chance.randrange(1, len(text) - 2)
    kind = chance.randrange(3)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[at] + text[at:]
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def variants(utterances: list[Utterance], chance: random.Random) -> list[Utterance]:
    """One misspelled copy of each message and one with a greeting before it, in the same fold."""
    made = []
    for utterance in utterances:
        texts = [misspell(utterance.text, chance)]
        if utterance.intent not in NO_OPENER:
            texts.append(chance.choice(OPENERS[utterance.language]) + utterance.text)
        made += [
            replace(utterance, text=text, weight=utterance.weight / 3, variant=True)
            for text in texts
            if text != utterance.text
        ]
    return made


def held_out(name: str) -> list[Utterance]:
    """Messages never trained on: `dev` calibrates and may be looked at, `test` only measures."""
    return [
        Utterance(language=row[0], intent=row[1], text=row[2], escalation=row[3] if len(row) > 3 else "normal")
        for row in read_tsv(HERE / "utterances" / f"{name}.tsv")
    ]


# --- public -----------------------------------------------------------------------------------

BITEXT_INTENTS = {
    "delete_account": "delete_account",
    "create_account": "account_help",
    "edit_account": "account_help",
    "recover_password": "account_help",
    "registration_problems": "account_help",
    "contact_customer_service": "human_agent",
    "contact_human_agent": "human_agent",
    "delivery_options": "shipping_options",
    "delivery_period": "delivery_time",
    "complaint": "complaint",
    "check_invoices": "invoice",
    "get_invoice": "invoice",
    "cancel_order": "cancel_order",
    "change_order": "change_order",
    "place_order": "place_order",
    "track_order": "order_status",
    "check_payment_methods": "payment_methods",
    "payment_issue": "payment_problem",
    "check_refund_policy": "return_policy",
    "get_refund": "refund_request",
    "track_refund": "refund_status",
    "change_shipping_address": "change_address",
    "set_up_shipping_address": "change_address",
}
CLINC_INTENTS = {
    "greeting": "greeting",
    "goodbye": "goodbye",
    "thank_you": "thanks",
    "yes": "yes",
    "no": "no",
    "are_you_a_bot": "are_you_a_bot",
    "order_status": "order_status",
}
# Neither an intent of a shop nor clearly none: left out of training.
CLINC_UNCLEAR = {
    "account_blocked", "cancel", "card_declined", "change_language", "maybe", "order", "redeem_rewards",
    "repeat", "replacement_card_duration", "report_fraud", "rewards_balance", "shopping_list", "text",
    "transactions", "what_can_i_ask_you",
}  # fmt: skip
HWU_INTENTS = {"general_affirm": "yes", "general_negate": "no"}
HWU_UNCLEAR = {
    "general_commandstop", "general_confirm", "general_dontcare", "general_explain", "general_praise",
    "general_repeat", "takeaway_order", "takeaway_query",
}  # fmt: skip
MULTIDOGO_INTENTS = {
    "openinggreeting": "greeting",
    "closinggreeting": "goodbye",
    "thankyou": "thanks",
    "confirmation": "yes",
    "rejection": "no",
}
# Turns longer than this carry more than the label says.
MULTIDOGO_WORDS = 5

# How many messages to take: per source intent for Bitext (its sentences come from templates), per
# source intent for small talk and everyday requests, in all for the shopping sets.
BITEXT_PER_INTENT = 40
SMALL_TALK_PER_INTENT = 40
OUT_OF_SCOPE_PER_INTENT = 12
SHOPPING = 300

ALWAYS_ESCALATED = {"human_agent": "escalate", "complaint": "escalate"}


class Sources:
    """The public files, each checked against the checksum in sources.yaml when it is opened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries = yaml.safe_load((HERE / "sources.yaml").read_text(encoding="utf-8"))

    def open(self, name: str) -> str:
        entry = self.entries[name]
        path = self.folder / entry["file"]
        if not path.exists():
            raise SystemExit(f"{path} is missing; it comes from {entry['origin']}")
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if digest != entry["sha256"]:
            raise SystemExit(f"{path} has sha256 {digest}, expected {entry['sha256']}")
        return content.decode("utf-8-sig")


Pairs = Iterator[tuple[str, str]]


def bitext(sources: Sources) -> Pairs:
    for name in ("bitext_8k", "bitext_20k"):
        for row in csv.DictReader(sources.open(name).splitlines()):
            # Flag W marks swear words sprinkled into polite templates: no anger to learn from.
            if "W" not in (row.get("flags") or row.get("tags") or ""):
                yield row["utterance"], row["intent"]


def clinc(sources: Sources, split: str = "train") -> Pairs:
    yield from json.loads(sources.open("clinc150"))[split]


def hwu(sources: Sources) -> Pairs:
    yield from zip(sources.open("hwu64_text").splitlines(), sources.open("hwu64_label").splitlines())


def multidogo(sources: Sources) -> Pairs:
    for line in sources.open("multidogo").splitlines()[1:]:
        cells = line.split("\t")
        if len(cells) == 6 and len(cells[3].split()) <= MULTIDOGO_WORDS:
            yield cells[3], cells[5]


def take(pairs: Pairs, limit: int, chance: random.Random, rename: Callable[[str], str | None]) -> list[Utterance]:
    """At most `limit` distinct messages for each source label, under the name `rename` gives it."""
    by_label: dict[str, set[str]] = {}
    for text, label in pairs:
        by_label.setdefault(label, set()).add(text.strip())
    taken = []
    for label, texts in sorted(by_label.items()):
        intent = rename(label)
        if intent is None:
            continue
        chosen = chance.sample(sorted(texts), min(limit, len(texts)))
        weight = PUBLIC_OUT_OF_SCOPE_WEIGHT if intent == OUT_OF_SCOPE else 1.0
        level = ALWAYS_ESCALATED.get(intent, "normal")
        taken += [Utterance(text, intent, level, weight=weight) for text in chosen]
    return taken


def everyday(known: dict[str, str], unclear: set[str]) -> Callable[[str], str | None]:
    """Labels of a general assistant that mean nothing to a shop are out of scope."""
    return lambda label: None if label in unclear or label in known else OUT_OF_SCOPE


def public(sources: Sources, chance: random.Random) -> list[Utterance]:
    """The sample of public data that the heads see."""
    shopping = [(goal, "product_search") for goal in json.loads(sources.open("webshop"))]
    questions = csv.DictReader(sources.open("hetpqa").splitlines(), delimiter="\t")
    asked = [(row["question"], "product_question") for row in questions]
    return [
        *take(bitext(sources), BITEXT_PER_INTENT, chance, BITEXT_INTENTS.get),
        *take(clinc(sources), SMALL_TALK_PER_INTENT, chance, CLINC_INTENTS.get),
        *take(clinc(sources), OUT_OF_SCOPE_PER_INTENT, chance, everyday(CLINC_INTENTS, CLINC_UNCLEAR)),
        *take(clinc(sources, "oos_train"), 100, chance, lambda _: OUT_OF_SCOPE),
        *take(hwu(sources), SMALL_TALK_PER_INTENT, chance, HWU_INTENTS.get),
        *take(hwu(sources), OUT_OF_SCOPE_PER_INTENT, chance, everyday(HWU_INTENTS, HWU_UNCLEAR)),
        *take(multidogo(sources), SMALL_TALK_PER_INTENT, chance, MULTIDOGO_INTENTS.get),
        *take(iter(shopping), SHOPPING, chance, lambda label: label),
        *take(iter(asked), SHOPPING, chance, lambda label: label),
    ]
