//! Ranking by words: BM25 over fields of different weight.

use std::sync::{Arc, Mutex};

use lru::LruCache;

use tantivy::{
    DocSet, InvertedIndexReader, Searcher, TERMINATED, fieldnorm::FieldNormReader,
    postings::Postings, schema::IndexRecordOption, termdict::TermDictionary,
};

use super::storage::{Fields, StorageError};
use crate::ranking::{K1, WEIGHTS, idf};

/// Documents are few if there are so many times as many in all.
const FEW: usize = 20;

/// Stands for a document that was removed since its segment was written.
pub(super) const REMOVED: u32 = u32::MAX;

/// One thing that a query asks for: a word, with what may stand for it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted {
    /// Words of the index with their weight; the one that fits best counts.
    pub(super) terms: Vec<(String, f32)>,
}

/// The words of one field of one segment.
pub(super) struct Dictionary {
    /// The field's place among those that are searched.
    place: usize,
    index: Arc<InvertedIndexReader>,
    /// How many words each document has in the field.
    lengths: FieldNormReader,
    /// The numbers of the segment's documents, [`REMOVED`] for those that are gone.
    numbers: Arc<Vec<u32>>,
}

impl Dictionary {
    /// All that hold words; `numbers` are those of each segment's documents. They stay open, because opening one takes
    /// longer than looking up a word.
    pub(super) fn open(
        searcher: &Searcher,
        fields: Fields,
        numbers: &[Arc<Vec<u32>>],
    ) -> Result<Vec<Self>, StorageError> {
        let mut dictionaries = Vec::new();
        for (segment, numbers) in searcher.segment_readers().iter().zip(numbers) {
            for (place, field) in fields.words().into_iter().enumerate() {
                let index = segment.inverted_index(field)?;
                if index.terms().num_terms() > 0 {
                    dictionaries.push(Self {
                        place,
                        index,
                        lengths: segment.get_fieldnorms_reader(field)?,
                        numbers: Arc::clone(numbers),
                    });
                }
            }
        }
        Ok(dictionaries)
    }

    pub(super) fn terms(&self) -> &TermDictionary {
        self.index.terms()
    }
}

/// The words of the index.
pub(super) struct Words<'a> {
    pub(super) dictionaries: &'a [Dictionary],
    pub(super) fields: Fields,
    /// What was found to be near to words that no document has.
    pub(super) corrections: &'a Mutex<LruCache<String, Arc<[String]>>>,
    /// The mean length of each field.
    pub(super) means: [f32; 4],
    /// How many documents there are.
    pub(super) count: usize,
}

/// What documents are worth by their words, by number.
pub(super) struct Scores {
    values: Vec<f32>,
    /// How many of the wanted things a document holds.
    held: Vec<u8>,
    /// The documents that hold anything.
    found: Vec<u32>,
    /// Room for one wanted thing: weighted frequencies of one of its terms, and its best score.
    frequencies: Vec<f32>,
    best: Vec<f32>,
}

impl Scores {
    /// For documents with numbers below `numbers`.
    pub(super) fn new(numbers: usize) -> Self {
        Self {
            values: vec![0.0; numbers],
            held: vec![0; numbers],
            found: Vec::new(),
            frequencies: vec![0.0; numbers],
            best: vec![0.0; numbers],
        }
    }

    /// The documents that hold anything, by ascending number. They are told once.
    pub(super) fn take_found(&mut self) -> Vec<u32> {
        let mut found = std::mem::take(&mut self.found);
        if found.len() * FEW < self.held.len() {
            found.sort_unstable();
        } else {
            // Looking through all of them takes less than sorting so many.
            found.clear();
            let held = (0..).zip(&self.held);
            found.extend(held.filter_map(|(number, held)| (*held > 0).then_some(number)));
        }
        found
    }

    /// What [`Scores::score`] is at most.
    pub(super) fn most(&self, number: usize) -> f32 {
        self.values[number]
    }

    /// The share of `wanted` things that a document holds: 0 to 1. One that holds a word as two languages read it holds
    /// more than is wanted of its own.
    pub(super) fn share(&self, number: usize, wanted: usize) -> f32 {
        (f32::from(self.held[number]) / wanted.max(1) as f32).min(1.0)
    }

