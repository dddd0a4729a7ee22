//! Words that mean one thing.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use crate::analysis::{Analyser, Word};

/// What a synonym counts, measured by the word itself.
const WEIGHT: f32 = 0.8;

/// The longest term, in words.
const MAX_PHRASE: usize = 4;

/// Synonyms by language.
pub(super) struct Synonyms {
    groups: BTreeMap<Analyser, HashMap<Vec<String>, Vec<String>>>,
}

impl Synonyms {
    /// Those that come with the program.
    pub(super) fn built_in() -> &'static Self {
        static BUILT_IN: LazyLock<Synonyms> =
            LazyLock::new(|| Synonyms::parse(include_str!("synonyms.txt")));
        &BUILT_IN
    }

    /// Reads lines of `language: term, term, …`; what is none is passed over.
    fn parse(text: &str) -> Self {
        let mut groups: BTreeMap<Analyser, HashMap<Vec<String>, Vec<String>>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((language, terms)) = line.split_once(':') else {
                continue;
            };
            let Ok(language) = language.trim().parse() else {
                continue;
            };
            let analyser = Analyser::of(&language);
            let read = |term: &str| -> Vec<String> {
                let words = analyser.words(term, usize::MAX).into_iter();
                words.map(|word| word.term).collect()
            };
            let terms: Vec<Vec<String>> = terms.split(',').map(read).collect();
            let own = groups.entry(analyser).or_default();
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
        Self { groups }
    }

    /// What else may be meant by each of `words`, with its weight.
    pub(super) fn of(&self, analyser: Analyser, words: &[Word]) -> Vec<Vec<(String, f32)>> {
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
    fn those_of_the_program_are_read_in_both_directions() {
        let words = Analyser::English.words("laptops", 100);
        let meant = Synonyms::built_in().of(Analyser::English, &words).remove(0);
        assert!(
            meant.iter().any(|(term, _)| term == "eenotebook"),
            "{meant:?}"
        );
        let words = Analyser::English.words("notebook", 100);
        let meant = Synonyms::built_in().of(Analyser::English, &words).remove(0);
        assert!(
            meant.iter().any(|(term, _)| term == "eelaptop"),
            "{meant:?}"
        );
    }
}
