//! One state of the index, and the search over it. A write makes a new one; searches under way keep theirs.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use doorstep_core::search::{SearchDocument, SearchHit, SearchQuery};
use lru::LruCache;
use tantivy::{
    DocAddress, DocId, Score, Searcher, SegmentOrdinal, SegmentReader, Term,
    collector::{Collector, SegmentCollector},
    query::{
        BooleanQuery, BoostQuery, DisjunctionMaxQuery, FuzzyTermQuery, Occur, Query, TermQuery,
    },
    schema::IndexRecordOption,
};

use super::{
    analysis::{Analyser, Word},
    contents::{Conditions, Contents},
    ranking::{self, Scored},
    storage::{self, Fields, Storage, StorageError},
};

/// As many different words of a query are looked up.
const MAX_QUERY_WORDS: usize = 32;

/// How many hits a query may ask for, and how deep each list goes into the fusion.
const MAX_LIMIT: usize = 1000;
const MIN_DEPTH: usize = 100;

/// A word that no document holds is taken for a typo when it has as many letters; shorter ones have too many neighbours.
const MIN_TYPO_LETTERS: usize = 5;
const MAX_CORRECTIONS: usize = 8;
const CORRECTION_BOOST: Score = 0.5;

/// How many documents are kept as hits show them, a few kilobytes each. The compiler proves that it is not zero.
const RECENT: NonZeroUsize = NonZeroUsize::new(512).unwrap();

/// How many unknown words are kept with what they may be typos of: customers' everyday words, which no document holds and
/// which come again and again.
const UNKNOWN_WORDS: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// One state of the index.
pub(super) struct Snapshot {
    pub(super) contents: Contents,
    searcher: Searcher,
    fields: Fields,
    /// Where a document is stored, by number.
    addresses: Vec<Option<DocAddress>>,
    /// The numbers of the documents of each segment.
    segments: Vec<Arc<Vec<u32>>>,
    /// How the documents are read.
    analysers: BTreeSet<Analyser>,
    /// Documents that were hits not long ago: reading one from the disk costs more than finding it.
    recent: Mutex<LruCache<usize, Arc<Shown>>>,
    /// What unknown words that were looked up not long ago may be typos of.
    corrected: Mutex<LruCache<String, Vec<String>>>,
}

/// A document as hits show it.
struct Shown {
    document: SearchDocument,
    /// What it is found by.
    words: HashSet<String>,
}

impl Shown {
    /// Which share of `words` the document holds; a typo counts when what it may stand for is there.
    fn word_share(&self, words: &[Wanted]) -> f32 {
        let held = words.iter().filter(|wanted| {
            let mut terms = std::iter::once(&wanted.word.term).chain(&wanted.corrections);
            terms.any(|term| self.words.contains(term))
        });
        held.count() as f32 / words.len().max(1) as f32
    }
}

