//! What is kept in memory of every document: what filters ask for, and its vector.

use std::{collections::HashMap, sync::Arc};

use doorstep_core::{
    Language,
    search::{DocumentKind, SearchDocument, SearchQuery},
};

use super::{
    storage::{Change, StorageError},
    vectors::{self, Vectors},
};
use crate::analysis::Analyser;

/// Longest id, in bytes.
const MAX_ID_BYTES: usize = 512;

/// What is remembered of one document.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: Arc<str>,
    /// See [`SearchDocument::content_hash`].
    pub(super) hash: String,
    language: Language,
}

/// What every search asks of a document. They lie side by side, because following a pointer to each document would take
/// longer than the search.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts {
    /// `None` where there is no document.
    pub(super) kind: Option<DocumentKind>,
    pub(super) analyser: Option<Analyser>,
    pub(super) in_stock: bool,
    /// In minor units.
    pub(super) price: Option<i64>,
}

impl Facts {
    fn of(document: &SearchDocument) -> Self {
        Self {
            kind: Some(document.kind),
            analyser: Some(Analyser::of(&document.language)),
            in_stock: document.in_stock,
            price: document.price,
        }
    }
}

/// The documents by number. A number is a place: a replaced document keeps it, that of a removed one is given again.
#[derive(Clone, Default)]
pub(super) struct Contents {
    entries: Vec<Option<Arc<Entry>>>,
    facts: Vec<Facts>,
    pub(super) vectors: Vectors,
    numbers: HashMap<Arc<str>, usize>,
    free: Vec<usize>,
}

impl Contents {
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// How many numbers there are, free ones included.
    pub(super) fn numbers(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn number(&self, id: &str) -> Option<usize> {
        self.numbers.get(id).copied()
    }

    /// The ids of all, in no order.
    pub(super) fn ids(&self) -> Vec<String> {
        self.numbers.keys().map(ToString::to_string).collect()
    }

    pub(super) fn get(&self, number: usize) -> Option<&Arc<Entry>> {
        self.entries.get(number)?.as_ref()
    }

    pub(super) fn facts(&self, number: usize) -> Option<&Facts> {
        self.facts.get(number)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Facts)> {
        let numbered = self.facts.iter().enumerate();
        numbered.filter(|(_, facts)| facts.kind.is_some())
    }

    /// Takes a document in place of one of the same id; the change is to be stored. A document that comes without a
    /// vector and reads as before keeps the one it had.
    pub(super) fn put(&mut self, mut document: SearchDocument) -> Result<Change, StorageError> {
        let (entry, mut vector) = self.checked(&mut document)?;
        let known = self.number(&entry.id);
        if let (None, Some(number)) = (&vector, known)
            && self
                .get(number)
                .is_some_and(|before| before.hash == entry.hash)
        {
            vector = self.vectors.get(number);
        }
        let number = known
            .or_else(|| self.free.pop())
            .unwrap_or(self.entries.len());
        self.place(number, entry, Facts::of(&document), vector.as_deref());
        Ok(Change {
            number,
            document,
            vector,
        })
    }

    /// Takes back a stored document at its number.
    pub(super) fn restore(
        &mut self,
        number: usize,
        mut document: SearchDocument,
    ) -> Result<(), StorageError> {
        let (entry, vector) = self.checked(&mut document)?;
        if self.get(number).is_some() || self.numbers.contains_key(&entry.id) {
            return Err(StorageError::Damaged(format!(
                "document `{}` is there twice",
                entry.id
            )));
        }
        self.place(number, entry, Facts::of(&document), vector.as_deref());
        Ok(())
    }

    /// Forgets a document; false where it was not known.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        let Some(number) = self.numbers.remove(id) else {
            return false;
        };
        self.entries[number] = None;
        self.facts[number] = Facts::default();
        self.vectors.put(number, None);
        self.free.push(number);
        if self.numbers.is_empty() {
            self.vectors.clear();
        }
        true
    }

    /// Finds the numbers nobody has, once everything is restored.
    pub(super) fn collect_free(&mut self) {
        let unused = |(number, entry): (usize, &Option<_>)| entry.is_none().then_some(number);
        self.free = self.entries.iter().enumerate().filter_map(unused).collect();
    }

    /// What is remembered of a document, and its vector, which is taken out of it.
    fn checked(
        &self,
        document: &mut SearchDocument,
    ) -> Result<(Entry, Option<Vec<f32>>), StorageError> {
        let refused = |reason: String| StorageError::Refused {
            id: document.id.chars().take(80).collect(),
            reason,
        };
        if document.id.is_empty() || document.id.len() > MAX_ID_BYTES {
            return Err(refused(format!("an id has 1 to {MAX_ID_BYTES} bytes")));
        }
        if let (Some(vector), Some(dimensions)) = (&document.vector, self.vectors.dimensions())
            && vector.len() != dimensions
        {
            return Err(refused(format!(
                "its vector has {} dimensions, the index {dimensions}; vectors of one index come from one model",
                vector.len()
            )));
        }
        let vector = document.vector.take();
        let entry = Entry {
            id: document.id.as_str().into(),
            hash: document.content_hash(),
            language: document.language.clone(),
        };
        Ok((entry, vector.as_deref().and_then(vectors::unit)))
    }

    fn place(&mut self, number: usize, entry: Entry, facts: Facts, vector: Option<&[f32]>) {
        let entry = Arc::new(entry);
        if number >= self.entries.len() {
            self.entries.resize(number + 1, None);
            self.facts.resize(number + 1, Facts::default());
        }
        self.numbers.insert(Arc::clone(&entry.id), number);
        self.entries[number] = Some(entry);
        self.facts[number] = facts;
        self.vectors.put(number, vector);
    }
}

/// The conditions of a query, ready to be compared.
pub(super) struct Conditions<'a> {
    query: &'a SearchQuery,
    contents: &'a Contents,
    /// The documents that have the wanted brand and attributes, by number; `None` where none is wanted.
    having: Option<Vec<bool>>,
}

impl<'a> Conditions<'a> {
    pub(super) fn new(
        query: &'a SearchQuery,
        contents: &'a Contents,
        having: Option<Vec<bool>>,
    ) -> Self {
        Self {
            query,
            contents,
            having,
        }
    }

    /// Whether the filters say anything.
    pub(super) fn narrow(&self) -> bool {
        let filters = &self.query.filters;
        filters.min_price.is_some()
            || filters.max_price.is_some()
            || filters.in_stock
            || self.having.is_some()
    }

    /// Whether a document may be shown. One without a price is never within a price range.
    pub(super) fn allow(&self, number: usize) -> bool {
        let Some(facts) = self.contents.facts(number) else {
            return false;
        };
        let filters = &self.query.filters;
        let above = |min| facts.price.is_some_and(|price| price >= min);
        let below = |max| facts.price.is_some_and(|price| price <= max);
        facts.kind == Some(self.query.kind)
            && (!filters.in_stock || facts.in_stock)
            && filters.min_price.is_none_or(above)
            && filters.max_price.is_none_or(below)
            && (self.having.as_ref()).is_none_or(|having| having[number])
            && (self.query.language.as_ref()).is_none_or(|wanted| self.speaks(number, wanted))
    }

    fn speaks(&self, number: usize, wanted: &Language) -> bool {
        let entry = self.contents.get(number);
        entry.is_some_and(|entry| wanted.matches(&entry.language))
    }
}
