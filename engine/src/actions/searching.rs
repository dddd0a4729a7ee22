//! Asking the index for products. It only finds them; what they cost and whether they can be had comes from the shop (G4).

use doorstep_core::{
    Language,
    health::PortError,
    search::{DocumentKind, Facet, SearchAnswer, SearchFilters, SearchQuery, SearchSort},
    understanding::{Entity, EntityKind},
};

use super::Call;
use crate::{
    dialogue::{Scene, memory::Search, shown},
    router::RouterParts,
};

/// Below this a hit that shares no words with the question is a stranger to it. Cosine similarity; sentences in another
/// language than the catalog's reach 0.32 with anything.
const MIN_SIMILARITY: f32 = 0.4;
/// Below this share of common words a hit without a vector is one.
const MIN_WORD_SHARE: f32 = 0.3;

/// A title's word is another form of the message's where it differs by so many letters at its end: `headlamps`.
const MAX_ENDING: usize = 2;
/// Shorter words name no product.
const LEAST_LETTERS: usize = 4;
/// In how many products the words are looked for.
const TITLES: usize = 6;

/// What a customer writes, in the words of the catalog.
pub(super) struct CatalogWords {
    pub(super) text: String,
    vector: Option<Vec<f32>>,
}

impl CatalogWords {
    /// Whether they ask for nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.text.trim().is_empty() && self.vector.is_none()
    }
}

/// What will be read beside a message if it looks for products: its words in the catalog's language. That is likely where it
/// names a price or something of the catalog, and neither an order nor a product.
pub(crate) fn foreseen(
    parts: &RouterParts,
    text: &str,
    language: &Language,
    entities: &[Entity],
) -> Option<String> {
    use EntityKind::{Attribute, Colour, MaxPrice, MinPrice, OrderNumber, Product, TrackingNumber};
    let names = |kinds: &[EntityKind]| entities.iter().any(|entity| kinds.contains(&entity.kind));
    let looks = names(&[MaxPrice, MinPrice, Colour, Attribute])
        && !names(&[OrderNumber, TrackingNumber, Product]);
    looks.then(|| translated(parts, &without_filters(text, entities), language))?
}

/// A message without the price and size in it, which filter and would else be looked for as words: no torch called "150"
/// for who wants to pay 150 at most.
pub(super) fn without_filters(text: &str, entities: &[Entity]) -> String {
    let filters = entities.iter().filter(|entity| {
        use EntityKind::{MaxPrice, MinPrice, Size};
        matches!(entity.kind, MaxPrice | MinPrice | Size)
    });
    shown::without(text, filters)
}

/// The words of a message. Somebody who writes another language than the catalog's is translated, as far as the words are
/// known, and the model reads the translation: it knows English best.
pub(super) async fn words_of_message(call: &Call<'_>, text: &str) -> CatalogWords {
    let scene = call.scene;
    match translated(scene.parts, text, scene.language) {
        Some(text) => read(call, text).await,
        None => CatalogWords {
            text: text.to_owned(),
            vector: call.scene.understanding.vector.clone(),
        },
    }
}

fn translated(parts: &RouterParts, text: &str, language: &Language) -> Option<String> {
    let catalog = &parts.shop_profile.default_language;
    let glossary = parts.templates.glossary();
    (!language.matches(catalog))
        .then(|| glossary.translate(text, language, catalog))
        .flatten()
}

async fn read(call: &Call<'_>, text: String) -> CatalogWords {
    CatalogWords {
        vector: vector(call.scene, &text).await,
        text,
    }
}

/// What the model makes of words that are not the message's own. Without it the words alone decide.
pub(super) async fn vector(scene: &Scene<'_>, text: &str) -> Option<Vec<f32>> {
    match scene.parts.nlu.embed(&[text.to_owned()]).await {
        Ok(mut vectors) => vectors.pop(),
        Err(error) => {
            tracing::warn!(%error, "a search goes by words alone");
            None
        }
    }
}

