//! Text into index words: NFKC, split at everything that is no letter or digit, lower-cased, without stop words, stemmed
//! in the language of the document, folded to ASCII.

use std::{cell::RefCell, collections::HashMap, ops::Range, sync::LazyLock};

use doorstep_core::Language;
use tantivy::tokenizer::{
    AsciiFoldingFilter, Language as Stemming, LowerCaser, RawTokenizer, RemoveLongFilter,
    SimpleTokenizer, Stemmer, StopWordFilter, TextAnalyzer,
};
use unicode_normalization::UnicodeNormalization;

/// Longest word kept, in bytes: nothing longer is written by hand.
const MAX_WORD_BYTES: usize = 64;

/// tantivy knows 33 English stop words; a chat has more of those that say nothing about a product.
const ENGLISH_STOP_WORDS: &[&str] = &[
    "a", "about", "after", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be",
    "been", "before", "but", "by", "can", "could", "d", "did", "do", "does", "for", "from", "had",
    "has", "have", "having", "he", "hello", "her", "here", "hers", "hey", "hi", "him", "his",
    "how", "i", "if", "in", "into", "is", "it", "its", "just", "ll", "m", "may", "me", "might",
    "my", "no", "not", "of", "on", "or", "our", "ours", "please", "re", "s", "she", "should", "so",
    "some", "such", "t", "than", "thanks", "that", "the", "their", "them", "then", "there",
    "these", "they", "this", "those", "to", "too", "us", "ve", "very", "was", "we", "were", "what",
    "when", "where", "which", "who", "why", "will", "with", "would", "you", "your", "yours",
];

/// What is written right after a number, with or without a space.
const UNITS: &[&str] = &[
    "bit", "cl", "cm", "dpi", "ft", "g", "gb", "ghz", "hz", "inch", "kb", "kg", "km", "kw", "l",
    "lm", "m", "mah", "mb", "mhz", "ml", "mm", "mp", "port", "tb", "v", "va", "w", "wh",
];

/// How the text of one language is read. Every document has one, and its words carry the tag of it, so that the
/// same letters in two languages stay two words with their own frequency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Analyser {
    English,
    Spanish,
    Portuguese,
    French,
    German,
    Italian,
    Russian,
    /// Any other language: no stemming and no stop words.
    Plain,
}

/// A word of a text, as the index holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Tag, stem, folded: `eejacket`.
    pub(super) term: String,
    /// The how-manieth word of the text it is, counting stop words.
    pub(super) position: usize,
    /// The word as it was written.
    pub(super) written: String,
    /// Its letters.
    pub(super) letters: usize,
}

impl Analyser {
    const ALL: [Self; 8] = [
        Self::English,
        Self::Spanish,
        Self::Portuguese,
        Self::French,
        Self::German,
        Self::Italian,
        Self::Russian,
        Self::Plain,
    ];

    /// The one for `language`.
    pub(super) fn of(language: &Language) -> Self {
        match language.primary() {
            "en" => Self::English,
            "es" => Self::Spanish,
            "pt" => Self::Portuguese,
            "fr" => Self::French,
            "de" => Self::German,
            "it" => Self::Italian,
            "ru" => Self::Russian,
            _ => Self::Plain,
        }
    }

