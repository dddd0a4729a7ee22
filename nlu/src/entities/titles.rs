//! Products that a message names by a part of their title, or with a word misspelt: "is the kolmar jaket waterproof".
//!
//! A part is two or more of a title's words in their order, with no other product's title that has them so. Words of grammar
//! and words of two letters count on neither side. At least two of the words must say more than an attribute's value or a
//! colour does ("black leather" is what somebody looks for, not a product), unless they are a whole title.
//!
//! Made for a hundred thousand products: words are numbers, each knows its titles, and a message may cause
//! [`MOST_CHECKS`] looks into titles and no more.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
};

use doorstep_core::understanding::EntityKind;

use super::{
    Found, Reading, colour,
    words::{Folded, fold},
};
use crate::language::is_grammar;

/// Shorter words tell nothing of a product.
const FEWEST_LETTERS: usize = 3;
/// More words of a title are not looked at.
const MOST_WORDS: usize = 16;
/// So many words that tell nothing may stand between two of a title's, plus one.
const NEXT: usize = 3;
/// So many looks into titles a message may cause.
const MOST_CHECKS: usize = 20_000;
/// From so many letters on, a word is known when one letter is too much, is missing, or changed places with the next. The
/// first and the last letter must be right: at the end, words have their plural.
const LONG: usize = 6;
/// From so many letters on, one may also be another: "shorts" are no "shirts". So long a word may also be a title alone.
const LONGER: usize = 8;

/// The titles of a catalog, word by word.
#[derive(Debug, Default)]
pub(super) struct Titles {
    /// The words that tell of a product, sorted; their places are their numbers.
    words: Vec<Box<str>>,
    /// Of each word, whether it is neither an attribute's value nor a colour.
    is_plain: Vec<bool>,
    /// Words by what is left of them without any one letter, as hashes, sorted.
    misspellings: Vec<(u32, u32)>,
    /// The words of each title.
    titles: Lists,
    /// Of each title, whether they are all that it has: "Duffel 60" is more than "duffel".
    is_all: Vec<bool>,
    /// The titles of each word, in order.
    uses: Lists,
    /// The product of each title.
    products: Vec<String>,
}

/// Many short lists in one piece of memory.
#[derive(Debug, Default)]
struct Lists {
    items: Vec<u32>,
    /// Where each list ends.
    ends: Vec<u32>,
}

impl Lists {
    fn push(&mut self, list: impl IntoIterator<Item = u32>) {
        self.items.extend(list);
        self.ends.push(number(self.items.len()));
    }

    fn get(&self, place: u32) -> &[u32] {
        let end = |place: usize| self.ends.get(place).map_or(0, |end| *end as usize);
        let place = place as usize;
        let start = place.checked_sub(1).map_or(0, end);
        self.items.get(start..end(place)).unwrap_or_default()
    }
}

/// A catalog has far fewer words and titles than 2³².
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A word of a message that may be one of a title's.
struct Token {
    range: Range<usize>,
    /// Its place among all words of the message.
    place: usize,
    word: Option<u32>,
    is_misspelt: bool,
}

/// The beginning of a message, or of a part of it, that names a product.
struct Named {
    tokens: usize,
    title: u32,
}

/// A title that has the words so far, and where in it the last one stands.
type Candidate = (u32, usize);

impl Titles {
    /// Takes pairs of title and product id, and the values of attributes that are one word.
    pub(super) fn new(products: &[(String, String)], values: &HashSet<String>) -> Self {
        let titles: Vec<Vec<String>> = products.iter().map(|(title, _)| telling(title)).collect();
        let mut words: Vec<Box<str>> = titles
            .iter()
            .flatten()
            .map(|word| word.as_str().into())
            .collect();
        words.sort_unstable();
        words.dedup();
        let is_plain = words
            .iter()
            .map(|word| !values.contains(&**word) && !colour::is_one(word))
            .collect();
        let mut all = Self {
            misspellings: misspellings(&words),
            words,
            is_plain,
            products: products.iter().map(|(_, id)| id.clone()).collect(),
            ..Self::default()
        };
        let mut uses: Vec<Vec<u32>> = vec![Vec::new(); all.words.len()];
        for (place, title) in titles.iter().enumerate() {
            all.is_all
                .push(words_that_count(&products[place].0) == title.len());
            let numbers: Vec<u32> = title
                .iter()
                .filter_map(|word| all.number_of(word))
                .collect();
            for word in &numbers {
                let uses = &mut uses[*word as usize];
                if uses.last() != Some(&number(place)) {
                    uses.push(number(place));
                }
            }
            all.titles.push(numbers);
        }
        for list in uses {
            all.uses.push(list);
        }
        all
    }

