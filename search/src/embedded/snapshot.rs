//! One state of the index, and the search over it. A write makes a new one; searches under way keep theirs.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use doorstep_core::search::{
    DocumentKind, Facet, Facets, SearchAnswer, SearchDocument, SearchFilters, SearchHit,
    SearchQuery, SearchSort,
};
use lru::LruCache;
use tantivy::{DocAddress, DocSet, Searcher, TERMINATED, Term, schema::IndexRecordOption};

use super::{
    contents::{Conditions, Contents},
    facets,
    question::Question,
    storage::{self, Fields, Shown, Storage, StorageError},
    vectors::Asked,
    words::{Dictionary, REMOVED, Scores, Words},
};
use crate::{
    analysis::Analyser,
    ranking::{self, Best, Fusion, GoodEnough, Scored},
    synonyms::Synonyms,
};

/// How many hits a query may ask for, and how deep each list goes into the fusion.
const MAX_LIMIT: usize = 1000;
const MIN_DEPTH: usize = 200;

/// With so many documents the two lists are made side by side: a thread costs less than it saves.
const WORTH_A_THREAD: usize = 50_000;

/// How many documents are kept as hits show them, a few kilobytes each. The compiler proves that it is not zero.
const RECENT: NonZeroUsize = NonZeroUsize::new(2048).unwrap();