    /// Put before every word. The letter is doubled so that a typo, which is one edit, never turns one tag into another.
    fn tag(self) -> &'static str {
        match self {
            Self::English => "ee",
            Self::Spanish => "ss",
            Self::Portuguese => "pp",
            Self::French => "ff",
            Self::German => "dd",
            Self::Italian => "ii",
            Self::Russian => "rr",
            Self::Plain => "xx",
        }
    }

    fn stemming(self) -> Option<Stemming> {
        match self {
            Self::English => Some(Stemming::English),
            Self::Spanish => Some(Stemming::Spanish),
            Self::Portuguese => Some(Stemming::Portuguese),
            Self::French => Some(Stemming::French),
            Self::German => Some(Stemming::German),
            Self::Italian => Some(Stemming::Italian),
            Self::Russian => Some(Stemming::Russian),
            Self::Plain => None,
        }
    }

    /// The words of a customer's text. At most `max_bytes` of it are read.
    pub(super) fn words(self, text: &str, max_bytes: usize) -> Vec<Word> {
        let text = normalised(text, max_bytes);
        // Making a chain takes longer than reading a message with it.
        thread_local! {
            static OWN: RefCell<HashMap<Analyser, TextAnalyzer>> = RefCell::default();
        }
        let mut words = Vec::new();
        OWN.with_borrow_mut(|own| {
            let chain = own.entry(self);
            let chain = chain.or_insert_with(|| self.chains().stem_first.clone());
            self.read(chain, &text, &mut words);
        });
        words
    }

    /// The words of a document's text: as in [`words`](Self::words), and where a word is stemmed differently without its
    /// accents, that form too, for customers who leave accents out (`impermeabilizacion`).
    pub(super) fn document_words(self, text: &str, max_bytes: usize) -> Vec<Word> {
        let text = normalised(text, max_bytes);
        let chains = self.chains();
        let mut words = Vec::new();
        self.read(&mut chains.stem_first.clone(), &text, &mut words);
        if !text.is_ascii() {
            let mut unaccented = Vec::new();
            self.read(&mut chains.fold_first.clone(), &text, &mut unaccented);
            // Both chains drop the same words, so that the two lists run in step.
            unaccented.retain({
                let mut accented = words.clone().into_iter();
                move |word| accented.next().is_none_or(|accented| accented != *word)
            });
            words.append(&mut unaccented);
        }
        // Both forms of a measure are found: `32gb` for `32 GB`.
        for measure in measures(&text) {
            let (number, unit) = (&text[measure.number.clone()], &text[measure.unit.clone()]);
            words.extend(self.words(&format!("{number}{unit}"), MAX_WORD_BYTES));
        }
        words
    }

    /// The words of a question, in which a number and its unit are one: `32 GB` is `32gb`.
    pub(super) fn asked_words(self, text: &str) -> Vec<Word> {
        let mut joined = normalised(text, text.len());
        for measure in measures(&joined).into_iter().rev() {
            joined.replace_range(measure.number.end..measure.unit.start, "");
        }
        self.words(&joined, usize::MAX)
    }

    fn read(self, analyser: &mut TextAnalyzer, text: &str, words: &mut Vec<Word>) {
        let mut tokens = analyser.token_stream(text);
        while let Some(token) = tokens.next() {
            let written = text.get(token.offset_from..token.offset_to);
            let written = written.unwrap_or_default();
            words.push(Word {
                term: format!("{}{}", self.tag(), token.text),
                position: token.position,
                letters: written.chars().count(),
                written: written.to_owned(),
            });
        }
    }

    fn chains(self) -> &'static Chains {
        static CHAINS: LazyLock<Vec<Chains>> =
            LazyLock::new(|| Analyser::ALL.into_iter().map(Chains::of).collect());
        &CHAINS[self as usize]
    }
}

/// Where a number and its unit stand in a text, with a space between them.
struct Measure {
    number: Range<usize>,
    unit: Range<usize>,
}

/// Found in the text and not among its words: some units are stop words.
fn measures(text: &str) -> Vec<Measure> {
    let mut measures = Vec::new();
    let mut before: Option<Range<usize>> = None;
    let mut start = 0;
    for part in text.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let word = part.trim_end_matches(|c: char| !c.is_alphanumeric());
        let range = start..start + word.len();
        start += part.len();
        let is_unit = || UNITS.contains(&word.to_lowercase().as_str());
        if let Some(number) = before.take()
            && is_unit()
        {
            measures.push(Measure {
                number,
                unit: range.clone(),
            });
        }
        let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && part.ends_with(char::is_whitespace) {
            before = Some(range);
        }
    }
    measures
}

/// What brands and attributes are compared by: case and accents do not count.
pub(super) fn filter_key(text: &str) -> String {
    static FOLD: LazyLock<TextAnalyzer> = LazyLock::new(|| {
        TextAnalyzer::builder(RawTokenizer::default())
            .filter(LowerCaser)
            .filter(AsciiFoldingFilter)
            .build()
    });
    let text = normalised(text.trim(), 512);
    let mut fold = FOLD.clone();
    let mut tokens = fold.token_stream(&text);
    tokens
        .next()
        .map(|token| token.text.clone())
        .unwrap_or_default()
}

/// The two orders of stemming and folding: stemmers know suffixes by their accents, customers often leave them out.
struct Chains {
    stem_first: TextAnalyzer,
    fold_first: TextAnalyzer,
}

