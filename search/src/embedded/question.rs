//! What a query asks for, in words of the index: stems, what a typo may stand for, words written apart or together.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError},
};

use doorstep_core::search::SearchQuery;
use tantivy::{Term, query::FuzzyTermQuery};

use super::{
    storage::StorageError,
    words::{Wanted, Words},
};
use crate::{
    analysis::{Analyser, Word},
    synonyms::{Meant, Synonyms},
};

/// As many different words of a query are looked up.
const MAX_WORDS: usize = 32;

/// A word that no document holds is taken for a typo when it has as many letters; shorter ones have too many neighbours.
const MIN_TYPO_LETTERS: usize = 5;
const MAX_CORRECTIONS: usize = 8;
const CORRECTION: f32 = 0.7;

/// The least letters of a part of a compound.
const MIN_PART_LETTERS: usize = 3;

/// The least letters of two words that may be one.
const MIN_JOINED_LETTERS: usize = 4;

/// What is asked for, as each language of the documents reads it.
#[derive(Debug, Default)]
pub(super) struct Question {
    pub(super) wanted: BTreeMap<Analyser, Vec<Wanted>>,
}

impl Question {
    /// Reads `query` for documents of the analysers `own`; `all` are those of the whole index.
    pub(super) fn read(
        query: &SearchQuery,
        own: &BTreeSet<Analyser>,
        all: &BTreeSet<Analyser>,
        index: &Words<'_>,
        synonyms: &Synonyms,
    ) -> Result<Self, StorageError> {
        let asked = query.language.as_ref().map(Analyser::of);
        let read: BTreeMap<Analyser, Vec<Word>> = own
            .iter()
            .filter(|analyser| asked.is_none_or(|asked| asked == **analyser))
            .map(|analyser| (*analyser, different_words(*analyser, &query.text)))
            .collect();
        let mut unknown = unknown(&read, index)?;
        if asked.is_none() {
            keep_unknown(&mut unknown, all.difference(own), &query.text, index)?;
        }
        let mut question = Self::default();
        for (analyser, words) in read {
            let synonyms = synonyms.of(analyser, &words);
            let wanted = wanted(analyser, &words, synonyms, &unknown, index)?;
            if !wanted.is_empty() {
                question.wanted.insert(analyser, wanted);
            }
        }
        Ok(question)
    }

    /// How many things are asked for of documents of one language.
    pub(super) fn count(&self, analyser: Option<Analyser>) -> usize {
        let wanted = analyser.and_then(|analyser| self.wanted.get(&analyser));
        wanted.map_or(0, Vec::len)
    }
}

fn different_words(analyser: Analyser, text: &str) -> Vec<Word> {
    let mut words = analyser.asked_words(text);
    let mut seen = BTreeSet::new();
    words.retain(|word| seen.insert(word.term.clone()));
    words.truncate(MAX_WORDS);
    words
}

/// The positions of words that are neither a stop word nor held by a document in any of the languages.
fn unknown(
    read: &BTreeMap<Analyser, Vec<Word>>,
    index: &Words<'_>,
) -> Result<BTreeSet<usize>, StorageError> {
    let mut unknown: BTreeMap<usize, usize> = BTreeMap::new();
    for word in read.values().flatten() {
        if !index.hold(&word.term)? {
            *unknown.entry(word.position).or_default() += 1;
        }
    }
    let everywhere = |(position, languages)| (languages == read.len()).then_some(position);
    Ok(unknown.into_iter().filter_map(everywhere).collect())
}

/// Drops the positions of words that one of `others` knows: they are words of another language, and no typos.
fn keep_unknown<'a>(
    unknown: &mut BTreeSet<usize>,
    others: impl Iterator<Item = &'a Analyser>,
    text: &str,
    index: &Words<'_>,
) -> Result<(), StorageError> {
    for analyser in others {
        if unknown.is_empty() {
            break;
        }
        let mut not_held = BTreeSet::new();
        for word in different_words(*analyser, text) {
            if unknown.contains(&word.position) && !index.hold(&word.term)? {
                not_held.insert(word.position);
            }
        }
        unknown.retain(|position| not_held.contains(position));
    }
    Ok(())
}

