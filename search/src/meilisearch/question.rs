//! What a query asks for, in two rounds: its words with what may stand for them, then, for words that no document holds,
//! what may have been meant.

use std::collections::{BTreeMap, BTreeSet};

use super::lists::Lists;
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
/// The least letters of a part of a compound, and of two words that may be one.
const MIN_PART_LETTERS: usize = 3;
const MIN_JOINED_LETTERS: usize = 4;

/// One thing that a query asks for: words that stand for one another, each with its weight.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) terms: Vec<(String, f32)>,
}

/// A query as the documents of each language read it.
pub(super) struct Question {
    readings: BTreeMap<Analyser, Vec<Asked>>,
}

/// A word of the query.
struct Asked {
    word: Word,
    /// Itself first.
    terms: Vec<(String, f32)>,
}

/// What may have been meant by a word that no document holds.
pub(super) struct Guess {
    pub(super) term: String,
    /// Whether it is long enough for a typo.
    pub(super) is_typo: bool,
    /// The two words it may consist of.
    pub(super) parts: Vec<[String; 2]>,
}

impl Question {
    pub(super) fn read(
        text: &str,
        analysers: impl Iterator<Item = Analyser>,
        synonyms: &Synonyms,
    ) -> Self {
        let read = |analyser: Analyser| {
            let mut words = analyser.asked_words(text);
            let mut seen = BTreeSet::new();
            words.retain(|word| seen.insert(word.term.clone()));
            words.truncate(MAX_WORDS);
            let meant = synonyms.of(analyser, &words);
            (analyser, asked(analyser, words, meant))
        };
        let readings = analysers.map(read).filter(|(_, asked)| !asked.is_empty());
        Self {
            readings: readings.collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.readings.is_empty()
    }

    /// Every term of the first round.
    pub(super) fn terms(&self) -> BTreeSet<&str> {
        let asked = self.readings.values().flatten();
        asked
            .flat_map(|asked| &asked.terms)
            .map(|(term, _)| term.as_str())
            .collect()
    }

    /// The words of each language that some document holds.
    pub(super) fn held(&self, lists: &Lists) -> Vec<Vec<&str>> {
        self.readings
            .values()
            .map(|asked| {
                let own = asked.iter().map(|asked| asked.word.term.as_str());
                own.filter(|term| lists.hold(term)).collect()
            })
            .collect()
    }

    /// What to ask in the second round, by language: words that no document holds in any of the languages.
    pub(super) fn guesses(&self, lists: &Lists) -> Vec<Guess> {
        let mut without: BTreeMap<usize, usize> = BTreeMap::new();
        for asked in self.readings.values().flatten() {
            if !asked.terms.iter().any(|(term, _)| lists.hold(term)) {
                *without.entry(asked.word.position).or_default() += 1;
            }
        }
        let mut guesses = Vec::new();
        for (analyser, asked) in &self.readings {
            for asked in asked {
                if without.get(&asked.word.position) == Some(&self.readings.len()) {
                    guesses.push(Guess {
                        term: asked.word.term.clone(),
                        is_typo: asked.word.letters >= MIN_TYPO_LETTERS,
                        parts: parts(*analyser, &asked.word),
                    });
                }
            }
        }
        guesses
    }

    /// What is wanted of documents of each language, once both rounds are answered.
    pub(super) fn wanted(
        &self,
        lists: &Lists,
        guesses: &[Guess],
    ) -> BTreeMap<Analyser, Vec<Wanted>> {
        let of = |asked: &Asked| {
            let mut terms: Vec<(String, f32)> = asked.terms.clone();
            // A word itself is wanted even where nobody has it; of the others only what is there.
            let own = asked.word.term.as_str();
            terms.retain(|(term, _)| term == own || lists.hold(term));
            let guess = guesses.iter().find(|guess| guess.term == own);
            let Some(guess) = guess else {
                return vec![Wanted { terms }];
            };
            let corrections = lists.corrections(own, MAX_CORRECTIONS);
            if !corrections.is_empty() {
                terms.extend(corrections.into_iter().map(|term| (term, CORRECTION)));
                return vec![Wanted { terms }];
            }
            let rarer = |parts: &&[String; 2]| {
                let [first, second] = parts;
                lists.frequency(first).min(lists.frequency(second))
            };
            match guess.parts.iter().max_by_key(rarer) {
                Some(parts) if rarer(&parts) > 0 => {
                    let part = |term: &String| Wanted {
                        terms: vec![(term.clone(), 1.0)],
                    };
                    parts.iter().map(part).collect()
                }
                _ => vec![Wanted { terms }],
            }
        };
        let readings = self.readings.iter();
        readings
            .map(|(analyser, asked)| (*analyser, asked.iter().flat_map(of).collect()))
            .collect()
    }
}

fn asked(analyser: Analyser, words: Vec<Word>, synonyms: Vec<Meant>) -> Vec<Asked> {
    let pairs: Vec<Option<String>> = (0..words.len())
        .map(|place| joined(analyser, words.get(place), words.get(place + 1)))
        .collect();
    let mut all = Vec::with_capacity(words.len());
    for (place, (word, synonyms)) in words.into_iter().zip(synonyms).enumerate() {
        let mut terms = vec![(word.term.clone(), 1.0)];
        let before = place
            .checked_sub(1)
            .and_then(|before| pairs[before].clone());
        let both = before.into_iter().chain(pairs[place].clone());
        terms.extend(both.map(|term| (term, 1.0)));
        terms.extend(synonyms);
        all.push(Asked { word, terms });
    }
    all
}

/// Two neighbouring words as one: `note book`.
fn joined(analyser: Analyser, first: Option<&Word>, second: Option<&Word>) -> Option<String> {
    let (first, second) = (first?, second?);
    if first.position + 1 != second.position || first.letters + second.letters < MIN_JOINED_LETTERS
    {
        return None;
    }
    last_term(analyser, &format!("{}{}", first.written, second.written))
}

/// A word as each two that it may consist of: `harddisk`.
fn parts(analyser: Analyser, word: &Word) -> Vec<[String; 2]> {
    let cuts: Vec<usize> = word.written.char_indices().map(|(at, _)| at).collect();
    let end = cuts.len().saturating_sub(MIN_PART_LETTERS);
    let cuts = cuts.get(MIN_PART_LETTERS..=end).unwrap_or_default();
    let split = |at: &usize| {
        let (first, second) = word.written.split_at(*at);
        Some([last_term(analyser, first)?, last_term(analyser, second)?])
    };
    cuts.iter().filter_map(split).collect()
}

fn last_term(analyser: Analyser, text: &str) -> Option<String> {
    analyser.words(text, usize::MAX).pop().map(|word| word.term)
}