    /// BM25, less for a document that lacks some of the `wanted` things: three words of four say more than thrice one.
    pub(super) fn score(&self, number: usize, wanted: usize) -> f32 {
        self.values[number] * self.share(number, wanted).sqrt()
    }
}

impl Words<'_> {
    /// The mean length of each field of `searcher`'s documents.
    pub(super) fn means(searcher: &Searcher, fields: Fields) -> Result<[f32; 4], StorageError> {
        let mut means = [0.0; 4];
        for (mean, field) in means.iter_mut().zip(fields.words()) {
            let (mut words, mut documents) = (0, 0);
            for segment in searcher.segment_readers() {
                words += segment.inverted_index(field)?.total_num_tokens();
                documents += u64::from(segment.max_doc());
            }
            *mean = (words as f32 / documents.max(1) as f32).max(1.0);
        }
        Ok(means)
    }

    /// Whether any document has the word.
    pub(super) fn hold(&self, term: &str) -> Result<bool, StorageError> {
        Ok(self.frequency(term)? > 0)
    }

    /// In how many fields of documents the word is, those of removed documents included.
    pub(super) fn frequency(&self, term: &str) -> Result<u32, StorageError> {
        let mut frequency = 0;
        for dictionary in self.dictionaries {
            let found = dictionary.terms().get(term.as_bytes())?;
            frequency += found.map_or(0, |found| found.doc_freq);
        }
        Ok(frequency)
    }

    /// Adds to `scores` what documents are worth by the wanted things; returns the most that one could have.
    pub(super) fn score(
        &self,
        wanted: &[Wanted],
        scores: &mut Scores,
    ) -> Result<f32, StorageError> {
        let mut possible = 0.0;
        let mut found = Vec::new();
        for wanted in wanted {
            found.clear();
            for (term, weight) in &wanted.terms {
                self.weigh(term, *weight, scores, &mut found)?;
            }
            // What stands for one another is one word: a rare spelling of it is not worth more than a common one.
            let idf = idf(self.count, found.len());
            possible += idf * (K1 + 1.0);
            for number in &found {
                let place = *number as usize;
                if scores.held[place] == 0 {
                    scores.found.push(*number);
                }
                scores.held[place] = scores.held[place].saturating_add(1);
                scores.values[place] += idf * std::mem::take(&mut scores.best[place]);
            }
        }
        Ok(possible)
    }

    /// Notes for every document with `term` how much of it there is, if that is more than of the terms before.
    fn weigh(
        &self,
        term: &str,
        weight: f32,
        scores: &mut Scores,
        found: &mut Vec<u32>,
    ) -> Result<(), StorageError> {
        let mut own: Vec<u32> = Vec::new();
        for dictionary in self.dictionaries {
            let Some(found) = dictionary.terms().get(term.as_bytes())? else {
                continue;
            };
            let (field_weight, length_counts) = WEIGHTS[dictionary.place];
            let mean = self.means[dictionary.place];
            let per_mention = |length: u32| {
                let relative = length as f32 / mean;
                field_weight / (1.0 - length_counts + length_counts * relative)
            };
            let mut postings = dictionary
                .index
                .read_postings_from_terminfo(&found, IndexRecordOption::WithFreqs)?;
            let mut document = postings.doc();
            while document != TERMINATED {
                let number = dictionary.numbers[document as usize];
                if number != REMOVED {
                    let frequency = &mut scores.frequencies[number as usize];
                    if *frequency == 0.0 {
                        own.push(number);
                    }
                    let mentions = postings.term_freq() as f32;
                    *frequency += mentions * per_mention(dictionary.lengths.fieldnorm(document));
                }
                document = postings.advance();
            }
        }
        for number in own {
            let place = number as usize;
            let frequency = std::mem::take(&mut scores.frequencies[place]);
            let score = weight * frequency * (K1 + 1.0) / (frequency + K1);
            let best = &mut scores.best[place];
            if *best == 0.0 {
                found.push(number);
            }
            *best = best.max(score);
        }
        Ok(())
    }
}
