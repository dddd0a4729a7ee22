//! Answers a question by quoting the shop's own words, or says that it does not know.

use std::collections::BTreeSet;

use async_trait::async_trait;
use doorstep_core::{
    Language,
    health::PortError,
    message::FactSource,
    search::{DocumentKind, SearchFilters, SearchHit, SearchQuery},
};
use serde::Serialize;

use super::{Action, ArgumentSpec, Call, FactMap, Outcome, OutcomeSpec, Takes, facts, json};

/// From this cosine similarity on a passage answers the question.
const SIMILAR: f32 = 0.45;
/// From this share of the question's words on it does, when no model compared them.
const SHARED: f32 = 0.5;
/// A passage of the document that the flow expects the answer in needs this much less of either.
const EXPECTED_BONUS: f32 = 0.25;
/// How many passages are looked at.
const MAX_HITS: usize = 16;
/// What a heading that is worded like the question adds to similarity, and what a document's opening adds. Chosen on the
/// demo shop's passages, where the encoder alone took "Can I pay in instalments?" for "How can I pay?".
const HEADING: f32 = 0.3;
const OPENING: f32 = 0.12;
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
    let question = words(&call.scene.waiting.text);
    let best = |hits: Vec<SearchHit>, less: f32| {
        hits.into_iter()
            .filter(|hit| answers(hit, less))
            .map(|hit| (closeness(&hit, &question), hit))
            // Of equals the index's first one.
            .reduce(|best, next| if next.0 > best.0 { next } else { best })
            .map(|(_, hit)| hit)
    };
    Ok(best(expected, EXPECTED_BONUS).or_else(|| best(other, 0.0)))
}

/// How close a passage is to the question: by meaning, by how alike its heading is, and a little because it opens its
/// document: general questions are answered at the beginning.
fn closeness(hit: &SearchHit, question: &BTreeSet<String>) -> f32 {
    let heading = words(&hit.title);
    let common = heading.intersection(question).count() as f32;
    let alike = common / heading.union(question).count().max(1) as f32;
    if alike >= 1.0 {
        return f32::MAX;
    }
    let opens = if hit.id.ends_with("#0") { OPENING } else { 0.0 };
    hit.similarity.unwrap_or(hit.word_share) + HEADING * alike + opens
}

fn words(text: &str) -> BTreeSet<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether a passage stands in one of the documents that the flow expects the answer in.
fn is_from(hit: &SearchHit, documents: &[String]) -> bool {
    let file = hit.source.split(['.', '#']).next().unwrap_or_default();
    documents.iter().any(|document| document == file)
}

/// Whether a passage is close enough to the question; `less` is what it is let off.
fn answers(hit: &SearchHit, less: f32) -> bool {
    let by_meaning = hit
        .similarity
        .is_some_and(|similarity| similarity >= SIMILAR - less);
    by_meaning || hit.word_share >= SHARED - less
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