impl Chains {
    fn of(analyser: Analyser) -> Self {
        let mut words = TextAnalyzer::builder(SimpleTokenizer::default())
            .filter(RemoveLongFilter::limit(MAX_WORD_BYTES))
            .filter_dynamic(LowerCaser);
        if let Some(stop_words) = stop_words(analyser) {
            words = words.filter_dynamic(stop_words);
        }
        let words = words.build();
        let Some(stemming) = analyser.stemming() else {
            let folded = TextAnalyzer::builder(Inner(words))
                .filter(AsciiFoldingFilter)
                .build();
            return Self {
                stem_first: folded.clone(),
                fold_first: folded,
            };
        };
        Self {
            stem_first: TextAnalyzer::builder(Inner(words.clone()))
                .filter(Stemmer::new(stemming))
                .filter(AsciiFoldingFilter)
                .build(),
            fold_first: TextAnalyzer::builder(Inner(words))
                .filter(AsciiFoldingFilter)
                .filter(Stemmer::new(stemming))
                .build(),
        }
    }
}

fn stop_words(analyser: Analyser) -> Option<StopWordFilter> {
    if analyser == Analyser::English {
        let words = ENGLISH_STOP_WORDS.iter().map(ToString::to_string);
        return Some(StopWordFilter::remove(words));
    }
    StopWordFilter::new(analyser.stemming()?)
}

/// A finished chain as the beginning of another.
#[derive(Clone)]
struct Inner(TextAnalyzer);

impl tantivy::tokenizer::Tokenizer for Inner {
    type TokenStream<'a> = tantivy::tokenizer::BoxTokenStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Self::TokenStream<'a> {
        self.0.token_stream(text)
    }
}

/// The first `max_bytes` of `text` in NFKC, with the Russian ё as е: it is written either way.
fn normalised(text: &str, max_bytes: usize) -> String {
    let text = &text[..text.floor_char_boundary(max_bytes)];
    if text.is_ascii() {
        return text.to_owned();
    }
    let one_letter = |letter| match letter {
        'ё' => 'е',
        'Ё' => 'Е',
        other => other,
    };
    text.nfkc().map(one_letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(analyser: Analyser, text: &str) -> Vec<String> {
        let words = analyser.words(text, 1000);
        words.into_iter().map(|word| word.term).collect()
    }

    #[test]
    fn words_are_stemmed_in_their_language_and_lose_case_and_accents() {
        assert_eq!(
            terms(Analyser::English, "Do you have the Jackets?"),
            ["eejacket"]
        );
        assert_eq!(
            terms(Analyser::Spanish, "botas de MONTAÑA"),
            ["ssbot", "ssmontan"]
        );
        assert_eq!(
            terms(Analyser::Russian, "тёплые куртки"),
            terms(Analyser::Russian, "теплые куртки")
        );
        assert_eq!(
            terms(Analyser::Plain, "Ceket XL 4-mevsim"),
            ["xxceket", "xxxl", "xx4", "xxmevsim"]
        );
    }

    #[test]
    fn a_decomposed_letter_is_the_composed_one() {
        assert_eq!(
            terms(Analyser::Spanish, "montan\u{303}a"),
            terms(Analyser::Spanish, "montaña")
        );
    }

    #[test]
    fn a_document_can_be_found_by_its_words_without_accents() {
        let document = Analyser::Spanish.document_words("impermeabilización total", 1000);
        for written in ["impermeabilización", "impermeabilizacion"] {
            let asked = terms(Analyser::Spanish, written);
            assert!(
                document.iter().any(|word| word.term == asked[0]),
                "{written}"
            );
        }
    }

    #[test]
    fn a_text_is_read_only_up_to_its_limit_and_never_split_inside_a_letter() {
        assert_eq!(Analyser::Plain.words("ñññ", 3)[0].letters, 1);
    }

    #[test]
    fn a_measure_is_one_word_too() {
        let words = Analyser::English.document_words("Cable 2 m, 32 GB in 3 boxes", 1000);
        let terms: Vec<&str> = words.iter().map(|word| word.term.as_str()).collect();
        assert!(
            terms.contains(&"ee2m") && terms.contains(&"ee32gb"),
            "{terms:?}"
        );
        assert!(!terms.contains(&"ee3box"), "{terms:?}");
    }

    #[test]
    fn filters_ignore_case_and_accents() {
        assert_eq!(filter_key(" Fjällräven "), filter_key("FJALLRAVEN"));
    }
}
