//! The catalog's own words: attributes and products.

use std::collections::HashSet;

use doorstep_core::understanding::EntityKind;

use super::{
    Found, Reading,
    titles::Titles,
    words::{Lexicon, fold},
};

/// A shorter word, in letters, is more often a word of the language than the catalog's: "On" is a brand.
const FEWEST_LETTERS: usize = 3;

/// What a catalog calls its attributes and products, so that messages that name them are understood.
///
/// Whole words are compared, without regard to case, accents and punctuation; of several that begin at one place the
/// longest counts. A product is found by its title, and by what stands before the first ` - `, `,`, `(` or `|` in it,
/// when that is at least two words and begins no other product's title; also by two or more words of its title that no
/// other has in this order, and with one misspelling in a long word. Words of fewer than three letters are left out.
#[derive(Debug)]
pub struct Vocabulary {
    terms: Lexicon<Term>,
    titles: Titles,
    attributes: usize,
    products: usize,
}

#[derive(Debug)]
struct Term {
    kind: EntityKind,
    value: String,
}

impl Default for Vocabulary {
    fn default() -> Self {
        let none = || std::iter::empty::<(String, String)>();
        Self::from_terms(none(), none())
    }
}

impl Vocabulary {
    /// Builds it from pairs of attribute name and value (`material`, `wool`), and of product title and product id. A
    /// catalog too large for one automaton (some ten million words) gives an empty vocabulary and a warning.
    pub fn from_terms(
        attributes: impl IntoIterator<Item = (String, String)>,
        products: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let products: Vec<(String, String)> = products.into_iter().collect();
        let titles = products.iter().map(|(title, id)| {
            (
                title.clone(),
                Term {
                    kind: EntityKind::Product,
                    value: id.clone(),
                },
            )
        });
        let heads = unshared_heads(&products);
        let attributes: Vec<(String, Term)> = attributes
            .into_iter()
            .map(|(name, value)| {
                let term = Term {
                    kind: EntityKind::Attribute,
                    value: format!("{name}={value}"),
                };
                (value, term)
            })
            .filter(|(phrase, _)| is_telling(phrase))
            .collect();
        let (attribute_count, product_count) = (attributes.len(), products.len());
        let values: HashSet<String> = attributes
            .iter()
            .map(|(value, _)| fold(value))
            .filter(|value| !value.contains(' '))
            .collect();
        let parts = Titles::new(&products, &values);
        // A product called "Wool" is the product.
        let entries = titles
            .chain(heads)
            .filter(|(phrase, _)| is_telling(phrase))
            .chain(attributes);
        match Lexicon::new(entries) {
            Ok(terms) => Self {
                terms,
                titles: parts,
                attributes: attribute_count,
                products: product_count,
            },
            Err(error) => {
                tracing::warn!(
                    %error,
                    attributes = attribute_count,
                    products = product_count,
                    "the catalog's words are too many to look for; messages are understood without them"
                );
                Self::default()
            }
        }
    }

    /// How many attribute values it looks for.
    pub fn attributes(&self) -> usize {
        self.attributes
    }

    /// How many products it was given.
    pub fn products(&self) -> usize {
        self.products
    }

    pub(super) fn find(&self, reading: &Reading<'_>) -> Vec<Found> {
        self.terms
            .find(&reading.folded)
            .filter_map(|hit| {
                let range = reading.folded.origin(hit.range)?;
                Some(Found::new(
                    hit.meaning.kind,
                    hit.meaning.value.clone(),
                    range,
                ))
            })
            .chain(self.titles.find(reading))
            .collect()
    }
}

fn is_telling(phrase: &str) -> bool {
    phrase.chars().filter(|c| c.is_alphabetic()).count() >= FEWEST_LETTERS
}

/// The beginnings of titles, `Trail jacket` of `Trail jacket - navy`, with which no other product's title begins.
fn unshared_heads(products: &[(String, String)]) -> Vec<(String, Term)> {
    let mut titles: Vec<(String, &str)> = products
        .iter()
        .map(|(title, id)| (fold(title), id.as_str()))
        .collect();
    titles.sort_unstable();
    let begins_only = |head: &str, id: &str| {
        let first = titles.partition_point(|(title, _)| title.as_str() < head);
        titles[first..]
            .iter()
            .take_while(|(title, _)| title.starts_with(head))
            .all(|(_, other)| *other == id)
    };
    products
        .iter()
        .filter_map(|(title, id)| Some((head(title)?, id)))
        .filter(|(head, id)| begins_only(head, id))
        .map(|(head, id)| {
            (
                head,
                Term {
                    kind: EntityKind::Product,
                    value: id.clone(),
                },
            )
        })
        .collect()
}

fn head(title: &str) -> Option<String> {
    let end = [" - ", " – ", " — ", ",", "(", "|"]
        .iter()
        .filter_map(|sign| title.find(sign))
        .min()?;
    let head = fold(&title[..end]);
    head.contains(' ').then_some(head)
}

#[cfg(test)]
mod tests {
    use doorstep_core::Language;

    use super::super::{EntityReader, tests::context};
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    }

    fn reader() -> EntityReader {
        let reader = EntityReader::new(&[]).unwrap();
        reader.learn(Vocabulary::from_terms(
            pairs(&[
                ("material", "Wool"),
                ("material", "algodón"),
                ("colour", "Midnight Blue"),
                ("brand", "On"),
                ("size", "42"),
                ("fit", "Slim fit"),
            ]),
            pairs(&[
                ("Rain Jacket – Navy", "p1"),
                ("Trail Jacket, green", "p2"),
                ("Trail Jacket 2", "p3"),
                ("Wollmütze", "p4"),
                ("Café Crème (6 cups)", "p5"),
            ]),
        ));
        reader
    }

    fn found(text: &str) -> Vec<(EntityKind, String)> {
        reader()
            .read(text, &context(), &Language::ENGLISH)
            .into_iter()
            .map(|entity| (entity.kind, entity.value))
            .collect()
    }

    #[test]
    fn attributes_are_found_in_any_case_and_without_accents() {
        for (text, expected) in [
            ("is it WOOL?", "material=Wool"),
            ("de algodon", "material=algodón"),
            ("slim-fit please", "fit=Slim fit"),
        ] {
            assert_eq!(
                found(text),
                [(EntityKind::Attribute, expected.to_owned())],
                "{text}"
            );
        }
        assert!(found("on 42 woollen things").is_empty());
    }

    #[test]
    fn the_catalogs_longer_word_beats_a_general_colour() {
        assert_eq!(
            found("in midnight blue"),
            [(EntityKind::Attribute, "colour=Midnight Blue".into())]
        );
        assert_eq!(found("in blue"), [(EntityKind::Colour, "blue".into())]);
    }

    #[test]
    fn products_are_linked_by_title_or_an_unshared_beginning() {
        for (text, expected) in [
            ("the rain jacket, please", "p1"),
            ("Rain jacket navy?", "p1"),
            ("trail jacket - green", "p2"),
            ("habt ihr die WOLLMÜTZE", "p4"),
            ("cafe creme", "p5"),
        ] {
            assert_eq!(
                found(text),
                [(EntityKind::Product, expected.to_owned())],
                "{text}"
            );
        }
        assert!(found("which trail jacket is it").is_empty());
    }

    #[test]
    fn what_is_learnt_anew_replaces_what_was_known() {
        let reader = reader();
        assert_eq!(reader.read("wool", &context(), &Language::ENGLISH).len(), 1);
        reader.learn(Vocabulary::default());
        assert!(
            reader
                .read("wool", &context(), &Language::ENGLISH)
                .is_empty()
        );
    }
}
