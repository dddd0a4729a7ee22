//! Answers a question by quoting the shop's own words, or says that it does not know.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use doorstep_core::{
    Language,
    health::PortError,
    message::FactSource,
    search::{DocumentKind, SearchFilters, SearchHit, SearchQuery, SearchSort},
};
use serde::Serialize;

use super::{
    Action, ArgumentSpec, Call, FactMap, Outcome, OutcomeSpec, Takes, facts, json, searching,
};
use crate::{
    dialogue::{Scene, cues, replies},
    flows::SlotKind,
};

/// What speaks for a passage: its similarity to the question and its share of the question's words, each times its weight;
/// what speaks for none of them: a weight of its own, how likely the message is out of scope, and every word of the question
/// that none of them holds. A passage's chance is then its share of all of these (a conditional logit: McFadden, "Conditional
/// logit analysis of qualitative choice behavior", 1974). `training/answers.py` fits the weights, and the least chance, to
/// questions that nothing is measured by; see `docs/answers.md`.
const SIMILARITY: f32 = 15.08;
const WORDS: f32 = 5.16;
const NONE: f32 = 9.26;
const OUT_OF_SCOPE: f32 = 2.21;
const UNKNOWN: f32 = 0.31;
/// The similarity that a passage is taken to have which no model compared with the question.
const UNREAD: f32 = 0.6;
/// A word is known by its first letters; shorter ones say nothing.
const BEGINNING: usize = 5;
const LEAST_LETTERS: usize = 4;

/// The least chance of a passage that is quoted.
const SURE: f32 = 0.4;
/// The same where there is reason for doubt: no flow asked, or the passage is in another language though the shop writes in the
/// customer's too.
const SURE_IN_DOUBT: f32 = 0.6;
/// From this chance of theirs together on, the likeliest of several passages is quoted that share a question, where all stand in
/// documents that the flow names: "what about a warranty?" is answered by each of four.
const SURE_TOGETHER: f32 = 0.95;
/// How many passages are compared.
const MAX_HITS: usize = 128;
/// How much of a passage is quoted, in characters; it ends with a sentence.
const MAX_QUOTE: usize = 700;

pub(crate) const ANSWERED: &str = "answered";
pub(crate) const ANSWERED_IN_ANOTHER_LANGUAGE: &str = "answered_in_another_language";
const NOT_KNOWN: &str = "not_known";

/// Intents that say what a customer wishes, and the question that stands for each: "I want to return my boots" asks how that is
/// done, and in its own words comes as near to any other passage about returns.
const WISHES: [(&str, &str); 2] = [
    ("return_request", replies::QUESTION_RETURN),
    ("exchange_item", replies::QUESTION_EXCHANGE),
];

pub(super) struct AnswerPolicy;

#[async_trait]
impl Action for AnswerPolicy {
    fn name(&self) -> &'static str {
        "answer_policy"
    }

    fn arguments(&self) -> &'static [ArgumentSpec] {
        const ARGUMENTS: &[ArgumentSpec] = &[
            ArgumentSpec {
                name: "about",
                takes: Takes::Words(&[]),
                required: false,
            },
            // Somebody who names an order asks about that one, and not in general.
            ArgumentSpec {
                name: "unless",
                takes: Takes::Slot(&[SlotKind::OrderNumber, SlotKind::TrackingNumber]),
                required: false,
            },
        ];
        ARGUMENTS
    }

    fn outcomes(&self) -> &'static [OutcomeSpec] {
        const OUTCOMES: &[OutcomeSpec] = &[
            OutcomeSpec {
                name: ANSWERED,
                samples: passage_samples,
            },
            OutcomeSpec {
                name: ANSWERED_IN_ANOTHER_LANGUAGE,
                samples: passage_samples,
            },
            OutcomeSpec::bare(NOT_KNOWN),
            OutcomeSpec::bare("unreachable"),
        ];
        OUTCOMES
    }

    async fn run(&self, call: &mut Call<'_>) -> Outcome {
        if call.slot("unless").is_some() {
            return Outcome::of(NOT_KNOWN);
        }
        let about = call.words("about");
        let found = match wish(call) {
            Some(reply) => find_for_wish(call, reply, about).await,
            None => find(call.scene, &Question::of_message(call.scene), about, SURE).await,
        };
        match found {
            Ok(Some(found)) => found.quoted(call.scene),
            Ok(None) => Outcome::of(NOT_KNOWN),
            Err(error) => Outcome::unreachable(&error),
        }
    }
}

