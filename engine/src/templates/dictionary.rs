//! What things are called in other languages than the catalog's: a general dictionary into English.
//!
//! `dictionary/*.tsv` has a column for each language, English first; forms of one word are parted by `|`. It serves shops
//! whose catalog is in English; what it says wrong or lacks, the merchant's glossary says right, which goes before.

use std::collections::HashMap;

use doorstep_core::{ConfigFiles, Language};

/// The longest term, in words.
const MAX_WORDS: usize = 4;

/// The least letters of a word whose ending may differ, and of a part of a compound.
const MIN_STEM: usize = 4;

/// Words of other languages → English.
#[derive(Debug, Default)]
pub struct Dictionary {
    languages: HashMap<String, Words>,
}

/// The words of one language.
#[derive(Debug, Default)]
struct Words {
    /// As they are written, in lower case.
    exact: HashMap<String, String>,
    /// The same without endings, for forms that are not written down.
    stems: HashMap<String, String>,
    /// Whether nouns are written together.
    has_compounds: bool,
}

impl Dictionary {
    /// Reads `dictionary/*.tsv`, in the order of the files' names; of two translations the first counts. A file whose
    /// first column is not English is passed over.
    pub fn load(files: &ConfigFiles) -> Self {
        let mut dictionary = Self::default();
        for (_, text) in files.under("dictionary", "tsv") {
            dictionary.read(text);
        }
        dictionary
    }

    fn read(&mut self, text: &str) {
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let header: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
        if header.first() != Some(&"en") {
            return;
        }
        for line in lines {
            let mut cells = line.split('\t');
            let english = cells.next().unwrap_or_default();
            let english = english.split('|').next().unwrap_or_default().trim();
            if english.is_empty() {
                continue;
            }
            for (language, cell) in header[1..].iter().zip(cells) {
                let words = self.languages.entry((*language).to_owned()).or_default();
                words.has_compounds = *language == "de";
                for form in cell.split('|') {
                    words.add(form, english);
                }
            }
        }
    }

    /// `text` in English, as far as the dictionary goes; `None` where it knows no word of it.
    pub fn translate(&self, text: &str, language: &Language) -> Option<String> {
        let words = self.languages.get(language.primary())?;
        let text = text.to_lowercase();
        let written: Vec<&str> = parted(&text);
        let mut translated: Vec<String> = Vec::new();
        let mut is_known = false;
        let mut place = 0;
        while place < written.len() {
            let longest = MAX_WORDS.min(written.len() - place);
            let found = (1..=longest).rev().find_map(|length| {
                let phrase = written[place..place + length].join(" ");
                Some((length, words.meaning(&phrase)?))
            });
            match found {
                Some((length, meaning)) => {
                    is_known = true;
                    translated.push(meaning);
                    place += length;
                }
                None => {
                    translated.push(written[place].to_owned());
                    place += 1;
                }
            }
        }
        is_known.then(|| translated.join(" "))
    }
}

impl Words {
    fn add(&mut self, form: &str, english: &str) {
        let form = parted(&form.to_lowercase()).join(" ");
        if form.is_empty() {
            return;
        }
        let stem = stem(&form);
        self.exact.entry(form).or_insert_with(|| english.to_owned());
        if let Some(stem) = stem {
            self.stems.entry(stem).or_insert_with(|| english.to_owned());
        }
    }

    fn meaning(&self, phrase: &str) -> Option<String> {
        let known = self.known(phrase).map(str::to_owned);
        known.or_else(|| self.of_parts(phrase))
    }

    fn known(&self, phrase: &str) -> Option<&str> {
        let stemmed = || self.stems.get(&stem(phrase)?);
        let found = self.exact.get(phrase).or_else(stemmed)?;
        Some(found)
    }

