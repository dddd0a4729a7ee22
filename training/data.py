"""Messages written for this project and public ones, as the training sees them."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

HERE = Path(__file__).parent
LANGUAGES = ("en", "es", "pt", "fr", "de", "it", "ru")
ESCALATION = ("normal", "escalate", "urgent")
SENTIMENT = ("negative", "neutral", "positive")
OUT_OF_SCOPE = "out_of_scope"
UNKNOWN = "unknown"  # a sentiment that nobody wrote down


@dataclass(frozen=True)
class Utterance:
    """One labelled message; `intents` in the order in which it asks for them."""

    text: str
    intents: tuple[str, ...]
    escalation: str = "normal"
    sentiment: str = "neutral"
    language: str = "en"

    @property
    def intent(self) -> str:
        return self.intents[0]


# --- written for this project -----------------------------------------------------------------


HELD_OUT = ("calibration", "several_dev", "test", "mixed")


def read_tsv(path: Path) -> list[list[str]]:
    """Rows of a tab-separated file without quoting."""
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def utterance(language: str, intents: str, text: str, escalation: str = "", sentiment: str = "") -> Utterance:
    return Utterance(text, tuple(intents.split("|")), escalation or "normal", sentiment or "neutral", language)


def written() -> list[Utterance]:
    """Every training message of `utterances/<language>/`, each text once; a held-out one among them is refused."""
    kept_out = {plain(message.text): name for name in HELD_OUT for message in held_out(name)}
    messages: dict[str, Utterance] = {}
    for language in LANGUAGES:
        for path in sorted((HERE / "utterances" / language).glob("*.tsv")):
            for number, row in enumerate(read_tsv(path), start=1):
                message = utterance(language, *row)
                if found := kept_out.get(plain(message.text)):
                    raise SystemExit(f"{path}, message {number}: {message.text!r} is held out in {found}.tsv; take it out here")
                message = without_guesses(message) if path.stem == "first" else message
                messages.setdefault(plain(message.text), message)
    return list(messages.values())


def plain(text: str) -> str:
    """The letters and digits of a text: what makes it the same text."""
    return "".join(character for character in text.lower() if character.isalnum())


def without_guesses(message: Utterance) -> Utterance:
    """The first messages have no sentiment written down; only these intents tell it."""
    told = {"complaint": "negative", "praise": "positive"}.get(message.intent, UNKNOWN)
    return Utterance(message.text, message.intents, message.escalation, told, message.language)


def held_out(name: str) -> list[Utterance]:
    """Messages never trained on: `calibration` sets the thresholds, `several_dev` those of several wishes, `test` and `mixed`
    only measure."""
    return [utterance(*row) for row in read_tsv(HERE / "utterances" / f"{name}.tsv")]


# --- public -----------------------------------------------------------------------------------

Pairs = Iterator[tuple[str, str]]

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
# Labels of dialogue turns that say nothing of what a turn is about.
MULTIDOGO_EMPTY = {"contentonly", "outofdomain", ""}
MULTIDOGO_DOMAINS = ("airline", "fastfood", "finance", "insurance", "media", "software")

# How many messages to take: per source intent for Bitext (its sentences come from templates), per
# source intent for small talk and everyday requests, in all for the shopping sets.
BITEXT_PER_INTENT = 40
SMALL_TALK_PER_INTENT = 30
OUT_OF_SCOPE_PER_INTENT = 15
SHOPPING = 300

ALWAYS_ESCALATED = {"human_agent": "escalate", "complaint": "escalate"}


class Sources:
    """The public files, each checked against the checksum in sources.yaml when it is opened. `without` leaves
    sets out altogether, for measuring on them an encoder that never saw them."""

    def __init__(self, folder: Path, without: frozenset[str] = frozenset()) -> None:
        self.folder = folder
        self.without = without
        self.entries = yaml.safe_load((HERE / "sources.yaml").read_text(encoding="utf-8"))

    def has(self, name: str) -> bool:
        return name not in self.without

    def open(self, name: str) -> str:
        entry = self.entries[name]
        path = self.folder / entry["file"]
        if not path.exists():
            raise SystemExit(f"{path} is missing; it comes from {entry['origin']}")
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if digest != entry["sha256"]:
            raise SystemExit(f"{path} has sha256 {digest}, expected {entry['sha256']}")
        return content.decode("utf-8-sig", errors="replace")  # one of the files is not all UTF-8


def bitext(sources: Sources) -> Pairs:
    for name in ("bitext_8k", "bitext_20k"):
        for row in csv.DictReader(sources.open(name).splitlines()):
            # Flag W marks swear words sprinkled into polite templates: no anger to learn from.
            if "W" not in (row.get("flags") or row.get("tags") or ""):
                yield row["utterance"], row["intent"]


def clinc(sources: Sources, split: str = "train") -> Pairs:
    if sources.has("clinc150"):
        yield from json.loads(sources.open("clinc150"))[split]


def hwu(sources: Sources, split: str = "") -> Pairs:
    """The training set, or another `split` of it."""
    if sources.has("hwu64"):
        names = [f"hwu64_{split}_{part}" if split else f"hwu64_{part}" for part in ("text", "label")]
        texts, labels = (sources.open(name).splitlines() for name in names)
        yield from zip(texts, labels)


def snips(sources: Sources) -> Pairs:
    for name in (entry for entry in sources.entries if entry.startswith("snips_")):
        for intent, messages in json.loads(sources.open(name)).items():
            for message in messages:
                yield "".join(part["text"] for part in message["data"]).strip(), intent


def multidogo(sources: Sources) -> Pairs:
    """Turns with one intent, which is told apart by domain unless it is small talk."""
    for domain in MULTIDOGO_DOMAINS:
        for line in sources.open(f"multidogo_{domain}").splitlines()[1:]:
            cells = line.split("\t")
            if len(cells) == 6 and "<div>" not in cells[5] and 2 <= len(cells[3].split()) <= 20:
                label = cells[5].strip()
                if label not in MULTIDOGO_EMPTY:
                    yield cells[3], f"{domain} {label}" if label.endswith("intent") else label


def product_questions(sources: Sources) -> list[str]:
    rows = csv.DictReader(sources.open("hetpqa").splitlines(), delimiter="\t")
    return [row["question"] for row in rows]


def shopping_goals(sources: Sources) -> list[str]:
    return json.loads(sources.open("webshop"))


def goods(sources: Sources) -> list[str]:
    """Texts about products: their titles, what is said of them, what is asked, what is looked for."""
    epqa = list(csv.DictReader(sources.open("epqa").splitlines()))
    said = [row["candidate"].split(" Question: ")[0] for row in epqa]
    said += [row["candidate"] for row in csv.DictReader(sources.open("hetpqa").splitlines(), delimiter="\t")]
    titles = [row["title"] for row in epqa]
    return sorted({text.strip() for text in titles + said + product_questions(sources) + shopping_goals(sources)} - {""})


Rename = Callable[[str], str | None]


def take(pairs: Pairs, limit: int, chance: random.Random, rename: Rename) -> list[Utterance]:
    """At most `limit` distinct messages for each source label, under the name `rename` gives it."""
    taken = []
    for label, texts in sorted(by_label(pairs).items()):
        intent = rename(label)
        if intent is None:
            continue
        level = ALWAYS_ESCALATED.get(intent, "normal")
        for text in chance.sample(texts, min(limit, len(texts))):
            taken.append(Utterance(text, (intent,), level, UNKNOWN))
    return taken


def by_label(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The distinct texts of each label, in an order that does not depend on the run."""
    texts: dict[str, set[str]] = defaultdict(set)
    for text, label in pairs:
        texts[label].add(text.strip())
    return {label: sorted(group) for label, group in sorted(texts.items())}


