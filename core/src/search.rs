//! The port to the catalog and knowledge index.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Health, Language, Timestamp, health::PortError};

/// Finds documents by word and by meaning. Implemented by `search`. Price and stock in it narrow a search down; what a
/// customer is told comes from the shop at answer time (G4).
#[async_trait]
pub trait SearchIndex: Send + Sync {
    /// The hits in the order asked for, and what is to be counted over all that match.
    ///
    /// # Errors
    /// The index did not answer.
    async fn search(&self, query: &SearchQuery) -> Result<SearchAnswer, PortError>;

    /// Products whose titles hold the words of `prefix`, of which the last may be only begun; best first. For what a
    /// customer is about to type. None by default.
    ///
    /// # Errors
    /// The index did not answer.
    async fn suggest(&self, prefix: &str, limit: usize) -> Result<Vec<Suggestion>, PortError> {
        let _ = (prefix, limit);
        Ok(Vec::new())
    }

    /// Products like the product `id`, the most alike first, by the vectors that are there; it is not among them itself.
    /// None where it is unknown or has no vector, and by default.
    ///
    /// # Errors
    /// The index did not answer.
    async fn similar(
        &self,
        id: &str,
        filters: &SearchFilters,
        limit: usize,
    ) -> Result<Vec<SearchHit>, PortError> {
        let _ = (id, filters, limit);
        Ok(Vec::new())
    }

    /// Adds or replaces documents by id. One that cannot be taken is named in the log and holds up no other.
    ///
    /// # Errors
    /// None of them was taken.
    async fn upsert(&self, documents: Vec<SearchDocument>) -> Result<(), PortError>;

    /// Removes documents by id; unknown ids are ignored.
    ///
    /// # Errors
    /// None of them was removed.
    async fn delete(&self, ids: &[String]) -> Result<(), PortError>;

    /// The [content hashes](SearchDocument::content_hash) of those of `ids` that the index holds with a vector. A document
    /// whose hash is among them need not go through the model again: an upsert without its vector keeps the stored one.
    /// By default none is known, so everything is embedded anew.
    ///
    /// # Errors
    /// The index did not answer.
    async fn known(&self, ids: &[String]) -> Result<BTreeMap<String, String>, PortError> {
        let _ = ids;
        Ok(BTreeMap::new())
    }

    /// How many documents are searchable.
    ///
    /// # Errors
    /// The index did not answer.
    async fn count(&self) -> Result<u64, PortError>;

    /// Whether it can be reached.
    async fn healthcheck(&self) -> Health;
}

/// What is searched for.
#[derive(Debug, Clone)]
pub struct SearchQuery {
    /// The customer's words.
    pub text: String,
    /// Their sentence vector, when a model ran; without it words alone decide.
    pub vector: Option<Vec<f32>>,
    /// Products or passages.
    pub kind: DocumentKind,
    /// Only documents of this language (passages).
    pub language: Option<Language>,
    /// What every hit must fulfil.
    pub filters: SearchFilters,
    /// In which order hits come.
    pub sort: SearchSort,
    /// Whose values are counted; where it is empty nothing is.
    pub facets: Vec<Facet>,
    /// How many hits at most.
    pub limit: usize,
}

impl SearchQuery {
    /// Whether the answer depends on every document that is good enough (see [`SearchSort`]), and not on the best alone.
    pub fn is_about_all(&self) -> bool {
        self.sort != SearchSort::Relevance || !self.facets.is_empty()
    }
}

/// In which order hits come. No document says since when its product is sold, so there is no order by age.
///
/// By price are sorted only hits that are *good enough*, so that the cheapest waterproof jacket is a waterproof jacket:
/// those that hold as large a share of the query's words as the best hit, and have two fifths of its score at least (where no
/// word decides, nearly all of it). Without words and vector, whatever fulfils the filters is good enough. Of one price the better hit
/// comes first; what has no price comes last. The prices are those of the index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchSort {
    /// The best first.
    #[default]
    Relevance,
    /// The cheapest first.
    PriceAscending,
    /// The dearest first.
    PriceDescending,
}

/// What products are told apart by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Facet {
    /// Their brand.
    Brand,
    /// An attribute, by its name, ignoring case; [`CATEGORY`] is one.
    Attribute(String),
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SearchAnswer {
    /// In the order asked for.
    pub hits: Vec<SearchHit>,
    /// What was counted, where anything was to be.
    pub facets: Option<Facets>,
}

/// What there is among the documents that are good enough (see [`SearchSort`]), shown as hits or not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facets {
    /// How many documents these are.
    pub count: usize,
    /// The prices of those that have one, in minor units, ascending: the first and the last are the range.
    pub prices: Vec<i64>,
    /// The values of each wanted facet, the most frequent first, the hundred most frequent at most.
    pub values: BTreeMap<Facet, Vec<FacetValue>>,
}