/// The passage that answers a message which no flow is for, if one surely does.
pub(crate) async fn answer_unasked(scene: &Scene<'_>) -> Option<Outcome> {
    let found = find(scene, &Question::of_message(scene), &[], SURE_IN_DOUBT).await;
    let found = found.inspect_err(|error| {
        tracing::warn!(port = %error.port, reason = %error.reason, "the knowledge could not be asked");
    });
    Some(found.ok()??.quoted(scene))
}

/// The fact `passage`.
#[derive(Serialize)]
struct PassageFacts {
    title: String,
    text: String,
    source: String,
}

/// The facts of an answer, in the shape they have.
pub(crate) fn passage_samples() -> Vec<FactMap> {
    let passage = PassageFacts {
        title: "Returns".into(),
        text: "You can return it.".into(),
        source: "returns.en.md#refunds".into(),
    };
    vec![facts([("passage", json(passage))])]
}

/// A passage that answers.
struct Found {
    hit: SearchHit,
    /// Whether it is in the customer's language.
    own_language: bool,
}

/// What passages are looked for by.
struct Question {
    text: String,
    vector: Option<Vec<f32>>,
    /// How likely it is out of scope.
    out_of_scope: f32,
}

impl Question {
    /// The customer's own words.
    fn of_message(scene: &Scene<'_>) -> Self {
        let intents = &scene.understanding.intents;
        let out_of_scope = intents.iter().find(|intent| intent.name == "out_of_scope");
        Self {
            text: scene.waiting.text.clone(),
            vector: scene.understanding.vector.clone(),
            out_of_scope: out_of_scope.map_or(0.0, |intent| intent.confidence),
        }
    }

    /// The question that stands for what the customer wishes, in the words of the reply `wish`.
    async fn of_wish(call: &Call<'_>, wish: &str) -> Self {
        let text = call.label(wish, call.facts);
        Self {
            vector: searching::vector(call.scene, &text).await,
            text,
            out_of_scope: 0.0,
        }
    }
}