/// A word of the query as one analyser reads it, with the words that it may be a typo of.
struct Wanted {
    word: Word,
    corrections: Vec<String>,
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
        let mut segments = Vec::new();
        for (segment, reader) in (0..).zip(searcher.segment_readers()) {
            let numbers = storage::numbers(&searcher, segment)?;
            for document in reader.doc_ids_alive() {
                let number = numbers[document as usize] as usize;
                let address = addresses.get_mut(number).ok_or_else(|| {
                    StorageError::Damaged(format!("nobody knows document number {number}"))
                })?;
                *address = Some(DocAddress::new(segment, document));
            }
            segments.push(Arc::new(numbers));
        }
        let analysers = contents
            .iter()
            .map(|(_, entry)| Analyser::of(&entry.language))
            .collect();
        Ok(Self {
            contents,
            searcher,
            fields,
            addresses,
            segments,
            analysers,
            recent: Mutex::new(LruCache::new(RECENT)),
            corrected: Mutex::new(LruCache::new(UNKNOWN_WORDS)),
        })
    }

    /// The best hits, best first.
    pub(super) fn search(&self, query: SearchQuery) -> Result<Vec<SearchHit>, StorageError> {
        let limit = query.limit.min(MAX_LIMIT);
        let depth = limit.max(MIN_DEPTH);
        let conditions = Conditions::of(&query);
        let mut allowed = vec![false; self.contents.numbers()];
        for (number, entry) in self.contents.iter() {
            allowed[number] = conditions.allow(entry);
        }
        let vector = self.comparable(query.vector.clone());
        let wanted = self.wanted(&query)?;

        let best = if wanted.is_empty() && vector.is_none() {
            self.by_filters_alone(&conditions, &allowed, limit)
        } else {
            let by_meaning = vector
                .as_deref()
                .map(|vector| self.by_meaning(vector, &allowed, depth));
            let by_words = self.by_words(&wanted, allowed.into(), depth)?;
            ranking::fuse(&[by_words, by_meaning.unwrap_or_default()], limit)
        };
        best.into_iter()
            .map(|found| self.hit(found, vector.as_deref(), &wanted))
            .collect()
    }

    /// The query's vector at unit length, if it can be compared with those of the documents.
    fn comparable(&self, vector: Option<Vec<f32>>) -> Option<Box<[f32]>> {
        let vector = vector?;
        let dimensions = self.contents.dimensions()?;
        if vector.len() != dimensions {
            tracing::warn!(
                query = vector.len(),
                index = dimensions,
                "the query's vector is of another model than the index; words alone decide"
            );
            return None;
        }
        ranking::unit(vector)
    }

    /// The query's different words as each language of the documents reads them.
    fn wanted(&self, query: &SearchQuery) -> Result<BTreeMap<Analyser, Vec<Wanted>>, StorageError> {
        let asked = query.language.as_ref().map(Analyser::of);
        let mut wanted = BTreeMap::new();
        for analyser in &self.analysers {
            if asked.is_some_and(|asked| asked != *analyser) {
                continue;
            }
            let mut seen = BTreeSet::new();
            let mut words = analyser.words(&query.text, usize::MAX);
            words.retain(|word| seen.insert(word.term.clone()));
            words.truncate(MAX_QUERY_WORDS);
            wanted.insert(*analyser, words);
        }
        let typos = self.typos(&wanted)?;
        let mut found = BTreeMap::new();
        for (analyser, words) in wanted {
            let mut list = Vec::with_capacity(words.len());
            for word in words {
                let corrections = if typos.contains(&word.position) {
                    self.corrections(&word.term)?
                } else {
                    Vec::new()
                };
                list.push(Wanted { word, corrections });
            }
            if !list.is_empty() {
                found.insert(analyser, list);
            }
        }
        Ok(found)
    }

    /// The positions of long words that are neither a stop word nor held by a document in any of the languages.
    fn typos(
        &self,
        wanted: &BTreeMap<Analyser, Vec<Word>>,
    ) -> Result<BTreeSet<usize>, StorageError> {
        let mut unknown: BTreeMap<usize, usize> = BTreeMap::new();
        for word in wanted.values().flatten() {
            let long = word.letters >= MIN_TYPO_LETTERS;
            if long && self.searcher.doc_freq(&self.term(&word.term))? == 0 {
                *unknown.entry(word.position).or_default() += 1;
            }
        }
        let everywhere = |(position, languages)| (languages == wanted.len()).then_some(position);
        Ok(unknown.into_iter().filter_map(everywhere).collect())
    }

    /// Words of the index one edit away, the most frequent first; from memory if they were looked for not long ago.
    fn corrections(&self, word: &str) -> Result<Vec<String>, StorageError> {
        let known = self.corrected().get(word).cloned();
        if let Some(corrections) = known {
            return Ok(corrections);
        }
        let corrections = self.find_corrections(word)?;
        self.corrected().put(word.to_owned(), corrections.clone());
        Ok(corrections)
    }

    fn find_corrections(&self, word: &str) -> Result<Vec<String>, StorageError> {
        let near = FuzzyTermQuery::new(self.term(word), 1, true);
        let mut found = BTreeSet::new();
        for reader in self.searcher.segment_readers() {
            let words = reader.inverted_index(self.fields.words)?;
            let mut terms = words.terms().search(near.automaton()?).into_stream()?;
            while terms.advance() {
                found.insert(String::from_utf8_lossy(terms.key()).into_owned());
            }
        }
        let mut counted = Vec::with_capacity(found.len());
        for term in found {
            counted.push((self.searcher.doc_freq(&self.term(&term))?, term));
        }
        counted.sort_unstable_by(|a, b| b.cmp(a));
        counted.truncate(MAX_CORRECTIONS);
        Ok(counted.into_iter().map(|(_, term)| term).collect())
    }

    /// Without words and vector the filters choose: what is in stock first, then in the order of arrival.
    fn by_filters_alone(
        &self,
        conditions: &Conditions<'_>,
        allowed: &[bool],
        limit: usize,
    ) -> Vec<Scored> {
        if !conditions.narrow() {
            return Vec::new();
        }
        let entries = self.contents.iter().filter(|(number, _)| allowed[*number]);
        let scored = entries.map(|(number, entry)| (number, f32::from(u8::from(entry.in_stock))));
        ranking::best(scored.collect(), limit)
    }

    /// Every allowed vector compared with `vector`.
    fn by_meaning(&self, vector: &[f32], allowed: &[bool], depth: usize) -> Vec<Scored> {
        let entries = self.contents.iter().filter(|(number, _)| allowed[*number]);
        let compared = entries.filter_map(|(number, entry)| {
            let cosine = ranking::dot(entry.vector.as_deref()?, vector);
            Some((number, cosine))
        });
        ranking::best(compared.collect(), depth)
    }

    /// BM25 over the analysed words. tantivy's query language is never used: what a customer types has no operators.
    fn by_words(
        &self,
        wanted: &BTreeMap<Analyser, Vec<Wanted>>,
        allowed: Arc<[bool]>,
        depth: usize,
    ) -> Result<Vec<Scored>, StorageError> {
        let words = wanted.values().flatten();
        let clauses = words.map(|wanted| (Occur::Should, self.clause(wanted)));
        let query = BooleanQuery::new(clauses.collect());
        let found = self.searcher.search(
            &query,
            &Allowed {
                allowed,
                segments: self.segments.clone(),
            },
        )?;
        Ok(ranking::best(found, depth))
    }

    fn clause(&self, wanted: &Wanted) -> Box<dyn Query> {
        let exact = |term| TermQuery::new(self.term(term), IndexRecordOption::WithFreqs);
        if wanted.corrections.is_empty() {
            return Box::new(exact(&wanted.word.term));
        }
        let corrected = wanted.corrections.iter().map(|term| {
            let query = BoostQuery::new(Box::new(exact(term)), CORRECTION_BOOST);
            Box::new(query) as Box<dyn Query>
        });
        Box::new(DisjunctionMaxQuery::new(corrected.collect()))
    }

    fn hit(
        &self,
        (number, score): Scored,
        vector: Option<&[f32]>,
        wanted: &BTreeMap<Analyser, Vec<Wanted>>,
    ) -> Result<SearchHit, StorageError> {
        let unknown = || StorageError::Damaged(format!("document number {number} is not stored"));
        let entry = self.contents.get(number).ok_or_else(unknown)?;
        let address = self.addresses.get(number).copied().flatten();
        let address = address.ok_or_else(unknown)?;
        let shown = self.shown(number, address)?;
        let words = wanted.get(&Analyser::of(&entry.language));
        Ok(SearchHit {
            id: shown.document.id.clone(),
            title: shown.document.title.clone(),
            body: shown.document.body.clone(),
            source: shown.document.source.clone(),
            score,
            similarity: entry
                .vector
                .as_deref()
                .zip(vector)
                .map(|(document, query)| ranking::dot(document, query)),
            word_share: words.map_or(0.0, |words| shown.word_share(words)),
        })
    }

    /// A document as hits show it, from memory if it was a hit not long ago.
    fn shown(&self, number: usize, address: DocAddress) -> Result<Arc<Shown>, StorageError> {
        let known = self.recent().get(&number).cloned();
        if let Some(shown) = known {
            return Ok(shown);
        }
        let (document, words) = storage::read_words(&self.searcher, self.fields, address)?;
        let shown = Arc::new(Shown { document, words });
        self.recent().put(number, Arc::clone(&shown));
        Ok(shown)
    }

    fn recent(&self) -> MutexGuard<'_, LruCache<usize, Arc<Shown>>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn corrected(&self) -> MutexGuard<'_, LruCache<String, Vec<String>>> {
        self.corrected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn term(&self, word: &str) -> Term {
        Term::from_field_text(self.fields.words, word)
    }
}