fn wanted(
    analyser: Analyser,
    words: &[Word],
    synonyms: Vec<Meant>,
    unknown: &BTreeSet<usize>,
    index: &Words<'_>,
) -> Result<Vec<Wanted>, StorageError> {
    let mut wanted: Vec<Wanted> = Vec::with_capacity(words.len());
    // Each word with the one after it.
    let mut pairs = Vec::with_capacity(words.len());
    for place in 0..words.len() {
        pairs.push(joined(
            analyser,
            words.get(place),
            words.get(place + 1),
            index,
        )?);
    }
    for (place, (word, synonyms)) in words.iter().zip(synonyms).enumerate() {
        let mut terms = vec![(word.term.clone(), 1.0)];
        let before = place
            .checked_sub(1)
            .and_then(|before| pairs[before].clone());
        let both = before.into_iter().chain(pairs[place].clone());
        terms.extend(both.map(|term| (term, 1.0)));
        for (synonym, weight) in synonyms {
            if index.hold(&synonym)? {
                terms.push((synonym, weight));
            }
        }
        if unknown.contains(&word.position) && terms.len() == 1 {
            if word.letters >= MIN_TYPO_LETTERS {
                let corrections = corrections(&word.term, index)?;
                terms.extend(corrections.iter().map(|term| (term.clone(), CORRECTION)));
            }
            if terms.len() == 1
                && let Some(parts) = parts(analyser, word, index)?
            {
                wanted.extend(parts.map(|term| Wanted {
                    terms: vec![(term, 1.0)],
                }));
                continue;
            }
        }
        wanted.push(Wanted { terms });
    }
    Ok(wanted)
}

/// Two neighbouring words as one, where documents have it: `note book`.
fn joined(
    analyser: Analyser,
    first: Option<&Word>,
    second: Option<&Word>,
    index: &Words<'_>,
) -> Result<Option<String>, StorageError> {
    let (Some(first), Some(second)) = (first, second) else {
        return Ok(None);
    };
    let letters = first.letters + second.letters;
    if first.position + 1 != second.position || letters < MIN_JOINED_LETTERS {
        return Ok(None);
    }
    let text = format!("{}{}", first.written, second.written);
    let term = analyser
        .words(&text, usize::MAX)
        .pop()
        .map(|word| word.term);
    match term {
        Some(term) if index.hold(&term)? => Ok(Some(term)),
        _ => Ok(None),
    }
}

/// A word that no document has as the two that documents have: `harddisk`. Of several ways the one whose rarer part is
/// the most frequent.
fn parts(
    analyser: Analyser,
    word: &Word,
    index: &Words<'_>,
) -> Result<Option<[String; 2]>, StorageError> {
    let mut best: Option<(u32, [String; 2])> = None;
    let cuts: Vec<usize> = word.written.char_indices().map(|(at, _)| at).collect();
    let end = cuts.len().saturating_sub(MIN_PART_LETTERS);
    for at in cuts.get(MIN_PART_LETTERS..=end).unwrap_or_default() {
        let (first, second) = word.written.split_at(*at);
        let read = |text| analyser.words(text, usize::MAX).pop();
        let (Some(first), Some(second)) = (read(first), read(second)) else {
            continue;
        };
        let known = index
            .frequency(&first.term)?
            .min(index.frequency(&second.term)?);
        if known > best.as_ref().map_or(0, |(known, _)| *known) {
            best = Some((known, [first.term, second.term]));
        }
    }
    Ok(best.map(|(_, parts)| parts))
}

/// Words of the index one edit away, the most frequent first. The walk through all words costs more than the rest of a
/// search, and customers' words come again.
fn corrections(term: &str, index: &Words<'_>) -> Result<Arc<[String]>, StorageError> {
    let known = || {
        let known = index.corrections.lock();
        known.unwrap_or_else(PoisonError::into_inner)
    };
    if let Some(found) = known().get(term) {
        return Ok(Arc::clone(found));
    }
    let found: Arc<[String]> = near(term, index)?.into();
    known().put(term.to_owned(), Arc::clone(&found));
    Ok(found)
}

fn near(term: &str, index: &Words<'_>) -> Result<Vec<String>, StorageError> {
    let near = FuzzyTermQuery::new(Term::from_field_text(index.fields.title, term), 1, true);
    let near = near.automaton()?;
    let mut found = BTreeSet::new();
    for dictionary in index.dictionaries {
        let mut terms = dictionary.terms().search(&near).into_stream()?;
        while terms.advance() {
            found.insert(String::from_utf8_lossy(terms.key()).into_owned());
        }
    }
    let mut counted = Vec::with_capacity(found.len());
    for term in found {
        counted.push((index.frequency(&term)?, term));
    }
    counted.sort_unstable_by(|a, b| b.cmp(a));
    counted.truncate(MAX_CORRECTIONS);
    Ok(counted.into_iter().map(|(_, term)| term).collect())
}
