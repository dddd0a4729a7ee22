//! A document as the server stores it.

use std::collections::BTreeMap;

use doorstep_core::{
    Language,
    search::{DocumentKind, Facet, SearchDocument, SearchFilters, SearchHit},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    analysis::{Analyser, filter_key},
    embedded::{attribute_fact, brand_fact, unit, wanted_facts},
};

/// The fields of words, in the order of [`WEIGHTS`](crate::ranking::WEIGHTS).
pub(super) const WORDS: [&str; 4] = [
    "title_words",
    "body_words",
    "brand_words",
    "attribute_words",
];
/// The words of a product's title as they are written, for suggestions.
pub(super) const NAMES: &str = "names";
/// What a search may narrow down by.
pub(super) const FILTERED: [&str; 8] = [
    "id", "kind", "language", "price", "in_stock", "facts", BRAND, ATTRIBUTES,
];
/// What it may be sorted by.
pub(super) const SORTED: [&str; 1] = ["price"];
/// What is counted.
const BRAND: &str = "brand";
const ATTRIBUTES: &str = "attributes";
/// What a hit brings along.
pub(super) const SHOWN: [&str; 13] = [
    "id",
    "document",
    "language",
    "title",
    "body",
    "source",
    "price",
    "in_stock",
    "model",
    "title_words",
    "body_words",
    "brand_words",
    "attribute_words",
];
/// The name of our vectors.
pub(super) const EMBEDDER: &str = "default";

/// As much of a text as is read for words.
const MAX_TEXT_BYTES: usize = 20_000;
/// Longest key the server takes.
const MAX_KEY_BYTES: usize = 511;

/// What is stored of a document beside its vector. The server is given words as our own analysis reads them, so that it
/// finds what the embedded index finds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stored {
    /// [`key`] of `document`.
    pub(super) id: String,
    /// The document's own id.
    #[serde(default)]
    pub(super) document: String,
    #[serde(default)]
    kind: Option<DocumentKind>,
    #[serde(default)]
    pub(super) language: String,
    #[serde(default)]
    pub(super) title: String,
    #[serde(default)]
    pub(super) body: String,
    #[serde(default)]
    pub(super) source: String,
    #[serde(default)]
    pub(super) price: Option<i64>,
    #[serde(default)]
    pub(super) in_stock: bool,
    #[serde(default)]
    facts: Vec<String>,
    /// As it is written, to be counted.
    #[serde(default)]
    brand: Option<String>,
    /// By [`attribute_key`], as they are written, to be counted.
    #[serde(default)]
    attributes: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(super) hash: String,
    #[serde(default)]
    /// Which model made its vector; empty without one.
    pub(super) model: String,
    #[serde(default)]
    title_words: String,
    #[serde(default)]
    body_words: String,
    #[serde(default)]
    brand_words: String,
    #[serde(default)]
    attribute_words: String,
    #[serde(default)]
    names: String,
}

impl Stored {
    pub(super) fn of(document: &SearchDocument) -> Self {
        let analyser = Analyser::of(&document.language);
        let words = |text: &str| terms(analyser, text);
        let attributes = document.attributes.values().flatten();
        let attributes: Vec<&str> = attributes.map(String::as_str).collect();
        let brand = document.brand.as_deref();
        let mut facts: Vec<String> = brand
            .into_iter()
            .map(|brand| fact(&brand_fact(brand)))
            .collect();
        for (name, values) in &document.attributes {
            facts.extend(
                values
                    .iter()
                    .map(|value| fact(&attribute_fact(name, value))),
            );
        }
        let mut counted: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, values) in &document.attributes {
            let own = counted.entry(attribute_key(name)).or_default();
            own.extend(values.iter().map(|value| value.trim().to_owned()));
        }
        let names = Analyser::Plain.words(&document.title, MAX_TEXT_BYTES);
        let names: Vec<String> = names.into_iter().map(|word| word.term).collect();
        Self {
            id: key(&document.id),
            document: document.id.clone(),
            kind: Some(document.kind),
            language: document.language.primary().to_owned(),
            title: document.title.clone(),
            body: document.body.clone(),
            source: document.source.clone(),
            price: document.price,
            in_stock: document.in_stock,
            facts,
            brand: document.brand.clone(),
            attributes: counted,
            hash: document.content_hash(),
            model: String::new(),
            title_words: words(&document.title),
            body_words: words(&document.body),
            brand_words: words(brand.unwrap_or_default()),
            attribute_words: words(&attributes.join("\n")),
            names: names.join(" "),
        }
    }

    /// The words of each field.
    pub(super) fn words(&self) -> [&str; 4] {
        [
            &self.title_words,
            &self.body_words,
            &self.brand_words,
            &self.attribute_words,
        ]
    }

    /// As a hit that no word of the query speaks for.
    pub(super) fn into_hit(self, score: f32, similarity: Option<f32>) -> SearchHit {
        SearchHit {
            language: self.language(),
            id: self.document,
            title: self.title,
            body: self.body,
            source: self.source,
            score,
            similarity,
            word_share: 0.0,
        }
    }

    /// The analyser of its language.
    pub(super) fn analyser(&self) -> Option<Analyser> {
        let language = self.language.parse().ok()?;
        Some(Analyser::of(&language))
    }

    /// Its language; English where somebody else wrote what is none.
    pub(super) fn language(&self) -> Language {
        self.language.parse().unwrap_or(Language::ENGLISH)
    }
}