/// For so many words that no document has it is remembered which are near. The compiler proves that it is not zero.
const CORRECTIONS: NonZeroUsize = NonZeroUsize::new(2048).unwrap();

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
    /// The words of each segment's fields.
    dictionaries: Vec<Dictionary>,
    /// How the documents of each kind are read.
    analysers: BTreeMap<DocumentKind, BTreeSet<Analyser>>,
    /// How any of them are.
    all_analysers: BTreeSet<Analyser>,
    /// What words are near to those that no document has.
    corrections: Mutex<LruCache<String, Arc<[String]>>>,
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
        let analysers = analysers(&contents);
        Ok(Self {
            all_analysers: analysers.values().flatten().copied().collect(),
            analysers,
            dictionaries: Dictionary::open(&searcher, fields, &numbers)?,
            means: Words::means(&searcher, fields)?,
            contents,
            searcher,
            fields,
            addresses,
            numbers,
            recent: Mutex::new(LruCache::new(RECENT)),
            corrections: Mutex::new(LruCache::new(CORRECTIONS)),
        })
    }

    /// The hits in the wanted order, and what is to be counted.
    pub(super) fn search(
        &self,
        query: &SearchQuery,
        synonyms: &Synonyms,
    ) -> Result<SearchAnswer, StorageError> {
        let limit = query.limit.min(MAX_LIMIT);
        let conditions = Conditions::new(query, &self.contents, self.having(query)?);
        let asked = self.comparable(query);
        let words = self.words();
        let own = self.analysers_of(query.kind);
        let question = Question::read(query, own, &self.all_analysers, &words, synonyms)?;
        let mut found = Found {
            scores: Scores::new(self.contents.numbers()),
            question,
            asked,
        };
        // What is sorted or counted is chosen from everything that was found.
        let kept = match query.is_about_all() {
            true => self.contents.numbers(),
            false => limit,
        };
        let is_listed = found.question.wanted.is_empty() && found.asked.is_none();
        let mut best = match is_listed {
            true if conditions.narrow() || query.sort != SearchSort::Relevance => {
                self.by_filters_alone(&conditions, kept)
            }
            true => Vec::new(),
            false => self.fused(&words, &conditions, &mut found, kept)?,
        };
        let mut facets = None;
        if query.is_about_all() {
            let mut good = match is_listed {
                true => best.clone(),
                false => self.good_enough(&best, &found),
            };
            if !query.facets.is_empty() {
                facets = Some(self.facets(&good, &query.facets)?);
            }
            if query.sort != SearchSort::Relevance {
                ranking::sort(&mut good, query.sort, |(number, _)| self.price(*number));
                best = good;
            }
        }
        best.truncate(limit);
        let hits = best.into_iter().map(|scored| self.hit(scored, &found));
        Ok(SearchAnswer {
            hits: hits.collect::<Result<_, _>>()?,
            facets,
        })
    }

    /// Those of `best`, which come best first, that are good enough to be sorted and counted.
    fn good_enough(&self, best: &[Scored], found: &Found) -> Vec<Scored> {
        let wanted = |number| self.wanted_of(number, &found.question);
        let share = |number| found.scores.share(number, wanted(number));
        let Some((first, score)) = best.first() else {
            return Vec::new();
        };
        let good = GoodEnough::beside(*score, share(*first));
        let takes = |(number, score): &&Scored| good.takes(*score, share(*number));
        best.iter().filter(takes).copied().collect()
    }

    fn facets(&self, documents: &[Scored], wanted: &[Facet]) -> Result<Facets, StorageError> {
        let prices = documents.iter();
        let mut prices: Vec<i64> = prices
            .filter_map(|(number, _)| self.price(*number))
            .collect();
        prices.sort_unstable();
        let addresses: Vec<DocAddress> = documents
            .iter()
            .map(|(number, _)| self.address(*number))
            .collect::<Result<_, _>>()?;
        Ok(Facets {
            count: documents.len(),
            prices,
            values: facets::count(&self.searcher, addresses.into_iter(), wanted)?,
        })
    }

    fn price(&self, number: usize) -> Option<i64> {
        self.contents.facts(number)?.price
    }

    /// The products nearest to the product `id`.
    pub(super) fn similar(
        &self,
        id: &str,
        filters: &SearchFilters,
        limit: usize,
    ) -> Result<Vec<SearchHit>, StorageError> {
        let number = self.contents.number(id);
        let Some(vector) = number.and_then(|number| self.contents.vectors.get(number)) else {
            return Ok(Vec::new());
        };
        let query = SearchQuery {
            text: String::new(),
            vector: Some(vector),
            kind: DocumentKind::Product,
            language: None,
            filters: filters.clone(),
            sort: SearchSort::Relevance,
            facets: Vec::new(),
            // Itself is the nearest.
            limit: limit.saturating_add(1),
        };
        let mut hits = self.search(&query, &Synonyms::default())?.hits;
        hits.retain(|hit| hit.id != id);
        hits.truncate(limit);
        Ok(hits)
    }

    /// By words and by meaning, as one list of at most `limit`.
    fn fused(
        &self,
        words: &Words<'_>,
        conditions: &Conditions<'_>,
        found: &mut Found,
        limit: usize,
    ) -> Result<Vec<Scored>, StorageError> {
        let depth = limit.max(MIN_DEPTH);
        let (by_words, by_meaning) = self.both_lists(words, conditions, found, depth)?;
        let (by_words, possible) = by_words;
        let best = by_words.first().map_or(0.0, |best| best.1);
        let fusion = Fusion::new(best, possible, by_meaning.is_some());
        let mut similarities: HashMap<usize, f32> = by_meaning.iter().flatten().copied().collect();
        self.compare_others(&by_words, found, &mut similarities);
        // Each document of either list with both of its scores.
        let candidates: BTreeSet<usize> = by_words
            .iter()
            .map(|(number, _)| *number)
            .chain(similarities.keys().copied())
            .collect();
        let mut fused = Best::new(limit);
        for number in candidates {
            let similarity = similarities.get(&number).copied();
            fused.offer(
                number,
                fusion.score(self.by_words(number, found), similarity),
            );
        }
        Ok(fused.sorted())
    }

    /// The best by words, with what a document could be worth at most, and the best by meaning.
    fn both_lists(
        &self,
        words: &Words<'_>,
        conditions: &Conditions<'_>,
        found: &mut Found,
        depth: usize,
    ) -> Result<(ByWords, Option<Vec<Scored>>), StorageError> {
        let Found {
            question,
            asked,
            scores,
        } = found;
        let nearest = || {
            let vectors = &self.contents.vectors;
            let allowed = |number| conditions.allow(number);
            let nearest = depth.min(MAX_LIMIT);
            asked
                .as_ref()
                .map(|asked| vectors.nearest(asked, nearest, allowed))
        };
        let mut by_words = || self.best_by_words(words, conditions, question, scores, depth);
        if asked.is_none() || self.contents.len() < WORTH_A_THREAD {
            return Ok((by_words()?, nearest()));
        }
        std::thread::scope(|scope| {
            let nearest = scope.spawn(nearest);
            let by_words = by_words()?;
            let nearest = nearest.join();
            Ok((
                by_words,
                nearest.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            ))
        })
    }

    fn best_by_words(
        &self,
        words: &Words<'_>,
        conditions: &Conditions<'_>,
        question: &Question,
        scores: &mut Scores,
        depth: usize,
    ) -> Result<ByWords, StorageError> {
        let mut possible = 0.0_f32;
        for wanted in question.wanted.values() {
            possible = possible.max(words.score(wanted, scores)?);
        }
        let mut best = Best::new(depth);
        for number in scores.take_found() {
            let number = number as usize;
            // Few come as far as to be asked whether they may be shown.
            if best.takes(scores.most(number)) && conditions.allow(number) {
                let wanted = self.wanted_of(number, question);
                best.offer(number, scores.score(number, wanted));
            }
        }
        Ok((best.sorted(), possible))
    }

    /// Adds the similarities of `documents` that are not known yet.
    fn compare_others(
        &self,
        documents: &[Scored],
        found: &Found,
        similarities: &mut HashMap<usize, f32>,
    ) {
        let Some(asked) = &found.asked else {
            return;
        };
        let numbers = documents.iter().map(|(number, _)| *number);
        let others: Vec<usize> = numbers
            .filter(|number| !similarities.contains_key(number))
            .collect();
        let compared = self.contents.vectors.similarities(&others, asked);
        let compared = others.into_iter().zip(compared);
        similarities.extend(compared.filter_map(|(number, value)| Some((number, value?))));
    }

    fn by_words(&self, number: usize, found: &Found) -> f32 {
        let wanted = self.wanted_of(number, &found.question);
        found.scores.score(number, wanted)
    }

    /// How many things the query wants of a document of this one's language.
    fn wanted_of(&self, number: usize, question: &Question) -> usize {
        let facts = self.contents.facts(number);
        question.count(facts.and_then(|facts| facts.analyser))
    }

    fn similarity(&self, number: usize, found: &Found) -> Option<f32> {
        let asked = found.asked.as_ref()?;
        self.contents.vectors.similarity(number, asked)
    }

    fn analysers_of(&self, kind: DocumentKind) -> &BTreeSet<Analyser> {
        const NONE: &BTreeSet<Analyser> = &BTreeSet::new();
        self.analysers.get(&kind).unwrap_or(NONE)
    }

    fn words(&self) -> Words<'_> {
        Words {
            dictionaries: &self.dictionaries,
            fields: self.fields,
            corrections: &self.corrections,
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
        let mut having: Option<Vec<bool>> = None;
        for facts in storage::wanted_facts(&query.filters) {
            let mut own = vec![false; self.contents.numbers()];
            for fact in &facts {
                self.mark(fact, &mut own)?;
            }
            having = Some(match having {
                None => own,
                Some(having) => having.iter().zip(own).map(|(a, b)| *a && b).collect(),
            });
        }
        Ok(having)
    }

    /// Marks the documents that have `fact`, by number.
    fn mark(&self, fact: &str, with: &mut [bool]) -> Result<(), StorageError> {
        let term = Term::from_field_text(self.fields.facts, fact);
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
        Ok(())
    }

    /// Without words and vector the filters choose: what is in stock first, then in the order of arrival.
    fn by_filters_alone(&self, conditions: &Conditions<'_>, limit: usize) -> Vec<Scored> {
        let mut best = Best::new(limit);
        for (number, facts) in self.contents.iter() {
            if conditions.allow(number) {
                best.offer(number, f32::from(u8::from(facts.in_stock)));
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
            word_share: found
                .scores
                .share(number, self.wanted_of(number, &found.question)),
        })
    }

    /// Where a document is stored.
    pub(super) fn address(&self, number: usize) -> Result<DocAddress, StorageError> {
        let address = self.addresses.get(number).copied().flatten();
        address
            .ok_or_else(|| StorageError::Damaged(format!("document number {number} is not stored")))
    }

    /// Those of the documents `ids` that there are, as they were written.
    pub(super) fn whole(&self, ids: &[String]) -> Result<Vec<SearchDocument>, StorageError> {
        let numbers = ids.iter().filter_map(|id| self.contents.number(id));
        numbers
            .map(|number| storage::read(&self.searcher, self.fields, self.address(number)?))
            .collect()
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

/// How the documents of each kind are read.
fn analysers(contents: &Contents) -> BTreeMap<DocumentKind, BTreeSet<Analyser>> {
    let mut analysers: BTreeMap<DocumentKind, BTreeSet<Analyser>> = BTreeMap::new();
    for (_, facts) in contents.iter() {
        if let (Some(kind), Some(analyser)) = (facts.kind, facts.analyser) {
            analysers.entry(kind).or_default().insert(analyser);
        }
    }
    analysers
}

/// Documents, best first, and what one could be worth by words at most.
type ByWords = (Vec<Scored>, f32);

/// What a query found before the best are chosen.
struct Found {
    question: Question,
    asked: Option<Asked>,
    scores: Scores,
}
