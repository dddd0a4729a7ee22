//! Many words and phrases found in one pass, whatever their case and accents.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// A text as words are compared: lower case, no accents, one space for whatever is no letter or digit, and one at the
/// end. Knows where in the original each of its bytes comes from.
#[derive(Debug)]
pub(crate) struct Folded {
    text: String,
    /// For each byte of `text`, where its character begins in the original.
    origins: Vec<usize>,
}

impl Folded {
    /// Folds `text`.
    pub(crate) fn new(text: &str) -> Self {
        let mut folded = Self {
            text: String::with_capacity(text.len() + 1),
            origins: Vec::with_capacity(text.len() + 1),
        };
        for (at, c) in text.char_indices() {
            if c.is_ascii_alphanumeric() {
                folded.push(c.to_ascii_lowercase(), at);
            } else if c.is_ascii() {
                folded.push_space(at);
            } else {
                folded.push_foreign(c, at);
            }
        }
        folded.push_space(text.len());
        folded
    }

    /// The folded text; ends with a space unless it is empty.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Where words at `range` stand in the original; no space may end the range.
    pub(crate) fn origin(&self, range: Range<usize>) -> Option<Range<usize>> {
        let start = *self.origins.get(range.start)?;
        let end = *self.origins.get(range.end)?;
        (start < end).then_some(start..end)
    }

    fn push(&mut self, c: char, origin: usize) {
        self.text.push(c);
        self.origins.resize(self.text.len(), origin);
    }

    fn push_space(&mut self, origin: usize) {
        if !self.text.is_empty() && !self.text.ends_with(' ') {
            self.push(' ', origin);
        }
    }

    fn push_foreign(&mut self, c: char, origin: usize) {
        match c {
            'ß' | 'ẞ' => {
                self.push('s', origin);
                self.push('s', origin);
            }
            'œ' | 'Œ' => {
                self.push('o', origin);
                self.push('e', origin);
            }
            c if is_combining_mark(c) => {}
            c if c.is_alphanumeric() => {
                for part in c.to_lowercase().nfkd().filter(|c| c.is_alphanumeric()) {
                    self.push(part, origin);
                }
            }
            _ => self.push_space(origin),
        }
    }
}

/// A phrase as [`Folded`] has it, without the space at its end.
pub(crate) fn fold(phrase: &str) -> String {
    let mut folded = Folded::new(phrase).text;
    folded.truncate(folded.trim_end().len());
    folded
}

/// Phrases and what each of them means.
#[derive(Debug)]
pub(crate) struct Lexicon<T> {
    /// None without phrases.
    phrases: Option<AhoCorasick>,
    meanings: Vec<T>,
}

/// Where a phrase stands in the folded text, and what it means.
pub(crate) struct Hit<'l, T> {
    pub(crate) range: Range<usize>,
    pub(crate) meaning: &'l T,
}

impl<T> Lexicon<T> {
    /// Of equal phrases the first one counts; the error says that they are too many for one automaton.
    pub(crate) fn new<P: AsRef<str>>(
        entries: impl IntoIterator<Item = (P, T)>,
    ) -> Result<Self, aho_corasick::BuildError> {
        let mut phrases = Vec::new();
        let mut meanings = Vec::new();
        for (phrase, meaning) in entries {
            let mut phrase = fold(phrase.as_ref());
            if !phrase.is_empty() {
                // With its space, a phrase ends where a word does: "wool sock" hides no "wool" in "wool socks".
                phrase.push(' ');
                phrases.push(phrase);
                meanings.push(meaning);
            }
        }
        let phrases = if phrases.is_empty() {
            None
        } else {
            let built = AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                // Small next to a DFA, and a catalog has many titles.
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .build(&phrases)?;
            Some(built)
        };
        Ok(Self { phrases, meanings })
    }

    /// A lexicon of phrases that stand in this crate.
    pub(crate) fn fixed<P: AsRef<str>>(entries: impl IntoIterator<Item = (P, T)>) -> Self {
        #[allow(clippy::expect_used)]
        // A few thousand constant phrases; every test of a kind builds its own.
        Self::new(entries).expect("phrases of this crate")
    }

    /// The whole phrases of `text`, the longest where several begin, in order and not overlapping.
    pub(crate) fn find(&self, text: &Folded) -> impl Iterator<Item = Hit<'_, T>> {
        let folded = text.as_str();
        self.phrases
            .iter()
            .flat_map(move |phrases| phrases.find_iter(folded))
            .filter(move |hit| hit.start() == 0 || folded.as_bytes()[hit.start() - 1] == b' ')
            .filter_map(|hit| {
                Some(Hit {
                    range: hit.start()..hit.end() - 1,
                    meaning: self.meanings.get(hit.pattern().as_usize())?,
                })
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(words: &[&str], text: &str) -> Vec<String> {
        let lexicon = Lexicon::fixed(words.iter().map(|word| (*word, ())));
        let folded = Folded::new(text);
        lexicon
            .find(&folded)
            .map(|hit| text[folded.origin(hit.range).unwrap()].to_owned())
            .collect()
    }

    #[test]
    fn case_accents_and_punctuation_do_not_matter() {
        assert_eq!(fold("  Après-DEMAIN! "), "apres demain");
        assert_eq!(fold("Größe"), "grosse");
        assert_eq!(fold("Тёмно-синий"), "темно синии");
        assert_eq!(fold("🙂"), "");
        assert_eq!(hits(&["manana"], "¿MAÑANA?"), ["MAÑANA"]);
        // The same written with a combining tilde.
        assert_eq!(hits(&["mañana"], "man\u{303}ana."), ["man\u{303}ana"]);
    }

    #[test]
    fn only_whole_words_are_found_and_the_longest_phrase_wins() {
        assert!(hits(&["red"], "redwood, tired").is_empty());
        assert_eq!(hits(&["wool", "wool sock"], "wool socks"), ["wool"]);
        assert_eq!(
            hits(&["red", "navy", "red navy boot"], "red navy boots"),
            ["red", "navy"]
        );
        assert_eq!(
            hits(
                &["day after tomorrow", "tomorrow"],
                "the day  after tomorrow"
            ),
            ["day  after tomorrow"]
        );
        assert!(hits(&[], "anything").is_empty());
    }
}