/// Collects the allowed documents of a query with their scores.
struct Allowed {
    allowed: Arc<[bool]>,
    segments: Vec<Arc<Vec<u32>>>,
}

impl Collector for Allowed {
    type Fruit = Vec<Scored>;
    type Child = AllowedOfSegment;

    fn for_segment(
        &self,
        segment: SegmentOrdinal,
        _: &SegmentReader,
    ) -> tantivy::Result<AllowedOfSegment> {
        Ok(AllowedOfSegment {
            allowed: Arc::clone(&self.allowed),
            numbers: Arc::clone(&self.segments[segment as usize]),
            found: Vec::new(),
        })
    }

    fn requires_scoring(&self) -> bool {
        true
    }

    fn merge_fruits(&self, found: Vec<Vec<Scored>>) -> tantivy::Result<Vec<Scored>> {
        Ok(found.concat())
    }
}

struct AllowedOfSegment {
    allowed: Arc<[bool]>,
    numbers: Arc<Vec<u32>>,
    found: Vec<Scored>,
}

impl SegmentCollector for AllowedOfSegment {
    type Fruit = Vec<Scored>;

    fn collect(&mut self, document: DocId, score: Score) {
        let number = self.numbers[document as usize] as usize;
        if self.allowed[number] {
            self.found.push((number, score));
        }
    }

    fn harvest(self) -> Vec<Scored> {
        self.found
    }
}