    /// The products that the message names so.
    pub(super) fn find(&self, reading: &Reading<'_>) -> Vec<Found> {
        if self.words.is_empty() {
            return Vec::new();
        }
        let tokens = self.tokens(&reading.folded);
        let (mut found, mut at, mut checks) = (Vec::new(), 0, MOST_CHECKS);
        while at < tokens.len() {
            let Some(named) = self.longest(&tokens[at..], &mut checks) else {
                at += 1;
                continue;
            };
            let range = tokens[at].range.start..tokens[at + named.tokens - 1].range.end;
            let product = self.products.get(named.title as usize);
            if let (Some(range), Some(id)) = (reading.folded.origin(range), product) {
                found.push(Found::new(EntityKind::Product, id.clone(), range));
            }
            at += named.tokens;
        }
        found
    }

    fn tokens(&self, text: &Folded) -> Vec<Token> {
        let text = text.as_str();
        let mut tokens = Vec::new();
        let mut start = 0;
        for (place, word) in text.split(' ').enumerate() {
            let range = start..start + word.len();
            start = range.end + 1;
            if !is_telling(word) {
                continue;
            }
            let known = self.number_of(word);
            let meant = known.or_else(|| self.meant_by(word));
            tokens.push(Token {
                range,
                place,
                word: meant,
                is_misspelt: known.is_none(),
            });
        }
        tokens
    }

    /// The longest beginning of `tokens` that names a product.
    fn longest(&self, tokens: &[Token], checks: &mut usize) -> Option<Named> {
        let first = tokens.first().filter(|_| *checks > 0)?;
        let word = first.word?;
        let mut named = self.misspelt_title(first, word);
        let (mut plain, mut misspelt) = (self.plain(word), usize::from(first.is_misspelt));
        let mut candidates: Vec<Candidate> = Vec::new();
        for (place, pair) in tokens.windows(2).enumerate() {
            let [before, token] = pair else { break };
            let is_near = token.place - before.place <= NEXT;
            let Some(next) = token.word.filter(|_| is_near) else {
                break;
            };
            misspelt += usize::from(token.is_misspelt);
            if misspelt > 1 {
                break;
            }
            candidates = if place == 0 {
                self.with_both(word, next, checks)
            } else {
                self.that_go_on(candidates, next, checks)
            };
            if candidates.is_empty() {
                break;
            }
            if *checks == 0 {
                // Not all were looked at: one that is left need not be the only one.
                return None;
            }
            plain += self.plain(next);
            let tokens = place + 2;
            let title = match candidates.as_slice() {
                [(title, _)] if plain >= 2 => Some(*title),
                _ => self.only_whole(&candidates, tokens),
            };
            if let Some(title) = title {
                named = Some(Named { tokens, title });
            }
        }
        named
    }

    /// The title that has no more words than these, if there is one such and no other.
    fn only_whole(&self, candidates: &[Candidate], words: usize) -> Option<u32> {
        let mut whole = candidates
            .iter()
            .filter(|(title, _)| self.is_whole(*title, words));
        let (title, _) = whole.next()?;
        whole.next().is_none().then_some(*title)
    }

    /// A title of one long word, misspelt.
    fn misspelt_title(&self, token: &Token, word: u32) -> Option<Named> {
        let is_long = self.words.get(word as usize)?.chars().count() >= LONGER;
        if !token.is_misspelt || !is_long {
            return None;
        }
        let mut alone = self
            .uses
            .get(word)
            .iter()
            .filter(|title| self.is_whole(**title, 1));
        match (alone.next(), alone.next()) {
            (Some(title), None) => Some(Named {
                tokens: 1,
                title: *title,
            }),
            _ => None,
        }
    }

    /// Whether a title has so many words and nothing else.
    fn is_whole(&self, title: u32, words: usize) -> bool {
        self.titles.get(title).len() == words && self.is_all.get(title as usize) == Some(&true)
    }

    /// The titles that have both words, in this order.
    fn with_both(&self, first: u32, second: u32, checks: &mut usize) -> Vec<Candidate> {
        let (a, b) = (self.uses.get(first), self.uses.get(second));
        let rarer = if a.len() <= b.len() { a } else { b };
        let starts = rarer.iter().filter_map(|title| {
            let place = self.place_in(*title, 0, first, checks)?;
            Some((*title, place))
        });
        let starts = starts.collect();
        self.that_go_on(starts, second, checks)
    }

