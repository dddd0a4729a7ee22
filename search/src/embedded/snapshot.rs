//! One state of the index, and the search over it. A write makes a new one; searches under way keep theirs.

use std::{
    collections::BTreeSet,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use doorstep_core::search::{SearchHit, SearchQuery};
use lru::LruCache;
use tantivy::{DocAddress, DocSet, Searcher, TERMINATED, Term, schema::IndexRecordOption};

use super::{
    contents::{Conditions, Contents},
    question::Question,
    storage::{self, Fields, Shown, Storage, StorageError},
    vectors::Asked,
    words::{REMOVED, Scores, Words},
};
use crate::{
    analysis::Analyser,
    ranking::{Best, Fusion, Scored},
    synonyms::Synonyms,
};

/// How many hits a query may ask for, and how deep each list goes into the fusion.
const MAX_LIMIT: usize = 1000;
const MIN_DEPTH: usize = 200;

/// How many documents are kept as hits show them, a few kilobytes each. The compiler proves that it is not zero.
const RECENT: NonZeroUsize = NonZeroUsize::new(512).unwrap();

/// One state of the index.
pub(super) struct Snapshot {
    pub(super) contents: Contents,
    pub(super) searcher: Searcher,
    pub(super) fields: Fields,
    /// Where a document is stored, by number.
    addresses: Vec<Option<DocAddress>>,
    /// The numbers of the documents of each segment, [`REMOVED`] for those that are gone.
    pub(super) numbers: Vec<Arc<Vec<u32>>>,
    /// The mean length of each searched field.
    means: [f32; 4],
    /// How the documents are read.
    analysers: BTreeSet<Analyser>,
    /// Documents that were hits not long ago: reading one from the disk costs more than finding it.
    recent: Mutex<LruCache<usize, Arc<Shown>>>,
}

impl Snapshot {
    /// What `storage` holds, read back document by document.
    pub(super) fn load(storage: &Storage) -> Result<Self, StorageError> {
        let searcher = storage.searcher()?;
        let mut contents = Contents::default();
        for (segment, reader) in (0..).zip(searcher.segment_readers()) {
            let numbers = storage::numbers(&searcher, segment)?;
            for document in reader.doc_ids_alive() {
                let address = DocAddress::new(segment, document);
                let number = numbers[document as usize] as usize;
                contents.restore(number, storage::read(&searcher, storage.fields, address)?)?;
            }
        }
        contents.collect_free();
        Self::new(searcher, storage.fields, contents)
    }

    /// The state after a write: `contents` is what `searcher` sees.
    pub(super) fn new(
        searcher: Searcher,
        fields: Fields,
        contents: Contents,
    ) -> Result<Self, StorageError> {
        let mut addresses = vec![None; contents.numbers()];
        let mut numbers = Vec::new();
        for (segment, reader) in (0..).zip(searcher.segment_readers()) {
            let stored = storage::numbers(&searcher, segment)?;
            let mut alive = vec![REMOVED; stored.len()];
            for document in reader.doc_ids_alive() {
                let number = stored[document as usize];
                let address = addresses.get_mut(number as usize).ok_or_else(|| {
                    StorageError::Damaged(format!("nobody knows document number {number}"))
                })?;
                *address = Some(DocAddress::new(segment, document));
                alive[document as usize] = number;
            }
            numbers.push(Arc::new(alive));
        }
        let analysers = contents.iter().filter_map(|(_, facts)| facts.analyser);
        Ok(Self {
            analysers: analysers.collect(),
            means: Words::means(&searcher, fields)?,
            contents,
            searcher,
            fields,
            addresses,
            numbers,
            recent: Mutex::new(LruCache::new(RECENT)),
        })
    }

    /// The best hits, best first.
    pub(super) fn search(
        &self,
        query: &SearchQuery,
        synonyms: &Synonyms,
    ) -> Result<Vec<SearchHit>, StorageError> {
        let limit = query.limit.min(MAX_LIMIT);
        let conditions = Conditions::new(query, &self.contents, self.having(query)?);
        let asked = self.comparable(query);
        let words = self.words();
        let question = Question::read(query, &self.analysers, &words, synonyms)?;
        let mut found = Found {
            scores: Scores::new(self.contents.numbers()),
            question,
            asked,
        };
        let best = if found.question.wanted.is_empty() && found.asked.is_none() {
            self.by_filters_alone(&conditions, limit)
        } else {
            self.fused(&words, &conditions, &mut found, limit)?
        };
        best.into_iter()
            .map(|scored| self.hit(scored, &found))
            .collect()
    }

    /// By words and by meaning, as one list.
    fn fused(
        &self,
        words: &Words<'_>,
        conditions: &Conditions<'_>,
        found: &mut Found,
        limit: usize,
    ) -> Result<Vec<Scored>, StorageError> {
        let depth = limit.max(MIN_DEPTH);
        let mut possible = 0.0_f32;
        for wanted in found.question.wanted.values() {
            possible = possible.max(words.score(wanted, &mut found.scores)?);
        }
        let mut by_words = Best::new(depth);
        let numbers: Vec<u32> = found.scores.found().to_vec();
        for number in numbers {
            let number = number as usize;
            if conditions.allow(number) {
                by_words.offer(number, self.by_words(number, found));
            }
        }
        let by_words = by_words.sorted();
        let by_meaning = found.asked.as_ref().map(|asked| {
            let allowed = |number| conditions.allow(number);
            self.contents.vectors.nearest(asked, depth, allowed)
        });
        let best = by_words.first().map_or(0.0, |best| best.1);
        let fusion = Fusion::new(best, possible, by_meaning.is_some());
        // Each document of either list with both of its scores.
        let candidates: BTreeSet<usize> = by_words
            .iter()
            .chain(by_meaning.iter().flatten())
            .map(|(number, _)| *number)
            .collect();
        let mut fused = Best::new(limit);
        for number in candidates {
            let similarity = self.similarity(number, found);
            fused.offer(
                number,
                fusion.score(self.by_words(number, found), similarity),
            );
        }
        Ok(fused.sorted())
    }

    fn by_words(&self, number: usize, found: &Found) -> f32 {
        found.scores.score(number, self.wanted_of(number, found))
    }

    /// How many things the query wants of a document of this one's language.
    fn wanted_of(&self, number: usize, found: &Found) -> usize {
        let facts = self.contents.facts(number);
        found.question.count(facts.and_then(|facts| facts.analyser))
    }

    fn similarity(&self, number: usize, found: &Found) -> Option<f32> {
        let asked = found.asked.as_ref()?;
        self.contents.vectors.similarity(number, asked)
    }

    fn words(&self) -> Words<'_> {
        Words {
            searcher: &self.searcher,
            fields: self.fields,
            numbers: &self.numbers,
            means: self.means,
            count: self.contents.len(),
        }
    }

    /// The query's vector, if it can be compared with those of the documents.
    fn comparable(&self, query: &SearchQuery) -> Option<Asked> {
        let vector = query.vector.as_deref()?;
        let dimensions = self.contents.vectors.dimensions()?;
        if vector.len() != dimensions {
            tracing::warn!(
                query = vector.len(),
                index = dimensions,
                "the query's vector is of another model than the index; words alone decide"
            );
            return None;
        }
        Asked::of(vector)
    }

    /// Which documents have the brand and the attributes that `query` filters by; `None` where it filters by none.
    fn having(&self, query: &SearchQuery) -> Result<Option<Vec<bool>>, StorageError> {
        let filters = &query.filters;
        let brand = filters.brand.as_deref().map(storage::brand_fact);
        let attributes = filters.attributes.iter();
        let attributes = attributes.map(|(name, value)| storage::attribute_fact(name, value));
        let mut having: Option<Vec<bool>> = None;
        for fact in brand.into_iter().chain(attributes) {
            let own = self.with_fact(&fact)?;
            having = Some(match having {
                None => own,
                Some(having) => having.iter().zip(own).map(|(a, b)| *a && b).collect(),
            });
        }
        Ok(having)
    }

    fn with_fact(&self, fact: &str) -> Result<Vec<bool>, StorageError> {
        let term = Term::from_field_text(self.fields.facts, fact);
        let mut with = vec![false; self.contents.numbers()];
        for (reader, numbers) in self.searcher.segment_readers().iter().zip(&self.numbers) {
            let index = reader.inverted_index(self.fields.facts)?;
            let Some(mut postings) = index.read_postings(&term, IndexRecordOption::Basic)? else {
                continue;
            };
            let mut document = postings.doc();
            while document != TERMINATED {
                if let Some(with) = with.get_mut(numbers[document as usize] as usize) {
                    *with = true;
                }
                document = postings.advance();
            }
        }
        Ok(with)
    }

    /// Without words and vector the filters choose: what is in stock first, then in the order of arrival.
    fn by_filters_alone(&self, conditions: &Conditions<'_>, limit: usize) -> Vec<Scored> {
        let mut best = Best::new(limit);
        if conditions.narrow() {
            for (number, facts) in self.contents.iter() {
                if conditions.allow(number) {
                    best.offer(number, f32::from(u8::from(facts.in_stock)));
                }
            }
        }
        best.sorted()
    }

    fn hit(&self, (number, score): Scored, found: &Found) -> Result<SearchHit, StorageError> {
        let document = self.document(number)?;
        Ok(SearchHit {
            id: document.id.clone(),
            language: document.language.clone(),
            title: document.title.clone(),
            body: document.body.clone(),
            source: document.source.clone(),
            score,
            similarity: self.similarity(number, found),
            word_share: found.scores.share(number, self.wanted_of(number, found)),
        })
    }

    /// Where a document is stored.
    pub(super) fn address(&self, number: usize) -> Result<DocAddress, StorageError> {
        let address = self.addresses.get(number).copied().flatten();
        address
            .ok_or_else(|| StorageError::Damaged(format!("document number {number} is not stored")))
    }

    /// A document as hits show it, from memory if it was one not long ago.
    pub(super) fn document(&self, number: usize) -> Result<Arc<Shown>, StorageError> {
        let known = self.recent().get(&number).cloned();
        if let Some(document) = known {
            return Ok(document);
        }
        let address = self.address(number)?;
        let document = Arc::new(storage::read_shown(&self.searcher, self.fields, address)?);
        self.recent().put(number, Arc::clone(&document));
        Ok(document)
    }

    fn recent(&self) -> MutexGuard<'_, LruCache<usize, Arc<Shown>>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a query found before the best are chosen.
struct Found {
    question: Question,
    asked: Option<Asked>,
    scores: Scores,
}
