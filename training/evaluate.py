"""Scores of an exported graph on messages it never saw, and the data that thresholds follow from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from data import ESCALATION, LANGUAGES, OUT_OF_SCOPE, SENTIMENT, Utterance
from export import Runner
from fit import softmax
from wishes import MOST_WISHES, NO_WISH, Row, wishes

# A second wish that is none costs so many times what one missed does: most messages have one, and get an answer too many.
IMAGINED = 6.0
# What a message counts for the threshold of another language; the same as in `nlu/src/thresholds.rs`.
OTHER_LANGUAGES = 0.25
# For a program that cannot read the calibration.
MAX_WRONG = 0.05
# Where the first reading is right less often than this, asking which of two is meant pays.
WORTH_ASKING = 0.6


@dataclass(frozen=True)
class Answers:
    """What a graph said about some messages."""

    messages: list[Utterance]
    labels: list[str]
    rows: dict[str, np.ndarray]

    @staticmethod
    def of(runner: Runner, messages: list[Utterance], labels: list[str]) -> "Answers":
        return Answers(messages, labels, runner.rows([message.text for message in messages]))

    @property
    def shares(self) -> np.ndarray:
        return softmax(self.rows["intent_logits"])

    @property
    def said(self) -> list[str]:
        return [self.labels[at] for at in self.shares.argmax(axis=1)]

    @property
    def right(self) -> np.ndarray:
        """Whether the likeliest intent is one that the message asks for."""
        return np.array([said in message.intents for said, message in zip(self.said, self.messages)])

    @property
    def in_scope(self) -> np.ndarray:
        return np.array([message.intent != OUT_OF_SCOPE for message in self.messages])

    @property
    def confidence(self) -> np.ndarray:
        """The best share any intent other than out_of_scope gets."""
        shares = self.shares
        shares[:, self.labels.index(OUT_OF_SCOPE)] = 0.0
        return shares.max(axis=1)

    @property
    def answered(self) -> np.ndarray:
        """Whether an intent of the shop is the likeliest reading."""
        return np.array([said != OUT_OF_SCOPE for said in self.said])

    @property
    def languages(self) -> np.ndarray:
        return np.array([message.language for message in self.messages])

    def classes(self) -> np.ndarray:
        return np.array([self.labels.index(message.intent) for message in self.messages])

    def wishes(self, row: int, least: float) -> list[str]:
        """What a message asks for in order by presence alone: as the program reads one whose clauses it has no time for."""
        first = self.said[row]
        if first in NO_WISH:
            return [first]
        presence = 1.0 / (1.0 + np.exp(-self.rows["presence_logits"][row]))
        others = [at for at in np.argsort(-presence) if presence[at] >= least and self.labels[at] not in NO_WISH]
        chosen = [self.labels.index(first)] + [at for at in others if self.labels[at] != first]
        chosen = chosen[:MOST_WISHES]
        places = self.rows["positions"][row]
        return [self.labels[at] for at in sorted(chosen, key=lambda at: places[at])]


def accept(confidence: np.ndarray, right: np.ndarray, max_wrong: float, weight: np.ndarray | None = None) -> float:
    """The least confidence at which few enough answers are wrong: conformal risk control (Angelopoulos et al. 2022) of
    the share of wrong ones among those given. From the surest answer downwards, the last place at which
    (wrong + 1) / (given + 1) is still within the limit. The same as `nlu/src/conformal.rs`."""
    weight = np.ones(len(confidence)) if weight is None else weight
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum((~right * weight)[order])
    given = np.cumsum(weight[order])
    fits = np.flatnonzero((wrong + 1) / (given + 1) <= max_wrong)
    return float(confidence[order][fits[-1]]) if len(fits) else 1.0


def per_language(values: np.ndarray, languages: np.ndarray) -> dict[str, tuple[float, int]]:
    """Mean and number of messages of each language."""
    present = [code for code in LANGUAGES if code in languages]
    return {code: (float(values[languages == code].mean()), int((languages == code).sum())) for code in present}


def per_intent(answers: Answers) -> dict[str, tuple[int, int]]:
    """Right and all, for each intent."""
    right, truth = answers.right, answers.classes()
    return {name: (int(right[truth == at].sum()), int((truth == at).sum())) for at, name in enumerate(answers.labels)}


def confusions(answers: Answers, most: int = 15) -> list[tuple[str, int]]:
    """What was taken for what, most frequent first."""
    pairs = zip(answers.messages, answers.said)
    return Counter(f"{message.intent} → {said}" for message, said in pairs if said not in message.intents).most_common(most)


def escalation_scores(answers: Answers) -> tuple[float, float]:
    """Share of the messages that need a person which are raised, and of the others which are."""
    raised = answers.rows["escalation_logits"].argmax(axis=1) > 0
    needed = np.array([message.escalation != "normal" for message in answers.messages])
    return float(raised[needed].mean()), float(raised[~needed].mean())


def urgent_recall(answers: Answers) -> float:
    """Share of the urgent messages that are raised at all."""
    raised = answers.rows["escalation_logits"].argmax(axis=1) > 0
    urgent = np.array([message.escalation == "urgent" for message in answers.messages])
    return float(raised[urgent].mean())


def sentiment_accuracy(answers: Answers) -> float:
    said = answers.rows["sentiment_logits"].argmax(axis=1)
    return float((said == np.array([SENTIMENT.index(message.sentiment) for message in answers.messages])).mean())


def auroc(answers: Answers) -> float:
    """How well confidence tells messages with an intent from messages without one."""
    return float(roc_auc_score(answers.in_scope, answers.confidence))


def several_right(answers: Answers, least: float) -> tuple[float, float, float]:
    """Of messages with several wishes, the share of which all are found, and all in order; of the others, the share
    that are taken for several."""
    both = [row for row, message in enumerate(answers.messages) if len(message.intents) > 1]
    one = [row for row, message in enumerate(answers.messages) if len(message.intents) == 1]
    found = [answers.wishes(row, least) for row in both]
    truth = [list(answers.messages[row].intents) for row in both]
    all_found = np.mean([set(wanted) <= set(said) for wanted, said in zip(truth, found)])
    in_order = np.mean([wanted == said for wanted, said in zip(truth, found)])
    imagined = np.mean([len(answers.wishes(row, least)) > 1 for row in one])
    return float(all_found), float(in_order), float(imagined)


def several_read(answers: Answers, runner: Runner, least: float) -> tuple[float, float, float]:
    """The same three shares as the program has them, which reads clauses where a second wish is in doubt."""

    def read(text: str) -> Row:
        row = runner.run(text)
        shares = softmax(row["intent_logits"][None])[0]
        return shares, 1.0 / (1.0 + np.exp(-row["presence_logits"])), row["positions"]

    found = [wishes(message.text, read, answers.labels, least) for message in answers.messages]
    both = [(list(m.intents), said) for m, said in zip(answers.messages, found) if len(m.intents) > 1]
    one = [said for m, said in zip(answers.messages, found) if len(m.intents) == 1]
    all_found = np.mean([set(wanted) <= set(said) for wanted, said in both])
    in_order = np.mean([wanted == said for wanted, said in both])
    return float(all_found), float(in_order), float(np.mean([len(said) > 1 for said in one]))


def best_presence(answers: Answers) -> float:
    """The least presence that finds most second wishes without imagining many."""

    def worth(least: float) -> float:
        found, _, imagined = several_right(answers, least)
        return found - IMAGINED * imagined

    return float(max(np.arange(0.15, 0.9, 0.05), key=worth))


def raise_bias(answers: Answers, alarms: float) -> float:
    """What the logit of `normal` must lose for so much to be raised of what needs nobody, and thereby most of what does."""
    logits = answers.rows["escalation_logits"]
    calm = np.array([message.escalation == "normal" for message in answers.messages])
    lead = logits[:, 0] - logits[:, 1:].max(axis=1)
    return float(np.quantile(lead[calm], alarms))


def threshold(answers: Answers) -> dict[str, float]:
    """The least confidence in all languages together, and the lead over the second reading below which the first is
    right too rarely to act without asking."""
    least = accept(answers.confidence[answers.answered], answers.right[answers.answered], MAX_WRONG)
    shares = np.sort(answers.shares, axis=1)
    lead, given = shares[:, -1] - shares[:, -2], answers.answered & (answers.confidence >= least)

    def worth_asking(limit: float) -> bool:
        close = given & (lead < limit)
        return bool(close.any()) and float(answers.right[close].mean()) < WORTH_ASKING

    margin = max((limit for limit in np.arange(0.05, 0.5, 0.01) if worth_asking(limit)), default=0.05)
    return {"accept": round(least, 3), "margin": round(float(margin), 2)}


def calibration(answers: Answers) -> list[dict]:
    """Confidence and correctness of held-out messages, from which the program finds the threshold for any
    `max_wrong`. Messages that are read as out of scope are not answered: they stand with confidence 0, and no answer
    is never a right one. What each was read as tells the program later whether customers write of other things."""
    said = np.array([answers.labels.index(name) for name in answers.said])
    confidence = np.where(answers.answered, answers.confidence, 0.0)
    right = answers.answered & answers.right
    table = []
    for code in LANGUAGES:
        rows = answers.languages == code
        table.append(
            {
                "language": code,
                "confidence": [round(float(value), 3) for value in confidence[rows]],
                "right": [int(value) for value in right[rows]],
                "in_scope": [int(value) for value in answers.in_scope[rows]],
                "intent": [int(value) for value in said[rows]],
            }
        )
    return table


def selective(answers: Answers, held_out: Answers, max_wrong: float) -> dict[str, float]:
    """Thresholds from one set, share of in-scope messages answered and share of answers wrong on the other."""
    given = np.zeros(len(answers.messages), bool)
    known = held_out.answered
    first = np.array([said == message.intent for said, message in zip(answers.said, answers.messages)])
    for code in LANGUAGES:
        weight = np.where(held_out.languages == code, 1.0, OTHER_LANGUAGES)[known]
        least = accept(held_out.confidence[known], held_out.right[known], max_wrong, weight)
        given |= (answers.languages == code) & answers.answered & (answers.confidence >= least)
    return {
        "coverage": float(given[answers.in_scope].mean()),
        "error": float(1.0 - answers.right[given].mean()) if given.any() else 0.0,
        # As the program's own measure counts: of several wishes only the first is right.
        "first_error": float(1.0 - first[given].mean()) if given.any() else 0.0,
    }


def agreement(answers: Answers, exact: Answers) -> tuple[float, float]:
    """Share of messages on which two graphs agree, and the mean cosine of their vectors."""
    same = np.mean([one == other for one, other in zip(answers.said, exact.said)])
    cosine = (answers.rows["embedding"] * exact.rows["embedding"]).sum(axis=1).mean()
    return float(same), float(cosine)


def must_pass(answers: Answers, levels: list[list[str]]) -> list[str]:
    """Failures among the messages that have to come out right."""
    raised = [ESCALATION[at] for at in answers.rows["escalation_logits"].argmax(axis=1)]
    return [
        f"{message.text!r}: {said}, {level}"
        for message, said, level, wanted in zip(answers.messages, answers.said, raised, levels)
        if said not in message.intents or level not in wanted
    ]
