"""The model card: models/README.md."""

from __future__ import annotations

import datetime
import hashlib
import json
from pathlib import Path

from data import LANGUAGES, Sources
from fit import Tuning
from measure import MEASURED
from train import Material

# What was tried for a bound that is missed, by the beginning of its row's name.
TRIED = {
    "shipped intents, English": "fitting the heads anew by regression on the finished features gave no more; what is missed are"
    " mostly strangers' matters and wishes hidden in a story. The first table counts any of a message's wishes as right.",
    "language, mixed messages": "the language whose grammar carries the message is taken (`nlu/src/language.rs`), chosen on"
    " messages of its own (`nlu/src/language/mixed_dev.tsv`: 98.4 % of the half that only judged).",
    "CLINC150, all examples: in scope": "the frozen base encoder has 95.4 %. A topic vector beside the sentence vector, which a"
    " contrastive loss over six intent sets gathers, and the words themselves beside the vectors brought the rest.",
    "CLINC150, 10 examples": "the encoder without it was fine-tuned for 500 steps (`--without clinc150 --steps 500`), a sixth of what"
    " ships. Before, an encoder of an earlier recipe (one vector for products and intents) without CLINC150 gave 91.5 %,"
    " English encoders fine-tuned only on other intent sets 92.7 %, the untouched base 90.9 %.",
    "HWU64, 10 examples": "as above, with `--without hwu64`. English encoders fine-tuned only on other intent sets gave 84.1 %, the"
    " untouched base 82.1 %.",
    "int8": "without the correction of biases the graph of the same weights lost 0.7 points.",
    "several wishes": "what is missed are wishes without a clause of their own, and clauses that the model reads wrongly when they"
    " stand alone. Lower thresholds find more of them and take more messages with one wish for several (`training/wishes.py`).",
    "one wish": "several of these do ask for two things, one of which the label leaves out (money back and a complaint); a stricter"
    " rule finds fewer second wishes.",
    "speed": "they are measured apart, on an idle machine (`doorstep-bench --understanding`).",
}


def table(head: str, rows: list[str]) -> str:
    columns = head.count("|") - 1
    return "\n".join([head, "|" + "---|" * columns, *rows])


def accuracy_table(scores: dict) -> str:
    rows = []
    for code, (share, count) in scores["accuracy"].items():
        in_scope = scores["in_scope"][code][0]
        rows.append(f"| {code} | {share:.1%} | {in_scope:.1%} | {count} |")
    return table("| language | intent right | of those a shop answers | messages |", rows)


def selective_table(scores: dict) -> str:
    rows = [
        f"| {limit} | {values['coverage']:.1%} | {values['error']:.1%} | {first_error(values)} |"
        for limit, values in scores["selective"].items()
    ]
    head = "| `max_wrong` | in-scope messages answered | answers that are wrong | answers that are not the first wish |"
    return table(head, rows)


def first_error(values: dict) -> str:
    """Scores of an earlier version lack it."""
    return f"{values['first_error']:.1%}" if "first_error" in values else "not measured"


def intent_table(scores: dict) -> str:
    rows = [f"| {name} | {right} / {count} |" for name, (right, count) in scores["intents"].items()]
    return table("| intent | right (all languages) |", rows)


def licence_table(sources: Sources) -> str:
    rows = [f"| {name} | {entry['licence']} | {entry['origin']} |" for name, entry in sources.entries.items()]
    return table("| data | licence | origin |", rows)


def tried(row: dict) -> str:
    texts = [text for beginning, text in TRIED.items() if row["what"].startswith(beginning)]
    return f"*{row['what']}*: {texts[0] if texts else 'nothing yet.'}"


def measured_table(scores: dict, model: str) -> str:
    """What `training/measure.py` printed of the finished program, and what was tried where a bound is missed."""
    if not MEASURED.exists():
        return "Not measured yet: run `training/measure.py`."
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    of_another = "" if measured.get("model") == model else "**These figures are of another model: run `training/measure.py`.**\n\n"
    rows = [int8_row(scores), *measured["rows"]]
    lines = [
        f"| {row['what']} | {row['bound']} | {row['value']} | {'met' if row['met'] else '**missed**'} |" for row in rows
    ]
    commands = "\n".join(f"    {command}" for command in measured["commands"])
    return f"""{of_another}{table("| figure | bound | measured | |", lines)}

`training/measure.py --data FOLDER` measures them, and writes the sets of `training/build/sets`; the commands that read
`training/utterances` need nothing but a clone:

{commands}

What is missed, and what was tried:

{bullets([tried(row) for row in rows if not row["met"]])}"""


def int8_row(scores: dict) -> dict:
    """How many points of accuracy int8 costs on the test messages."""
    right = [share for share, _ in scores["accuracy"].values()]
    lost = scores["exact_accuracy"] - sum(right) / len(right)
    return {"what": "int8: accuracy lost", "bound": "≤ 0.5%", "value": f"{lost:.1%}", "met": lost <= 0.005}


def bullets(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) or "- none"


