//! What is kept in memory of every document: what filters ask for, and its vector.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use doorstep_core::{
    Language,
    search::{DocumentKind, SearchDocument, SearchQuery},
};

use super::{analysis::filter_key, ranking, storage::StorageError};

/// Longest id, in bytes.
const MAX_ID_BYTES: usize = 512;

/// What is remembered of one document.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: Arc<str>,
    pub(super) language: Language,
    /// Of unit length.
    pub(super) vector: Option<Box<[f32]>>,
    /// See [`SearchDocument::content_hash`].
    pub(super) hash: String,
    pub(super) in_stock: bool,
    kind: DocumentKind,
    price: Option<i64>,
    brand: Option<String>,
    attributes: BTreeMap<String, Vec<String>>,
}

impl Entry {
    fn of(document: &mut SearchDocument) -> Self {
        let mut attributes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, values) in &document.attributes {
            let keys = values.iter().map(|value| filter_key(value));
            attributes.entry(filter_key(name)).or_default().extend(keys);
        }
        Self {
            id: document.id.as_str().into(),
            language: document.language.clone(),
            vector: document.vector.take().and_then(ranking::unit),
            hash: document.content_hash(),
            in_stock: document.in_stock,
            kind: document.kind,
            price: document.price,
            brand: document.brand.as_deref().map(filter_key),
            attributes,
        }
    }
}

/// The documents by number. A number is a place: a replaced document keeps it, that of a removed one is given again.
#[derive(Clone, Default)]
pub(super) struct Contents {
    entries: Vec<Option<Arc<Entry>>>,
    numbers: HashMap<Arc<str>, usize>,
    free: Vec<usize>,
    /// The length of all vectors, in floats.
    dimensions: Option<usize>,
}

impl Contents {
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// How many numbers there are, free ones included.
    pub(super) fn numbers(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn dimensions(&self) -> Option<usize> {
        self.dimensions
    }

    pub(super) fn get(&self, number: usize) -> Option<&Arc<Entry>> {
        self.entries.get(number)?.as_ref()
    }

    pub(super) fn find(&self, id: &str) -> Option<&Arc<Entry>> {
        self.get(*self.numbers.get(id)?)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Arc<Entry>)> {
        let numbered = self.entries.iter().enumerate();
        numbered.filter_map(|(number, entry)| Some((number, entry.as_ref()?)))
    }

    /// Takes a document in place of one of the same id; its vector moves from the document to the entry. A document
    /// that comes without a vector and reads as before keeps the one it had.
    pub(super) fn put(
        &mut self,
        document: &mut SearchDocument,
    ) -> Result<(usize, Arc<Entry>), StorageError> {
        let mut entry = self.checked(document)?;
        let known = self.numbers.get(&entry.id).copied();
        let before = known.and_then(|number| self.get(number));
        if let (None, Some(before)) = (&entry.vector, before)
            && before.hash == entry.hash
        {
            entry.vector.clone_from(&before.vector);
        }
        let number = known
            .or_else(|| self.free.pop())
            .unwrap_or(self.entries.len());
        Ok((number, self.place(number, entry)))
    }

    /// Takes back a stored document at its number.
    pub(super) fn restore(
        &mut self,
        number: usize,
        mut document: SearchDocument,
    ) -> Result<(), StorageError> {
        let entry = self.checked(&mut document)?;
        if self.get(number).is_some() || self.numbers.contains_key(&entry.id) {
            return Err(StorageError::Damaged(format!(
                "document `{}` is there twice",
                entry.id
            )));
        }
        self.place(number, entry);
        Ok(())
    }

    /// Forgets a document; false where it was not known.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        let Some(number) = self.numbers.remove(id) else {
            return false;
        };
        self.entries[number] = None;
        self.free.push(number);
        if self.numbers.is_empty() {
            self.dimensions = None;
        }
        true
    }

    /// Finds the numbers nobody has, once everything is restored.
    pub(super) fn collect_free(&mut self) {
        let unused = |(number, entry): (usize, &Option<_>)| entry.is_none().then_some(number);
        self.free = self.entries.iter().enumerate().filter_map(unused).collect();
    }

    fn checked(&self, document: &mut SearchDocument) -> Result<Entry, StorageError> {
        let refused = |reason: String| StorageError::Refused {
            id: document.id.chars().take(80).collect(),
            reason,
        };
        if document.id.is_empty() || document.id.len() > MAX_ID_BYTES {
            return Err(refused(format!("an id has 1 to {MAX_ID_BYTES} bytes")));
        }
        if let (Some(vector), Some(dimensions)) = (&document.vector, self.dimensions)
            && vector.len() != dimensions
        {
            return Err(refused(format!(
                "its vector has {} dimensions, the index {dimensions}; vectors of one index come from one model",
                vector.len()
            )));
        }
        Ok(Entry::of(document))
    }

    fn place(&mut self, number: usize, entry: Entry) -> Arc<Entry> {
        if let Some(vector) = &entry.vector {
            self.dimensions = Some(vector.len());
        }
        let entry = Arc::new(entry);
        if number >= self.entries.len() {
            self.entries.resize(number + 1, None);
        }
        self.numbers.insert(Arc::clone(&entry.id), number);
        self.entries[number] = Some(Arc::clone(&entry));
        entry
    }
}

/// The conditions of a query, ready to be compared.
pub(super) struct Conditions<'a> {
    query: &'a SearchQuery,
    brand: Option<String>,
    attributes: Vec<(String, String)>,
}

impl<'a> Conditions<'a> {
    pub(super) fn of(query: &'a SearchQuery) -> Self {
        let attributes = query.filters.attributes.iter();
        Self {
            query,
            brand: query.filters.brand.as_deref().map(filter_key),
            attributes: attributes
                .map(|(name, value)| (filter_key(name), filter_key(value)))
                .collect(),
        }
    }

    /// Whether the filters say anything.
    pub(super) fn narrow(&self) -> bool {
        let filters = &self.query.filters;
        filters.min_price.is_some()
            || filters.max_price.is_some()
            || filters.in_stock
            || self.brand.is_some()
            || !self.attributes.is_empty()
    }

    /// Whether `entry` may be shown. A document without a price is never within a price range.
    pub(super) fn allow(&self, entry: &Entry) -> bool {
        let filters = &self.query.filters;
        let above = |min| entry.price.is_some_and(|price| price >= min);
        let below = |max| entry.price.is_some_and(|price| price <= max);
        entry.kind == self.query.kind
            && (!filters.in_stock || entry.in_stock)
            && filters.min_price.is_none_or(above)
            && filters.max_price.is_none_or(below)
            && (self.query.language.as_ref()).is_none_or(|wanted| wanted.matches(&entry.language))
            && (self.brand.as_ref()).is_none_or(|wanted| entry.brand.as_ref() == Some(wanted))
            && self.attributes.iter().all(|(name, value)| {
                let values = entry.attributes.get(name);
                values.is_some_and(|values| values.contains(value))
            })
    }
}