    /// `Netzwerkkabel` by `Netzwerk` and `Kabel`: the longest known beginning whose rest is known too.
    fn of_parts(&self, word: &str) -> Option<String> {
        if !self.has_compounds || word.contains(' ') {
            return None;
        }
        let cuts = word.char_indices().map(|(at, _)| at).skip(MIN_STEM);
        for at in cuts.collect::<Vec<_>>().into_iter().rev() {
            let (first, rest) = word.split_at(at);
            if rest.chars().count() < MIN_STEM {
                continue;
            }
            // Between the parts an `s` or an `n` may stand that belongs to neither.
            let bare = first.strip_suffix(['s', 'n']);
            let meaning = self.known(first).or_else(|| self.known(bare?));
            if let (Some(first), Some(rest)) = (meaning, self.known(rest)) {
                return Some(format!("{first} {rest}"));
            }
        }
        None
    }
}

/// The words of a lower-case text; an apostrophe ends one (`l'imprimante`), a hyphen joins.
fn parted(text: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '-';
    text.split(|c: char| !is_word(c))
        .map(|word| word.trim_matches('-'))
        .filter(|word| !word.is_empty())
        .collect()
}

/// A term whose words have lost their endings: plurals, cases and genders of seven languages are mostly vowels, `s`, and
/// a few consonants after a vowel. `None` where too little would be left.
fn stem(phrase: &str) -> Option<String> {
    let mut stems = Vec::new();
    for word in phrase.split(' ') {
        let mut letters: Vec<char> = word.chars().map(plain).collect();
        let mut lost = 0;
        while lost < 3 && letters.len() > MIN_STEM && letters.last().copied().is_some_and(is_ending)
        {
            letters.pop();
            lost += 1;
        }
        if letters.len() < MIN_STEM {
            return None;
        }
        stems.push(letters.into_iter().collect::<String>());
    }
    Some(stems.join(" "))
}

fn is_ending(letter: char) -> bool {
    matches!(
        letter,
        'a' | 'e'
            | 'i'
            | 'o'
            | 'u'
            | 's'
            | 'n'
            | 'а'
            | 'е'
            | 'и'
            | 'о'
            | 'у'
            | 'ы'
            | 'ю'
            | 'я'
            | 'й'
            | 'ь'
            | 'м'
            | 'х'
            | 'в'
    )
}

/// A letter without its accent, for those that customers leave out.
fn plain(letter: char) -> char {
    match letter {
        'á' | 'à' | 'â' | 'ã' => 'a',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' => 'i',
        'ó' | 'ò' | 'ô' | 'õ' => 'o',
        'ú' | 'ù' | 'û' => 'u',
        'ñ' => 'n',
        'ç' => 'c',
        'ё' => 'е',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dictionary() -> Dictionary {
        Dictionary::load(&ConfigFiles::new([(
            "dictionary/words.tsv",
            "en\tes\tfr\tde\tru\n# a comment\ncable\tcable|cables\tcâble|câbles\tKabel\tкабель|кабеля\nnetwork\tred\tréseau\tNetzwerk\tсеть\nhard drive\tdisco duro|discos duros\tdisque dur\tFestplatte|Festplatten\tжёсткий диск\nprinter\timpresora\timprimante|imprimantes\tDrucker\tпринтер\nfor|to\tpara\tpour\tfür\tдля\n",
        )]))
    }

    fn english(language: &str, text: &str) -> Option<String> {
        dictionary().translate(text, &language.parse().unwrap())
    }

    #[test]
    fn words_and_phrases_become_english_and_names_stay() {
        let told = |language, text| english(language, text).unwrap();
        assert_eq!(
            told("es", "¿Discos duros Seagate de 2TB?"),
            "hard drive seagate de 2tb"
        );
        assert_eq!(told("fr-CA", "l'imprimante HP"), "l printer hp");
        assert_eq!(
            told("de", "Netzwerkkabel für Drucker"),
            "network cable for printer"
        );
        assert_eq!(told("ru", "Жесткий диск"), "hard drive");
        assert_eq!(english("es", "Seagate"), None);
        assert_eq!(english("en", "cable"), None);
    }

    #[test]
    fn forms_that_are_not_written_down_are_known_by_their_stem() {
        assert_eq!(english("es", "impresoras").as_deref(), Some("printer"));
        assert_eq!(english("ru", "принтеры").as_deref(), Some("printer"));
        assert_eq!(english("fr", "cables").as_deref(), Some("cable"));
    }
}
