//! Answers a question by quoting the shop's own words, or says that it does not know.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use doorstep_core::{
    Language,
    health::PortError,
    message::FactSource,
    search::{DocumentKind, SearchFilters, SearchHit, SearchQuery},
};
use serde::Serialize;

use super::{Action, ArgumentSpec, Call, FactMap, Outcome, OutcomeSpec, Takes, facts, json};

/// From this closeness on a passage answers the question: its cosine similarity, and a little for the words that the two
/// share. Chosen, like the weights below, on 49 questions to the demo shop that are not those it is measured by.
const CLOSE: f32 = 0.7;
const WORDS: f32 = 0.2;
/// What a heading that is worded like the question counts beside similarity when the best passage is chosen.
const HEADING: f32 = 0.6;
/// From this share of the question's words on a passage answers, when no model compared them.
const SHARED: f32 = 0.5;
/// How many passages are looked at; they tell which words are rare.
const MAX_HITS: usize = 100;
/// So many letters of two words make them one word.
const STEM: usize = 5;
/// How much of a passage is quoted, in characters; it ends with a sentence.
const MAX_QUOTE: usize = 700;

pub(super) struct AnswerPolicy;

#[async_trait]
impl Action for AnswerPolicy {
    fn name(&self) -> &'static str {
        "answer_policy"
    }

    fn arguments(&self) -> &'static [ArgumentSpec] {
        const ARGUMENTS: &[ArgumentSpec] = &[ArgumentSpec {
            name: "about",
            takes: Takes::Words(&[]),
            required: false,
        }];
        ARGUMENTS
    }

    fn outcomes(&self) -> &'static [OutcomeSpec] {
        const OUTCOMES: &[OutcomeSpec] = &[
            OutcomeSpec {
                name: "answered",
                samples: passage_samples,
            },
            OutcomeSpec {
                name: "answered_in_another_language",
                samples: passage_samples,
            },
            OutcomeSpec::bare("not_known"),
            OutcomeSpec::bare("unreachable"),
        ];
        OUTCOMES
    }

    async fn run(&self, call: &mut Call<'_>) -> Outcome {
        match find(call).await {
            Ok(Some((hit, own_language))) => quote(call, &hit, own_language),
            Ok(None) => Outcome::of("not_known"),
            Err(error) => Outcome::unreachable(&error),
        }
    }
}

/// The fact `passage`.
#[derive(Serialize)]
struct PassageFacts {
    title: String,
    text: String,
    source: String,
}

fn passage_samples() -> Vec<FactMap> {
    let passage = PassageFacts {
        title: "Returns".into(),
        text: "You can return it.".into(),
        source: "returns.en.md#refunds".into(),
    };
    vec![facts([("passage", json(passage))])]
}

/// The best passage in the customer's language, else in any; and whether it is in theirs.
async fn find(call: &Call<'_>) -> Result<Option<(SearchHit, bool)>, PortError> {
    let primary: Option<Language> = call.scene.language.primary().parse().ok();
    if let Some(hit) = best(call, primary).await? {
        return Ok(Some((hit, true)));
    }
    Ok(best(call, None).await?.map(|hit| (hit, false)))
}

async fn best(call: &Call<'_>, language: Option<Language>) -> Result<Option<SearchHit>, PortError> {
    let query = SearchQuery {
        text: call.scene.waiting.text.clone(),
        vector: call.scene.understanding.vector.clone(),
        kind: DocumentKind::Passage,
        language,
        filters: SearchFilters::default(),
        limit: MAX_HITS,
    };
    let hits = call.scene.parts.search.search(&query).await?;
    let (expected, other): (Vec<SearchHit>, Vec<SearchHit>) = hits
        .into_iter()
        .partition(|hit| is_from(hit, call.words("about")));
    let question = stems(&call.scene.waiting.text);
    let rarity = Rarity::among(expected.iter().chain(&other));
    let best = |hits: Vec<SearchHit>| {
        hits.into_iter()
            .map(|hit| (Closeness::of(&hit, &question, &rarity), hit))
            .filter(|(closeness, hit)| closeness.answers(hit))
            // Of equals the index's first one.
            .reduce(|best, next| {
                if next.0.rank() > best.0.rank() {
                    next
                } else {
                    best
                }
            })
            .map(|(_, hit)| hit)
    };
    Ok(best(expected).or_else(|| best(other)))
}