def everyday(known: dict[str, str], unclear: set[str]) -> Rename:
    """Labels of a general assistant that mean nothing to a shop are out of scope."""
    return lambda label: None if label in unclear or label in known else OUT_OF_SCOPE


def public(sources: Sources, chance: random.Random) -> list[Utterance]:
    """The sample of public messages that teach the shop's own intents."""
    goals = [(text, "product_search") for text in shopping_goals(sources)]
    questions = [(text, "product_question") for text in product_questions(sources)]
    return [
        *take(bitext(sources), BITEXT_PER_INTENT, chance, BITEXT_INTENTS.get),
        *take(clinc(sources), SMALL_TALK_PER_INTENT, chance, CLINC_INTENTS.get),
        *take(clinc(sources), OUT_OF_SCOPE_PER_INTENT, chance, everyday(CLINC_INTENTS, CLINC_UNCLEAR)),
        *take(clinc(sources, "oos_train"), 100, chance, lambda _: OUT_OF_SCOPE),
        *take(hwu(sources), SMALL_TALK_PER_INTENT, chance, HWU_INTENTS.get),
        *take(hwu(sources), OUT_OF_SCOPE_PER_INTENT, chance, everyday(HWU_INTENTS, HWU_UNCLEAR)),
        *take(iter(goals), SHOPPING, chance, lambda label: label),
        *take(iter(questions), SHOPPING, chance, lambda label: label),
    ]