/// The reply whose words stand for what the customer wishes, if one does.
fn wish(call: &Call<'_>) -> Option<&'static str> {
    let mut wishes = WISHES.iter();
    let (_, reply) = wishes.find(|(intent, _)| *intent == call.frame.intent)?;
    Some(reply)
}

/// The passage for somebody who wishes something. A question of theirs is answered before the one that stands for the wish;
/// where they ask nothing, or are answered later, the wish comes first.
async fn find_for_wish(
    call: &Call<'_>,
    wish: &str,
    about: &[String],
) -> Result<Option<Found>, PortError> {
    let scene = call.scene;
    let said = Question::of_message(scene);
    if cues::is_question(&scene.waiting.text)
        && let Some(found) = find_in_own_language(scene, &said, about, SURE).await?.1
    {
        return Ok(Some(found));
    }
    let wish = Question::of_wish(call, wish).await;
    match find(scene, &wish, about, SURE).await? {
        Some(found) => Ok(Some(found)),
        None => find(scene, &said, about, SURE).await,
    }
}

/// The passage that answers in the customer's language, else one of a document that is not written in it. `about` are the
/// documents that the answer is expected in.
async fn find(
    scene: &Scene<'_>,
    question: &Question,
    about: &[String],
    sure: f32,
) -> Result<Option<Found>, PortError> {
    let (spoken, found) = find_in_own_language(scene, question, about, sure).await?;
    if found.is_some() {
        return Ok(found);
    }
    let own: Option<Language> = scene.language.primary().parse().ok();
    let mut others: BTreeMap<String, Vec<SearchHit>> = BTreeMap::new();
    for hit in search(scene, question, None).await? {
        let is_own = own.as_ref().is_some_and(|own| own.matches(&hit.language));
        // What it says in the customer's language was no answer.
        if !is_own && !spoken.contains(document(&hit)) {
            let language = hit.language.primary().to_owned();
            others.entry(language).or_default().push(hit);
        }
    }
    let others = others.into_values().collect();
    let sure = if spoken.is_empty() {
        sure
    } else {
        SURE_IN_DOUBT
    };
    Ok(best(scene, question, others, about, sure).map(|hit| Found {
        hit,
        own_language: false,
    }))
}

/// The documents that the shop has in the customer's language, and the passage of them that answers.
async fn find_in_own_language(
    scene: &Scene<'_>,
    question: &Question,
    about: &[String],
    sure: f32,
) -> Result<(BTreeSet<String>, Option<Found>), PortError> {
    let own: Option<Language> = scene.language.primary().parse().ok();
    let hits = search(scene, question, own).await?;
    let spoken = hits.iter().map(|hit| document(hit).to_owned()).collect();
    let found = best(scene, question, vec![hits], about, sure).map(|hit| Found {
        hit,
        own_language: true,
    });
    Ok((spoken, found))
}

async fn search(
    scene: &Scene<'_>,
    question: &Question,
    language: Option<Language>,
) -> Result<Vec<SearchHit>, PortError> {
    let query = SearchQuery {
        text: question.text.clone(),
        vector: question.vector.clone(),
        kind: DocumentKind::Passage,
        language,
        filters: SearchFilters::default(),
        sort: SearchSort::Relevance,
        facets: Vec::new(),
        limit: MAX_HITS,
    };
    Ok(scene.parts.search.search(&query).await?.hits)
}

/// The passage with the best chance to answer, if that is `sure` enough or it shares the question with others that are expected
/// to answer it; of several that are, one that is expected to. The passages of each language are weighed against each other alone:
/// they say the same, and must not share their chance.
fn best(
    scene: &Scene<'_>,
    question: &Question,
    languages: Vec<Vec<SearchHit>>,
    about: &[String],
    sure: f32,
) -> Option<SearchHit> {
    let asked = words(&question.text);
    let mut best: Option<((bool, f32), SearchHit)> = None;
    for hits in languages {
        let none = none(scene, question, &hits);
        let weights: Vec<f32> = hits.iter().map(|hit| (weight(hit) - none).exp()).collect();
        // Of none of them: e to the power of 0.
        let all = 1.0 + weights.iter().sum::<f32>();
        let expected = hits.iter().zip(&weights);
        let expected = expected.filter(|(hit, _)| is_from(hit, about));
        let together = expected.map(|(_, weight)| weight).sum::<f32>() / all;
        for (hit, weight) in hits.into_iter().zip(weights) {
            // Who asks in the very words of a heading means what stands below it.
            let in_its_words = is_in_words(&hit.title, &asked);
            let chance = if in_its_words { 1.0 } else { weight / all };
            let is_expected = is_from(&hit, about);
            let is_sure = chance >= sure || (is_expected && together >= SURE_TOGETHER);
            let rank = (is_expected, chance);
            if is_sure && best.as_ref().is_none_or(|(before, _)| rank > *before) {
                best = Some((rank, hit));
            }
        }
    }
    best.map(|(_, hit)| hit)
}

fn weight(hit: &SearchHit) -> f32 {
    SIMILARITY * hit.similarity.unwrap_or(UNREAD) + WORDS * hit.word_share
}

/// What speaks for none of the passages of one language.
fn none(scene: &Scene<'_>, question: &Question, hits: &[SearchHit]) -> f32 {
    let is_own = hits
        .first()
        .is_some_and(|hit| hit.language.matches(scene.language));
    let unknown = match is_own {
        true => unknown(&question.text, hits),
        // Another language has other words for everything.
        false => 0,
    };
    NONE + OUT_OF_SCOPE * question.out_of_scope + UNKNOWN * unknown as f32
}

/// How many words of the question no passage holds.
fn unknown(question: &str, hits: &[SearchHit]) -> usize {
    let mut unknown = beginnings(question);
    for hit in hits {
        if unknown.is_empty() {
            break;
        }
        let text = format!("{} {}", hit.title, hit.body).to_lowercase();
        unknown.retain(|beginning| !holds(&text, beginning));
    }
    unknown.len()
}

/// What the longer words of a text begin with.
fn beginnings(text: &str) -> BTreeSet<String> {
    let long = |word: &String| word.chars().count() >= LEAST_LETTERS;
    let beginning = |word: String| word.chars().take(BEGINNING).collect();
    words(text)
        .into_iter()
        .filter(long)
        .map(beginning)
        .collect()
}

/// Whether a word of `text` begins so; a short one must be the whole word.
fn holds(text: &str, beginning: &str) -> bool {
    let is_whole = beginning.chars().count() < BEGINNING;
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices(beginning).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + beginning.len()..].chars().next();
        let goes_on = is_whole && is_letter(after);
        !is_letter(before) && !goes_on
    })
}

