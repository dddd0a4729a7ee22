//! What part words play in a message: of a language's grammar, or of what is said in every language.

use std::{
    borrow::Cow,
    cmp::Reverse,
    collections::{HashMap, hash_map::Entry},
    sync::LazyLock,
};

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::LANGUAGES;

/// The lists, for people to read and to add to; how they are written stands at their head.
const LISTS: &str = include_str!("words.txt");
const COMMENT: char = '#';
/// Between the words of a phrase.
const JOINT: char = '_';

/// What part a word plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// It belongs to the grammar of these languages.
    Grammar(Marks),
    /// A greeting, thanks, politeness: borrowed as it comes.
    Courtesy,
    /// What shops of every country say.
    Shop,
    /// Any other word.
    Open,
}

/// Some of [`LANGUAGES`], a bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks(u8);

impl Marks {
    /// Whether the language at `place` is one of them.
    pub(super) fn has(self, place: usize) -> bool {
        self.0 >> place & 1 == 1
    }

    /// How many they are.
    pub(super) fn count(self) -> u32 {
        self.0.count_ones()
    }
}

/// The part of `word`, and of how many of the words from it on: a phrase has one part, and the longest counts.
/// `following` are the words behind it. All in lower case.
pub(super) fn part<'a>(
    word: &str,
    following: impl Iterator<Item = &'a str> + Clone,
) -> (Part, usize) {
    let phrases = LEXICON.phrases.get(word).map_or(&[][..], Vec::as_slice);
    if let Some(phrase) = phrases
        .iter()
        .find(|phrase| phrase.goes_on(following.clone()))
    {
        return (phrase.part, 1 + phrase.rest.len());
    }
    (LEXICON.words.get(word).copied().unwrap_or(Part::Open), 1)
}

/// How many words of a text say more than politeness does.
pub(crate) fn beyond_courtesy(text: &str) -> usize {
    let text = text.to_lowercase();
    let words: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let (mut at, mut beyond) = (0, 0);
    while let Some((word, following)) = words[at..].split_first() {
        let (role, length) = part(word, following.iter().copied());
        if role != Part::Courtesy {
            beyond += length;
        }
        at += length;
    }
    beyond
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::read(LISTS));

type Word = Cow<'static, str>;

#[derive(Default)]
struct Lexicon {
    words: HashMap<Word, Part>,
    /// By their first word, the longest first.
    phrases: HashMap<Word, Vec<Phrase>>,
}

struct Phrase {
    rest: Vec<Word>,
    part: Part,
}

impl Phrase {
    fn goes_on<'a>(&self, mut following: impl Iterator<Item = &'a str>) -> bool {
        self.rest.iter().all(|word| following.next() == Some(word))
    }
}

impl Lexicon {
    fn read(lists: &'static str) -> Self {
        let mut lexicon = Self::default();
        // As written comes before what has lost its accents: `e` is a word of its own, not only a careless `é`.
        for (part, word) in entries(lists) {
            lexicon.add(part, word.split(JOINT).map(Cow::Borrowed));
        }
        for (part, word) in entries(lists) {
            if let Some(bare) = without_accents(word) {
                lexicon.add(
                    part,
                    bare.split(JOINT).map(|word| Cow::Owned(word.to_owned())),
                );
            }
        }
        for phrases in lexicon.phrases.values_mut() {
            phrases.sort_by_key(|phrase| Reverse(phrase.rest.len()));
        }
        lexicon
    }

    fn add(&mut self, part: Part, mut words: impl Iterator<Item = Word>) {
        let Some(first) = words.next() else {
            return;
        };
        let rest: Vec<Word> = words.collect();
        if !rest.is_empty() {
            let phrases = self.phrases.entry(first).or_default();
            return phrases.push(Phrase { rest, part });
        }
        match self.words.entry(first) {
            Entry::Vacant(place) => {
                place.insert(part);
            }
            Entry::Occupied(mut place) => {
                if let (Part::Grammar(known), Part::Grammar(more)) = (*place.get(), part) {
                    place.insert(Part::Grammar(Marks(known.0 | more.0)));
                }
            }
        }
    }
}

/// Each word or phrase of the lists with its part.
fn entries(lists: &'static str) -> impl Iterator<Item = (Part, &'static str)> {
    let mut section = Part::Open;
    lists
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with(COMMENT))
        .flat_map(move |line| {
            let heading = line
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'));
            if let Some(heading) = heading {
                section = of_section(heading);
            }
            let words = if heading.is_some() { "" } else { line };
            let part = section;
            words.split_whitespace().map(move |word| (part, word))
        })
}

fn of_section(heading: &str) -> Part {
    match heading {
        "courtesy" => Part::Courtesy,
        "shop" => Part::Shop,
        _ => LANGUAGES
            .iter()
            .position(|tag| *tag == heading)
            .map_or(Part::Open, |place| Part::Grammar(Marks(1 << place))),
    }
}

/// The word as people in a hurry write it, if that is another: `dónde`, `donde`. Russian `й` is a letter, not an accent.
fn without_accents(word: &str) -> Option<String> {
    if word.is_ascii() || word.chars().any(super::is_cyrillic) {
        return None;
    }
    let bare: String = word.nfd().filter(|c| !is_combining_mark(*c)).collect();
    (bare != word).then_some(bare)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_lists_have_all_their_sections() {
        let mut sizes: HashMap<String, usize> = HashMap::new();
        for (part, word) in entries(LISTS) {
            assert_ne!(part, Part::Open, "{word} is in a section of no known name");
            *sizes.entry(format!("{part:?}")).or_default() += 1;
        }
        assert_eq!(sizes.len(), LANGUAGES.len() + 2, "{sizes:?}");
    }

    #[test]
    fn a_word_plays_one_part_and_is_listed_once() {
        let mut parts: HashMap<&str, Vec<Part>> = HashMap::new();
        for (part, word) in entries(LISTS) {
            assert_eq!(word, word.to_lowercase());
            let known = parts.entry(word).or_default();
            assert!(!known.contains(&part), "{word} is twice in one section");
            known.push(part);
        }
        for (word, parts) in parts {
            let grammar = |part: &Part| matches!(part, Part::Grammar(_));
            assert!(
                parts.len() == 1 || parts.iter().all(grammar),
                "{word}: {parts:?}"
            );
        }
    }

    #[test]
    fn the_longest_phrase_counts() {
        let following = ["you", "so", "much", "my", "friend"];
        assert_eq!(part("thank", following.into_iter()), (Part::Courtesy, 4));
        assert_eq!(part("thank", ["you"].into_iter()), (Part::Courtesy, 2));
        assert_eq!(part("thank", ["god"].into_iter()).1, 1);
    }

    #[test]
    fn what_goes_beyond_politeness_is_counted() {
        for (text, beyond) in [
            ("Good morning,", 0),
            ("Muchas gracias de antemano.", 0),
            ("Merci d'avance !", 0),
            ("Заранее спасибо", 0),
            ("hi! order 10234", 2),
            ("", 0),
        ] {
            assert_eq!(beyond_courtesy(text), beyond, "{text}");
        }
    }

    #[test]
    fn words_count_without_their_accents_too() {
        assert_eq!(part("dónde", [].into_iter()), part("donde", [].into_iter()));
        assert_eq!(part("où", [].into_iter()).1, 1);
        assert_eq!(
            part("s", ["il", "vous", "plait"].into_iter()),
            (Part::Courtesy, 4)
        );
    }
}