# Sets of many intents, and how often each is drawn from: what keeps intents apart in general.
INTENT_SETS = {"clinc150": 3.0, "hwu64": 3.0, "bitext": 0.5, "multidogo": 0.7, "snips": 0.2, "written": 3.0}


def intent_sets(sources: Sources, messages: list[Utterance]) -> dict[str, dict[str, list[str]]]:
    """Set → intent → texts. Messages of this project stand under their intent in all languages at once."""
    pairs: dict[str, Iterable[tuple[str, str]]] = {
        "clinc150": itertools.chain(clinc(sources), clinc(sources, "val")),
        "hwu64": hwu(sources),
        "bitext": bitext(sources),
        "multidogo": multidogo(sources),
        "snips": snips(sources),
        "written": [(each.text, each.intent) for each in messages if len(each.intents) == 1 and each.intent != OUT_OF_SCOPE],
    }
    sets = {}
    for name, of_set in pairs.items():
        groups = {label: texts for label, texts in by_label(of_set).items() if len(texts) >= 4}
        if groups:
            sets[name] = groups
    return sets


# --- the same in several languages ---------------------------------------------------------------


@dataclass(frozen=True)
class Translation:
    """An English text and one of the same meaning."""

    english: str
    foreign: str
    language: str
    is_word: bool = False


def parallel(sources: Sources) -> list[Translation]:
    """Texts of shop and support software, and this project's own sentences and words."""
    found: dict[tuple[str, str], Translation] = {}
    files = [(sources.open(name), False) for name in sources.entries if name.startswith("parallel_")]
    for path in sorted((HERE / "lexicon").glob("*.tsv")):
        files.append((path.read_text(encoding="utf-8"), path.stem != "sentences"))
    for content, is_word in files:
        lines = content.splitlines()
        header = lines[0].split("\t")
        for line in lines[1:]:
            for pair in translations(dict(zip(header, line.split("\t"))), is_word):
                found.setdefault((pair.foreign.lower(), pair.language), pair)
    return list(found.values())


def translations(row: dict[str, str], is_word: bool) -> Iterator[Translation]:
    """Pairs of a row; where a word has several forms, all of them."""
    split = (lambda cell: cell.split("|")) if is_word else (lambda cell: [cell])
    for english in split(row.get("en", "").strip())[: 1 if is_word else None]:
        for language in LANGUAGES[1:]:
            for foreign in split(row.get(language, "").strip()):
                english, foreign = english.strip(), foreign.strip()
                if english and foreign and len(english) <= 300:
                    yield Translation(english, foreign, language, is_word)