    /// Those of the titles that have the word further on.
    fn that_go_on(
        &self,
        candidates: Vec<Candidate>,
        word: u32,
        checks: &mut usize,
    ) -> Vec<Candidate> {
        candidates
            .into_iter()
            .filter_map(|(title, last)| {
                Some((title, self.place_in(title, last + 1, word, checks)?))
            })
            .collect()
    }

    /// Where the word stands in a title, from a place on; nowhere once the message has caused too many checks.
    fn place_in(&self, title: u32, from: usize, word: u32, checks: &mut usize) -> Option<usize> {
        *checks = checks.checked_sub(1)?;
        let words = self.titles.get(title).get(from..)?;
        Some(from + words.iter().position(|other| *other == word)?)
    }

    fn number_of(&self, word: &str) -> Option<u32> {
        let place = self.words.binary_search_by(|known| (**known).cmp(word));
        place.ok().map(number)
    }

    fn plain(&self, word: u32) -> usize {
        usize::from(self.is_plain.get(word as usize) == Some(&true))
    }

    /// The one long word that was meant by a misspelt one.
    fn meant_by(&self, written: &str) -> Option<u32> {
        let letters: Vec<char> = written.chars().collect();
        if letters.len() + 1 < LONG {
            return None;
        }
        let mut meant: Option<u32> = None;
        for key in keys(&letters) {
            let first = self.misspellings.partition_point(|(known, _)| *known < key);
            let alike = self.misspellings[first..].iter();
            for (_, word) in alike.take_while(|(known, _)| *known == key) {
                let Some(known) = self.words.get(*word as usize) else {
                    continue;
                };
                if !is_misspelling(&letters, &known.chars().collect::<Vec<_>>()) {
                    continue;
                }
                match meant {
                    Some(other) if other != *word => return None,
                    _ => meant = Some(*word),
                }
            }
        }
        meant
    }
}

/// The words of a title that tell of its product, folded.
fn telling(title: &str) -> Vec<String> {
    fold(title)
        .split(' ')
        .filter(|word| is_telling(word))
        .take(MOST_WORDS)
        .map(str::to_owned)
        .collect()
}

/// How many words a title has that are no grammar.
fn words_that_count(title: &str) -> usize {
    let title = fold(title);
    let words = title.split(' ').filter(|word| !word.is_empty());
    words.filter(|word| !is_grammar(word)).count()
}

fn is_telling(word: &str) -> bool {
    word.chars().count() >= FEWEST_LETTERS
        && word.contains(char::is_alphabetic)
        && !is_grammar(word)
}

fn misspellings(words: &[Box<str>]) -> Vec<(u32, u32)> {
    let mut all = Vec::new();
    for (place, word) in words.iter().enumerate() {
        let letters: Vec<char> = word.chars().collect();
        if letters.len() >= LONG {
            all.extend(keys(&letters).map(|key| (key, number(place))));
        }
    }
    all.sort_unstable();
    all.shrink_to_fit();
    all
}

/// What is left of a word without any one letter, and the word itself, as hashes. Two words that are one slip apart share one
/// of them (Garbe 2012, symmetric deletes).
fn keys(letters: &[char]) -> impl Iterator<Item = u32> {
    (0..=letters.len()).map(move |left_out| {
        let mut hasher = DefaultHasher::new();
        for (place, letter) in letters.iter().enumerate() {
            if place != left_out {
                letter.hash(&mut hasher);
            }
        }
        // Half of the hash is enough: what shares one is compared.
        (hasher.finish() & u64::from(u32::MAX)) as u32
    })
}