/// A document on its way to the server.
pub(super) struct Sent {
    pub(super) stored: Stored,
    pub(super) vector: Option<Vec<f32>>,
    /// The server has its vector and is to keep it.
    pub(super) keeps_vector: bool,
}

impl Sent {
    pub(super) fn of(
        document: SearchDocument,
        known: &BTreeMap<String, String>,
        model: &str,
    ) -> Self {
        let mut stored = Stored::of(&document);
        let vector = document.vector.as_deref().and_then(unit);
        let keeps_vector =
            document.vector.is_none() && known.get(&document.id) == Some(&stored.hash);
        if vector.is_some() || keeps_vector {
            stored.model = model.to_owned();
        }
        Self {
            stored,
            vector,
            keeps_vector,
        }
    }

    /// A document of a user-provided embedder must say `null` where it has no vector; else its task fails.
    pub(super) fn json(&self) -> Value {
        let mut document = serde_json::to_value(&self.stored).unwrap_or(Value::Null);
        if !self.keeps_vector {
            document["_vectors"] = json!({ EMBEDDER: self.vector });
        }
        document
    }
}

/// The key of the document `id`. The server takes letters, digits, hyphens and underscores: every other byte, and the
/// underscore, is written as `_` and two hexadecimal digits.
pub(super) fn key(id: &str) -> String {
    let mut key = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            key.push(char::from(byte));
        } else {
            key.push_str(&format!("_{byte:02x}"));
        }
    }
    key
}

/// Whether the server takes the key of a document.
pub(super) fn is_key(key: &str) -> bool {
    !key.is_empty() && key.len() <= MAX_KEY_BYTES
}

/// The keys of documents that the server may have.
pub(super) fn keys(ids: &[String]) -> Vec<String> {
    let keys = ids.iter().map(|id| key(id));
    keys.filter(|key| is_key(key)).collect()
}

/// What every hit must fulfil, as the server's filter expressions.
pub(super) fn conditions(
    kind: DocumentKind,
    language: Option<&Language>,
    filters: &SearchFilters,
) -> Vec<String> {
    let mut conditions = vec![of_kind(kind)];
    if let Some(language) = language {
        conditions.push(format!("language = {}", quoted(language.primary())));
    }
    conditions.extend(filters.min_price.map(|price| format!("price >= {price}")));
    conditions.extend(filters.max_price.map(|price| format!("price <= {price}")));
    if filters.in_stock {
        conditions.push("in_stock = true".to_owned());
    }
    conditions.extend(wanted_facts(filters).into_iter().map(|facts| {
        let facts: Vec<String> = facts.iter().map(|of| quoted(&fact(of))).collect();
        format!("facts IN [{}]", facts.join(", "))
    }));
    conditions
}

/// The field that holds the values of a facet.
pub(super) fn field_of(facet: &Facet) -> String {
    match facet {
        Facet::Brand => BRAND.to_owned(),
        Facet::Attribute(name) => format!("{ATTRIBUTES}.{}", attribute_key(name)),
    }
}

/// An attribute's name as a part of a field's: whatever its case, and without a dot.
fn attribute_key(name: &str) -> String {
    key(&filter_key(name))
}

pub(super) fn of_kind(kind: DocumentKind) -> String {
    let kind = match kind {
        DocumentKind::Product => "product",
        DocumentKind::Passage => "passage",
    };
    format!("kind = {}", quoted(kind))
}

/// `id IN [...]`
pub(super) fn among<'a>(keys: impl Iterator<Item = &'a str>) -> String {
    let keys: Vec<String> = keys.map(quoted).collect();
    format!("id IN [{}]", keys.join(", "))
}

/// A text within a filter: whatever it holds, it stays a text.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

/// A fact with a visible separator.
fn fact(of: &str) -> String {
    of.replace(char::is_control, "=")
}

fn terms(analyser: Analyser, text: &str) -> String {
    let words = analyser.document_words(text, MAX_TEXT_BYTES);
    let words: Vec<String> = words.into_iter().map(|word| word.term).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_ids_have_different_keys_the_server_takes() {
        assert_eq!(key("product:1042"), "product_3a1042");
        assert_ne!(key("a_3a"), key("a:"));
        for id in ["passage:returns.en#0", "ñ/☂", "a b", "_"] {
            let key = key(id);
            assert!(
                key.bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            );
        }
        assert!(!is_key("") && !is_key(&"a".repeat(512)));
    }

    #[test]
    fn a_hostile_filter_stays_a_text() {
        assert_eq!(quoted(r#"x" OR id = "1\"#), r#""x\" OR id = \"1\\""#);
    }
}