/// As [`words_of_message`], for words that are not all of the message's.
pub(super) async fn other_words(call: &Call<'_>, text: &str) -> CatalogWords {
    let translated = translated(call.scene.parts, text, call.scene.language);
    let text = translated.unwrap_or_else(|| text.to_owned());
    if text.trim().is_empty() {
        return CatalogWords { text, vector: None };
    }
    read(call, text).await
}

/// What is asked of the index beside the words.
#[derive(Clone, Default)]
pub(super) struct Wanted {
    pub(super) filters: SearchFilters,
    pub(super) sort: SearchSort,
    pub(super) facets: Vec<Facet>,
    /// How many hits.
    pub(super) limit: usize,
}

/// The filters of a search.
pub(super) fn filters(search: &Search) -> SearchFilters {
    SearchFilters {
        min_price: search.min_price,
        max_price: search.max_price,
        brand: search.brand.clone(),
        attributes: search.attributes.clone(),
        ..SearchFilters::default()
    }
}

/// Products of the index that have to do with the words, in the wanted order; without words, whatever fulfils the filters.
pub(super) async fn search(
    call: &Call<'_>,
    words: &CatalogWords,
    wanted: Wanted,
) -> Result<SearchAnswer, PortError> {
    let query = SearchQuery {
        text: words.text.clone(),
        vector: words.vector.clone(),
        kind: DocumentKind::Product,
        language: None,
        filters: wanted.filters,
        sort: wanted.sort,
        facets: wanted.facets,
        limit: wanted.limit,
    };
    let mut found = call.scene.parts.search.search(&query).await?;
    if !words.is_empty() {
        found.hits.retain(|hit| {
            hit.word_share >= MIN_WORD_SHARE
                || hit
                    .similarity
                    .is_some_and(|similarity| similarity >= MIN_SIMILARITY)
        });
    }
    Ok(found)
}

/// Whether the message has a word of a product's title, in the catalog's words: what the model does not know as anything of a
/// shop's, the catalog may.
pub(crate) async fn names_a_title(scene: &Scene<'_>) -> bool {
    let text = &scene.waiting.text;
    let translated = translated(scene.parts, text, scene.language);
    let text = translated.unwrap_or_else(|| text.clone());
    let query = SearchQuery {
        text: text.clone(),
        vector: None,
        kind: DocumentKind::Product,
        language: None,
        filters: SearchFilters::default(),
        sort: SearchSort::Relevance,
        facets: Vec::new(),
        limit: TITLES,
    };
    let found = scene.parts.search.search(&query).await;
    let found = found.inspect_err(|error| {
        tracing::warn!(port = %error.port, reason = %error.reason, "the catalog could not be asked");
    });
    let text = text.to_lowercase();
    found.is_ok_and(|found| {
        let mut hits = found.hits.iter();
        hits.any(|hit| shares_a_word(&text, &hit.title.to_lowercase()))
    })
}

/// Whether two texts in lower case have a word in common, in whatever form.
fn shares_a_word(text: &str, title: &str) -> bool {
    let is_form = |word: &str, other: &str| {
        let (short, long) = match word.len() <= other.len() {
            true => (word, other),
            false => (other, word),
        };
        let ending = long
            .strip_prefix(short)
            .map(|ending| ending.chars().count());
        short.chars().count() >= LEAST_LETTERS && ending.is_some_and(|ending| ending <= MAX_ENDING)
    };
    shown::words(text).any(|word| shown::words(title).any(|other| is_form(word, other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_named_in_any_form_of_its_words() {
        assert!(shares_a_word("show me headlamps", "lumi 400 headlamp"));
        assert!(shares_a_word("headlamp?", "lumi 400 headlamp"));
        assert!(!shares_a_word("show me headphones", "lumi 400 headlamp"));
        assert!(!shares_a_word("400 euro", "lumi 400 headlamp"));
    }
}
