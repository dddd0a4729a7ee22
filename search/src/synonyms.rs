//! Words that mean one thing.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use doorstep_core::Language;

use crate::analysis::{Analyser, Word};

/// What a synonym counts, measured by the word itself.
const WEIGHT: f32 = 0.8;

/// The longest term, in words.
const MAX_PHRASE: usize = 4;

/// What else a word may mean, with what it counts.
pub(super) type Meant = Vec<(String, f32)>;

/// Words that mean one thing, by language. By default, those that come with the program.
#[derive(Clone)]
pub struct Synonyms {
    groups: BTreeMap<Analyser, HashMap<Vec<String>, Vec<String>>>,
}

impl Default for Synonyms {
    fn default() -> Self {
        static BUILT_IN: LazyLock<Synonyms> =
            LazyLock::new(|| Synonyms::parse(include_str!("synonyms.txt")));
        BUILT_IN.clone()
    }
}

impl Synonyms {
    /// Those that come with the program and more: groups of terms that mean one thing. A term may be several words; it is
    /// then only looked for in queries.
    pub fn with(groups: impl IntoIterator<Item = (Language, Vec<String>)>) -> Self {
        let mut synonyms = Self::default();
        for (language, terms) in groups {
            synonyms.add(&language, terms.iter().map(String::as_str));
        }
        synonyms
    }

    /// Reads lines of `language: term, term, …`; what is none is passed over.
    fn parse(text: &str) -> Self {
        let mut synonyms = Self {
            groups: BTreeMap::new(),
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((language, terms)) = line.split_once(':') else {
                continue;
            };
            if let Ok(language) = language.trim().parse() {
                synonyms.add(&language, terms.split(','));
            }
        }
        synonyms
    }

    fn add<'a>(&mut self, language: &Language, terms: impl Iterator<Item = &'a str>) {
        let analyser = Analyser::of(language);
        let read = |term: &str| -> Vec<String> {
            let words = analyser.words(term, usize::MAX).into_iter();
            words.map(|word| word.term).collect()
        };
        let terms: Vec<Vec<String>> = terms.map(read).collect();
        let own = self.groups.entry(analyser).or_default();
        for (place, term) in terms.iter().enumerate() {
            let others = terms
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != place);
            let single = others.filter_map(|(_, other)| match &other[..] {
                [word] => Some(word.clone()),
                _ => None,
            });
            own.entry(term.clone()).or_default().extend(single);
        }
    }

    /// What else may be meant by each of `words`, with its weight.
    pub(super) fn of(&self, analyser: Analyser, words: &[Word]) -> Vec<Meant> {
        let mut meant = vec![Vec::new(); words.len()];
        let Some(groups) = self.groups.get(&analyser) else {
            return meant;
        };
        for start in 0..words.len() {
            for end in start + 1..=words.len().min(start + MAX_PHRASE) {
                let phrase: Vec<String> = words[start..end]
                    .iter()
                    .map(|word| word.term.clone())
                    .collect();
                for word in groups.get(&phrase).into_iter().flatten() {
                    for meant in &mut meant[start..end] {
                        meant.push((word.clone(), WEIGHT));
                    }
                }
            }
        }
        meant
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_found_by_each_of_its_words_and_never_stands_for_a_word() {
        let synonyms = Synonyms::parse("# none\nen: mobile phone, smartphone\nnonsense\n");
        let of = |text: &str| {
            let words = Analyser::English.words(text, 100);
            synonyms.of(Analyser::English, &words)
        };
        let smartphone = vec![("eesmartphon".to_owned(), WEIGHT)];
        assert_eq!(
            of("black mobile phones"),
            [vec![], smartphone.clone(), smartphone]
        );
        assert_eq!(of("smartphone"), [vec![]]);
        assert_eq!(of("phone"), [vec![]]);
    }

    #[test]
    fn those_of_the_merchant_stand_beside_those_of_the_program() {
        let bothy = (
            Language::ENGLISH,
            vec!["tent".to_owned(), "bothy".to_owned()],
        );
        let synonyms = Synonyms::with([bothy]);
        for (word, meant) in [("bothy", "eetent"), ("laptop", "eenotebook")] {
            let words = Analyser::English.words(word, 100);
            let found = synonyms.of(Analyser::English, &words).remove(0);
            assert!(found.iter().any(|(term, _)| term == meant), "{found:?}");
        }
    }

    #[test]
    fn those_of_the_program_are_read_in_both_directions() {
        let words = Analyser::English.words("laptops", 100);
        let meant = Synonyms::default().of(Analyser::English, &words).remove(0);
        assert!(
            meant.iter().any(|(term, _)| term == "eenotebook"),
            "{meant:?}"
        );
        let words = Analyser::English.words("notebook", 100);
        let meant = Synonyms::default().of(Analyser::English, &words).remove(0);
        assert!(
            meant.iter().any(|(term, _)| term == "eelaptop"),
            "{meant:?}"
        );
    }
}