/// How rare words are among passages: one that is in nearly all of them says little.
struct Rarity {
    passages: usize,
    holding: HashMap<String, usize>,
}

impl Rarity {
    fn among<'a>(hits: impl Iterator<Item = &'a SearchHit>) -> Self {
        let mut rarity = Self {
            passages: 0,
            holding: HashMap::new(),
        };
        for hit in hits {
            rarity.passages += 1;
            for stem in stems_of(hit) {
                *rarity.holding.entry(stem).or_default() += 1;
            }
        }
        rarity
    }

    /// The weight of some words together.
    fn of<'a>(&self, stems: impl Iterator<Item = &'a String>) -> f32 {
        let weight = |stem: &String| {
            let holding = self.holding.get(stem).copied().unwrap_or_default();
            ((self.passages as f32 + 1.0) / (holding as f32 + 0.5)).ln()
        };
        stems.map(weight).sum()
    }
}

/// How close a passage is to the question.
struct Closeness {
    /// By meaning; by words where no model compared them.
    similarity: f32,
    /// The weight of the question's words that the passage holds, as a share of all: 0 to 1.
    covered: f32,
    /// How alike its heading and the question are by their words' weight: 0 to 1.
    heading: f32,
}

impl Closeness {
    fn of(hit: &SearchHit, question: &BTreeSet<String>, rarity: &Rarity) -> Self {
        let (passage, heading) = (stems_of(hit), stems(&hit.title));
        let share = |part: f32, of: f32| if of > 0.0 { part / of } else { 0.0 };
        Self {
            similarity: hit.similarity.unwrap_or(hit.word_share),
            covered: share(
                rarity.of(question.intersection(&passage)),
                rarity.of(question.iter()),
            ),
            heading: share(
                rarity.of(question.intersection(&heading)),
                rarity.of(question.union(&heading)),
            ),
        }
    }

    /// Whether the passage is close enough to the question.
    fn answers(&self, hit: &SearchHit) -> bool {
        match hit.similarity {
            Some(similarity) => similarity + WORDS * (self.covered + self.heading) >= CLOSE,
            None => hit.word_share >= SHARED,
        }
    }

    /// Which of several is quoted: the highest.
    fn rank(&self) -> f32 {
        self.similarity + HEADING * self.heading
    }
}

fn stems_of(hit: &SearchHit) -> BTreeSet<String> {
    let mut found = stems(&hit.title);
    found.extend(stems(&hit.body));
    found
}

/// The beginnings of a text's words.
fn stems(text: &str) -> BTreeSet<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().take(STEM).collect())
        .collect()
}

/// Whether a passage stands in one of the documents that the flow expects the answer in.
fn is_from(hit: &SearchHit, documents: &[String]) -> bool {
    let file = hit.source.split(['.', '#']).next().unwrap_or_default();
    documents.iter().any(|document| document == file)
}

fn quote(call: &Call<'_>, hit: &SearchHit, own_language: bool) -> Outcome {
    let passage = PassageFacts {
        title: hit.title.clone(),
        text: shortened(hit.body.trim(), MAX_QUOTE),
        source: hit.source.clone(),
    };
    let name = if own_language {
        "answered"
    } else {
        "answered_in_another_language"
    };
    Outcome {
        sources: vec![FactSource {
            name: format!("policy:{}", hit.source),
            as_of: call.scene.now,
        }],
        ..Outcome::of(name).with("passage", passage)
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