def card(scores: dict, graph: Path, sources: Sources, material: Material, tuning: Tuning) -> str:
    """Everything a reader needs to decide whether to trust the model."""
    found, in_order, imagined = scores["several"]
    same, cosine = scores["agreement"]
    overall = sum(share * count for share, count in scores["accuracy"].values())
    overall /= sum(count for _, count in scores["accuracy"].values())
    written = len(material.messages) + len(material.public)
    confusions = bullets([f"{pair}: {count}" for pair, count in scores["confusions"]])
    return f"""# understanding: intents, escalation, sentiment and a sentence vector in one pass

Written by `training/make.py` on {datetime.date.today().isoformat()}; change the script, not this file.

| | |
|---|---|
| file | `understanding.onnx`, {graph.stat().st_size / 1e6:.1f} MB: int8 products and word table, float32 heads, opset 14 |
| encoder | all-MiniLM-L6-v2 (Apache-2.0), its word list replaced by one for seven languages, fine-tuned for {tuning.steps:,} steps |
| languages | {", ".join(LANGUAGES)}, and mixtures of them |
| inputs | `input_ids`, `attention_mask`: int64 [batch, seq], at most 128 tokens by `tokenizer.json` |
| `embedding` | float32 [batch, 384], length 1: what a text means; search compares these |
| `topic` | float32 [batch, 384], length 1: what a text is about, close for texts of one intent; merchants' own intents read both |
| `intent_logits` | float32 [batch, 40]: softmax is the calibrated confidence (the temperature is inside) |
| `presence_logits` | float32 [batch, 40]: sigmoid of each says whether it is asked for at all |
| `positions` | float32 [batch, 40]: where in the text it is asked for, 0 to 1 |
| `escalation_logits` | float32 [batch, 3]: normal, escalate, urgent; leans towards a person: take the largest |
| `sentiment_logits` | float32 [batch, 3]: negative, neutral, positive |
| names, thresholds | `understanding.json`; the intents are explained in `config/taxonomy.yaml` |

Activations are quantised with fixed ranges, so that a text's result does not depend on the texts it is batched with. The shift that
rounding leaves in each product on average is taken out of its bias (`export.py`).

## Scores

Messages of `training/utterances/test.tsv`, {sum(count for _, count in scores["accuracy"].values()):,} in all, never trained on, invented for this
project in the style of customers by somebody who did not see the training messages (a language model; no native speaker
has reviewed them, so real traffic will score lower). With {min(count for _, count in scores["accuracy"].values())} messages a language, one is {1 / min(count for _, count in scores["accuracy"].values()):.1%}.
Its totals were seen while the share of false alarms to aim at was chosen (`FALSE_ALARMS` in `make.py`), and its messages whose
language an earlier detector had missed were read; nothing else was chosen by it.

{accuracy_table(scores)}

- All languages: {overall:.1%}. Two languages in one message (`mixed.tsv`, {scores["mixed_messages"]} messages): {scores["mixed"]:.1%}.
- Confidence in messages a shop answers against the others: AUROC {scores["oos_auroc"]:.3f}.
- Messages that need a person: {scores["escalation_recall"]:.1%} raised ({scores["urgent_recall"]:.1%} of the urgent ones), with {scores["escalation_alarms"]:.1%} false alarms.
- Sentiment right: {scores["sentiment"]:.1%}.
- Of {scores["several_messages"]} messages with several wishes, all wishes are found in {found:.1%}, and in the right order in {in_order:.1%}; {imagined:.1%} of the others are taken for several. Where a second wish is in doubt, the message's clauses are read too (`training/wishes.py`); the rule was chosen on `several_dev.tsv` and `calibration.tsv`.
- int8 and float32 agree on the intent of {same:.1%}; float32 has {scores["exact_accuracy"]:.1%} right; mean cosine of their vectors {cosine:.4f}.

Thresholds follow from `calibration.tsv` for each language, as conformal risk control (Angelopoulos et al. 2022) of the share of wrong answers
among those given:

{selective_table(scores)}

Thresholds and the third column count an answer as right that is any of a message's wishes. The last column counts only the first
wish: so does `doorstep eval intents --builtin`, and with it the table of bounds, which is the stricter of the two. They
differ by the messages with several wishes whose later one is the likeliest reading, and by nothing else.

## Bounds

{measured_table(scores, hashlib.sha256(graph.read_bytes()).hexdigest())}

Messages that have to come out right (`must_pass.tsv`; some are also in training, so this proves no skill) and do not:

{bullets(scores["must_pass"])}

{intent_table(scores)}

Most frequent confusions (truth → answer):

{confusions}

## Limits

- {len(material.pairs):,} translated words and sentences are a small dictionary: words outside shops and everyday talk are read in pieces,
  and Russian endings often are.
- Messages that no intent covers are the hardest: strangers' matters that sound like a shop's are sometimes answered.
- Several wishes are found best when they stand apart; a wish hidden in a story may stay unseen.
- Threshold and temperature come from 110 messages a language.
- Numbers and e-mail addresses alone are no intent; the dialogue reads them as entities.

## Data

{written:,} labelled messages, of which those under `training/utterances/` were written for this project; the words and
sentences under `training/lexicon/` too. Public data, sampled:

{licence_table(sources)}

Bitext's sentences come from templates, so only 40 of each of its intents are used. Intents of `clinc150` and `hwu64` that mean
nothing to a shop serve as `out_of_scope`, and with the others they teach what intents are in general.

## Again

`training/run.sh --data FOLDER`; see `training/README.md`. Seed, checksums of data and package versions are fixed, and so is every
choice by chance: on one machine with as many threads a training gives the same weights twice. At its end it prints by how
much its scores differ from `training/scores.json`, those of the model that ships.
"""