/// A value, and how many documents have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacetValue {
    /// As the catalog writes it; where it writes it in several ways, the most frequent one.
    pub value: String,
    /// How many documents have it.
    pub count: usize,
}

/// What every hit must fulfil; empty means anything.
#[derive(Debug, Clone, Default)]
pub struct SearchFilters {
    /// Lowest price in minor units.
    pub min_price: Option<i64>,
    /// Highest price in minor units.
    pub max_price: Option<i64>,
    /// Brand, ignoring case.
    pub brand: Option<String>,
    /// Only what was in stock at the last look.
    pub in_stock: bool,
    /// Attributes with values, ignoring case: of every attribute one of its values must be there.
    pub attributes: BTreeMap<String, Vec<String>>,
}

/// What is indexed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchDocument {
    /// Unique over both kinds: `product:1042`, `passage:returns.en#0`.
    pub id: String,
    /// Product or passage.
    pub kind: DocumentKind,
    /// Language of the text.
    pub language: Language,
    /// Title or heading.
    pub title: String,
    /// The text.
    pub body: String,
    /// Brand of a product.
    pub brand: Option<String>,
    /// Lowest price of a product, in minor units, at `as_of`.
    pub price: Option<i64>,
    /// Whether a product could be bought at `as_of`.
    pub in_stock: bool,
    /// Attributes of a product: name → values.
    #[serde(default)]
    pub attributes: BTreeMap<String, Vec<String>>,
    /// Where a passage stands: `returns.en.md#refunds`.
    pub source: String,
    /// When it was read.
    pub as_of: Timestamp,
    /// Sentence vector of unit length.
    pub vector: Option<Vec<f32>>,
}

/// The attribute that says what kind of thing a product is.
pub const CATEGORY: &str = "category";

/// The attribute of a passage that says what its document is about: the document's title.
pub const DOCUMENT: &str = "document";

/// As much of a product's text as is on its card, in bytes.
const PRODUCT_BYTES: usize = 200;
/// As much of a passage's, where its heading says too little.
const PASSAGE_BYTES: usize = 150;
/// A heading of so many words, with the title of its document, says what a passage is about.
const SPEAKING_HEADING: usize = 3;

impl SearchDocument {
    /// What the model reads of it. Price and stock are never on it.
    ///
    /// - Of a product: title, category and the beginning of its text. What follows are details, which blur what it is
    ///   (measured, see `docs/search.md`).
    /// - Of a passage: its document's title and its heading, which are about what a question is about; the text answers it
    ///   in other words (measured, see `docs/answers.md`). Where they are too short, the beginning of the text too.
    pub fn card(&self) -> String {
        let values = |name: &str| {
            let values = self.attributes.get(name).into_iter().flatten();
            values.map(String::as_str)
        };
        let text = |bytes: usize| &self.body[..self.body.floor_char_boundary(bytes)];
        let title = [self.title.as_str()].into_iter();
        let parts: Vec<&str> = match self.kind {
            DocumentKind::Product => title
                .chain(values(CATEGORY))
                .chain([text(PRODUCT_BYTES)])
                .collect(),
            DocumentKind::Passage => {
                let heading: Vec<&str> = values(DOCUMENT).chain(title).collect();
                let words: usize = heading
                    .iter()
                    .map(|part| part.split_whitespace().count())
                    .sum();
                let more = (words < SPEAKING_HEADING).then(|| text(PASSAGE_BYTES));
                heading.into_iter().chain(more).collect()
            }
        };
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(". ")
    }

    /// A SHA-256 in hex over what the model reads: the card. What is not on it (price, stock, `as_of`, a brand, the end of a
    /// text) may change without a run of the model, and is written all the same.
    pub fn content_hash(&self) -> String {
        let digest = Sha256::digest(self.card());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The kinds of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// Something to buy.
    Product,
    /// A paragraph of a policy, an FAQ or a page.
    Passage,
}

/// A product that somebody may be about to ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// The document's id.
    pub id: String,
    /// Its title.
    pub title: String,
}

/// A found document.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchHit {
    /// Its id.
    pub id: String,
    /// Language of the text.
    pub language: Language,
    /// Title or heading.
    pub title: String,
    /// The text.
    pub body: String,
    /// Where it stands.
    pub source: String,
    /// Fused score; only its order means something.
    pub score: f32,
    /// Cosine similarity to the query, when both had a vector: −1 to 1, comparable over queries.
    pub similarity: Option<f32>,
    /// How many different words of the query the text holds, as a share of them: 0 to 1.
    pub word_share: f32,
}
