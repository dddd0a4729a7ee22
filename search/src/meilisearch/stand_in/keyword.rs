//! Whether a document holds the words of a query, and how well: the server's rules, each a rank among so many.

use serde_json::{Value, json};

use super::{Object, index::Index};

/// The least letters of a word with a typo, where the settings say nothing else.
const TYPO_LETTERS: usize = 5;
/// How many places in a text are told apart.
const PLACES: usize = 11;

/// How well a document holds the words of a query.
pub(super) struct Match {
    words: usize,
    max_words: usize,
    typos: usize,
    max_typos: usize,
    /// Which field, of how many.
    field: usize,
    max_field: usize,
    place: usize,
    exactness: Exactness,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Exactness {
    No = 1,
    Start = 2,
    Whole = 3,
}

/// Where a word was found.
struct Place {
    field: usize,
    word: usize,
    typos: usize,
}

/// A word that is asked for.
struct Asked<'a> {
    word: &'a str,
    /// Within quotation marks: as it is.
    is_phrase: bool,
    /// The last one, with nothing after it: it may only be begun.
    is_begun: bool,
}

impl Match {
    fn ranks(&self) -> [(usize, usize); 6] {
        [
            (self.words, self.max_words),
            (self.max_typos + 1 - self.typos, self.max_typos + 1),
            (1, 1), // The distance of words from one another is not told apart.
            (self.max_field - self.field, self.max_field),
            (PLACES - self.place.div_ceil(2).min(PLACES - 1), PLACES),
            (self.exactness as usize, 3),
        ]
    }

    /// Between 0 and 1: each rule decides among what the rules before it hold for equal.
    pub(super) fn score(&self) -> f64 {
        score(&self.ranks())
    }

    /// The same by the rules that count before an order that is asked for: by default all down to the field.
    pub(super) fn before_sort(&self) -> f64 {
        score(&self.ranks()[..4])
    }

    pub(super) fn details(&self) -> Value {
        let score = self.ranks().map(|(rank, of)| rank as f64 / of as f64);
        let kind = match self.exactness {
            Exactness::No => "noExactMatch",
            Exactness::Start => "matchesStart",
            Exactness::Whole => "exactMatch",
        };
        json!({
            "words": {
                "order": 0, "matchingWords": self.words, "maxMatchingWords": self.max_words,
                "score": score[0],
            },
            "typo": {
                "order": 1, "typoCount": self.typos, "maxTypoCount": self.max_typos,
                "score": score[1],
            },
            "proximity": { "order": 2, "score": score[2] },
            "attributeRank": { "order": 3, "score": score[3] },
            "wordPosition": { "order": 4, "score": score[4] },
            "exactness": { "order": 5, "matchType": kind, "score": score[5] },
        })
    }
}

fn score(ranks: &[(usize, usize)]) -> f64 {
    let fold = |(rank, of): (usize, usize), (own, max): &(usize, usize)| {
        ((rank - 1) * max + own, of * max)
    };
    let (rank, of) = ranks.iter().fold((1, 1), fold);
    rank as f64 / of as f64
}

impl Index {
    /// How well a document holds what `query` asks for: all words, or by default as many as it holds from the first on.
    pub(super) fn matched(&self, fields: &Object, query: &Value) -> Option<Match> {
        let text = query["q"].as_str().unwrap_or_default().to_lowercase();
        let asked = asked(&text);
        let searched = self.searched(fields, query);
        let texts: Vec<String> = searched
            .iter()
            .map(|name| fields.get(name).and_then(Value::as_str).unwrap_or_default())
            .map(str::to_lowercase)
            .collect();
        let found = asked
            .iter()
            .map(|asked| self.place(asked, &searched, &texts));
        let found: Vec<Place> = found.map_while(|place| place).collect();
        let least = if query["matchingStrategy"] == "all" {
            asked.len()
        } else {
            1
        };
        let best = found.iter().map(|place| (place.field, place.word)).min()?;
        if found.len() < least {
            return None;
        }
        let words: Vec<&str> = asked.iter().map(|asked| asked.word).collect();
        let long = |asked: &&Asked<'_>| !asked.is_phrase && self.may_err(asked.word);
        Some(Match {
            words: found.len(),
            max_words: asked.len(),
            typos: found.iter().map(|place| place.typos).sum(),
            max_typos: asked.iter().filter(long).count(),
            field: best.0,
            max_field: searched.len(),
            place: best.1,
            exactness: exactness(&texts[best.0], &words),
        })
    }

    fn searched(&self, fields: &Object, query: &Value) -> Vec<String> {
        let named = query["attributesToSearchOn"].as_array();
        let named = named.or_else(|| self.settings.get("searchableAttributes")?.as_array());
        match named {
            Some(names) if !names.contains(&json!("*")) => {
                let names = names.iter().map(|name| name.as_str().unwrap());
                names.map(str::to_owned).collect()
            }
            _ => fields.keys().cloned().collect(),
        }
    }

    fn place(&self, asked: &Asked<'_>, searched: &[String], texts: &[String]) -> Option<Place> {
        let mut places = Vec::new();
        for (field, (name, text)) in searched.iter().zip(texts).enumerate() {
            let forgives = !asked.is_phrase && self.may_err(asked.word) && !self.is_exact(name);
            for (word, own) in text.split_whitespace().enumerate() {
                let holds = own == asked.word || (asked.is_begun && own.starts_with(asked.word));
                let typos = usize::from(!holds);
                if holds || (forgives && strsim::osa_distance(own, asked.word) <= 1) {
                    places.push(Place { field, word, typos });
                }
            }
        }
        places
            .into_iter()
            .min_by_key(|place| (place.typos, place.field, place.word))
    }

    /// Whether a word is long enough for a typo.
    fn may_err(&self, word: &str) -> bool {
        let tolerance = self.settings.get("typoTolerance");
        let letters = tolerance.map(|own| &own["minWordSizeForTypos"]["oneTypo"]);
        let letters = letters.and_then(Value::as_u64);
        word.chars().count() >= letters.map_or(TYPO_LETTERS, |letters| letters as usize)
    }

    /// Whether a field forgives no typos.
    fn is_exact(&self, name: &str) -> bool {
        let tolerance = self.settings.get("typoTolerance");
        let exact = tolerance.and_then(|own| own["disableOnAttributes"].as_array());
        exact.is_some_and(|names| names.iter().any(|own| own == name))
    }
}

fn asked(text: &str) -> Vec<Asked<'_>> {
    let is_open = !text.ends_with(' ');
    let mut all: Vec<Asked<'_>> = Vec::new();
    for word in text.split_whitespace() {
        let quoted = word
            .strip_prefix('"')
            .and_then(|word| word.strip_suffix('"'));
        all.push(Asked {
            word: quoted.unwrap_or(word),
            is_phrase: quoted.is_some(),
            is_begun: false,
        });
    }
    if let Some(last) = all.last_mut() {
        last.is_begun = is_open && !last.is_phrase;
    }
    all
}

fn exactness(text: &str, asked: &[&str]) -> Exactness {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words == asked {
        Exactness::Whole
    } else if words.starts_with(asked) {
        Exactness::Start
    } else {
        Exactness::No
    }
}