fn words(text: &str) -> BTreeSet<String> {
    each_word(&text.to_lowercase()).map(str::to_owned).collect()
}

fn each_word(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| !word.is_empty())
}

/// Whether a heading has just the words that were asked with.
fn is_in_words(heading: &str, asked: &BTreeSet<String>) -> bool {
    let heading = heading.to_lowercase();
    // Most headings have another word at once.
    !asked.is_empty()
        && each_word(&heading).all(|word| asked.contains(word))
        && words(&heading) == *asked
}

/// Whether a passage stands in one of the documents that the flow expects the answer in.
fn is_from(hit: &SearchHit, documents: &[String]) -> bool {
    documents.iter().any(|name| name == document(hit))
}

/// The document that a passage stands in, whatever its language: `returns` of `returns.en.md#refunds`.
fn document(hit: &SearchHit) -> &str {
    hit.source.split(['.', '#']).next().unwrap_or_default()
}

impl Found {
    fn quoted(&self, scene: &Scene<'_>) -> Outcome {
        let passage = PassageFacts {
            title: self.hit.title.clone(),
            text: shortened(self.hit.body.trim(), MAX_QUOTE),
            source: self.hit.source.clone(),
        };
        let name = if self.own_language {
            ANSWERED
        } else {
            ANSWERED_IN_ANOTHER_LANGUAGE
        };
        Outcome {
            sources: vec![FactSource {
                name: format!("policy:{}", self.hit.source),
                as_of: scene.now,
            }],
            ..Outcome::of(name).with("passage", passage)
        }
    }
}

/// The text up to the last sentence or line that ends within `limit` characters.
fn shortened(text: &str, limit: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(limit) else {
        return text.to_owned();
    };
    let head = &text[..end];
    let cut = head
        .rfind(['\n', '.', '!', '?', '。'])
        .and_then(|at| head[at..].chars().next().map(|c| at + c.len_utf8()))
        .unwrap_or(end);
    format!("{} …", head[..cut].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_passage_ends_with_a_sentence() {
        assert_eq!(shortened("One. Two. Three.", 100), "One. Two. Three.");
        assert_eq!(shortened("One. Two. Three and four", 12), "One. Two. …");
        assert_eq!(shortened("ünbroken", 3), "ünb …");
    }
}