/// Whether one slip of a finger makes the one of the other: a letter too much or missing, two that changed places, or, in
/// longer words, another letter.
fn is_misspelling(written: &[char], meant: &[char]) -> bool {
    if written.first() != meant.first() || written.last() != meant.last() {
        return false;
    }
    let same = written
        .iter()
        .zip(meant)
        .take_while(|(a, b)| a == b)
        .count();
    let (written, rest) = (&written[same..], &meant[same..]);
    match (written, rest) {
        ([_, written @ ..], _) if written == rest => true,
        (_, [_, rest @ ..]) if written == rest => true,
        ([a, b, written @ ..], [c, d, rest @ ..]) if (a, b) == (d, c) => written == rest,
        ([_, written @ ..], [_, rest @ ..]) => meant.len() >= LONGER && written == rest,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use doorstep_core::Language;

    use super::super::{EntityReader, Vocabulary, tests::context};
    use super::*;

    fn reader(attributes: &[(&str, &str)], products: &[(&str, &str)]) -> EntityReader {
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            let pair = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
            pairs.iter().map(pair).collect()
        };
        let reader = EntityReader::new(&[]).unwrap();
        reader.learn(Vocabulary::from_terms(owned(attributes), owned(products)));
        reader
    }

    fn shop() -> EntityReader {
        reader(
            &[
                ("material", "leather"),
                ("gender", "women"),
                ("season", "winter"),
            ],
            &[
                ("Kolmar Rain Jacket", "p1"),
                ("Kolmar Rain Jacket Women", "p2"),
                ("Drizzle Packable Shell", "p3"),
                ("Black Leather Belt", "p4"),
                ("Wanderrucksack für Kinder 20 L", "p5"),
                ("Зимняя шапка Север", "p6"),
                ("Thermosflasche", "p7"),
                ("Jacket for Dogs", "p8"),
                ("Reisetasche 60", "p9"),
            ],
        )
    }

    fn products(reader: &EntityReader, text: &str) -> Vec<(String, String)> {
        reader
            .read(text, &context(), &Language::ENGLISH)
            .into_iter()
            .filter(|entity| entity.kind == EntityKind::Product)
            .map(|entity| (entity.value, text[entity.start..entity.end].to_owned()))
            .collect()
    }

    #[test]
    fn a_part_of_a_title_that_no_other_shares_names_its_product() {
        let shop = shop();
        for (text, product, part) in [
            ("is the packable shell warm?", "p3", "packable shell"),
            ("Drizzle shell in S", "p3", "Drizzle shell"),
            ("rain jacket for women", "p2", "rain jacket for women"),
            (
                "der Wanderrucksack (Kinder)",
                "p5",
                "Wanderrucksack (Kinder",
            ),
            ("есть зимняя шапка?", "p6", "зимняя шапка"),
            ("a jacket for my dogs", "p8", "jacket for my dogs"),
        ] {
            let expected = [(product.to_owned(), part.to_owned())];
            assert_eq!(products(&shop, text), expected, "{text}");
        }
    }

    #[test]
    fn one_long_word_may_be_misspelt() {
        let shop = shop();
        for (text, product) in [
            ("the kolmar rain jaket", "p1"),
            ("Drizle Packable Shell", "p3"),
            ("is the packbale shell warm", "p3"),
            ("wanderruksack kinder", "p5"),
            ("die Termosflasche", "p7"),
            ("thermosfalsche", "p7"),
            ("thermosflusche", "p7"),
            ("black laether belt", "p4"),
        ] {
            let found = products(&shop, text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert_eq!(found[0].0, product, "{text}");
        }
    }

    #[test]
    fn what_names_no_single_product_is_left_alone() {
        let shop = shop();
        for text in [
            // Two products have it, or none in this order.
            "a rain jacket please",
            "shell packable",
            // What is looked for.
            "anything in black leather?",
            "leather for women",
            // Too short, or two slips.
            "kolmar rian coat",
            "drizle packbale",
            // A plural, and another word.
            "thermosflaschen",
            "thermometer",
            // There is one of 60 litres, but it is not called so.
            "reisetashe",
            "jackets",
            "my jacket, the one that I bought for the dogs",
        ] {
            let found = products(&shop, text);
            assert!(found.is_empty(), "{text}: {found:?}");
        }
    }

    #[test]
    fn short_words_that_differ_by_a_letter_are_different() {
        let shop = reader(&[], &[("Linen shirts", "p1"), ("Merino socks", "p2")]);
        assert!(products(&shop, "linen shorts").is_empty());
        assert!(products(&shop, "merino locks").is_empty());
        assert_eq!(products(&shop, "linen shrits").len(), 1);
    }

    #[test]
    fn a_message_looks_into_so_many_titles_and_no_more() {
        let products: Vec<(String, String)> = (0..20_000)
            .map(|place| {
                (
                    format!("Trail jacket with hood {place}x"),
                    place.to_string(),
                )
            })
            .collect();
        let titles = Titles::new(&products, &HashSet::new());
        let text = Folded::new(&"trail jacket hood ".repeat(100));
        let mut checks = MOST_CHECKS;
        let tokens = titles.tokens(&text);
        for at in 0..tokens.len() {
            assert!(titles.longest(&tokens[at..], &mut checks).is_none());
        }
        assert_eq!(checks, 0);
        // A rare word finds its title among them at once.
        let tokens = titles.tokens(&Folded::new("trail 777x"));
        let mut checks = 10;
        assert_eq!(titles.longest(&tokens, &mut checks).unwrap().title, 777);
    }
}
