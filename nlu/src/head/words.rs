//! What the words of a text say, beside its vectors.
//!
//! To the encoder two intents may look alike that one word tells apart. So each intent is given the logarithm of how much
//! likelier it makes the text's words than an intent that never had them (naive Bayes), in a prior that only what is seen
//! again and again outweighs. What no example has says nothing.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
};

use unicode_normalization::UnicodeNormalization;

use crate::session::truncate;

/// Letters in a row that count as a part of a text: endings and misspellings are then less of an obstacle.
const LETTERS: usize = 4;
/// How often any intent is taken to have had any part before it has an example.
const PRIOR: f32 = 0.1;
/// How much the words count beside the vectors where intents have very many examples.
const MOST: f32 = 0.5;
/// With so many examples an intent they count half of that: the words of a few are those of chance. Chosen on sets of 7 to
/// 150 intents: with 10 examples and more an encoder that never saw them gains by words, with 5 little.
const HALF: f32 = 16.0;

/// The parts of a text: its words, pairs of neighbours and letters in a row, in lower case. Each by its hash, with one and
/// the logarithm of how often it is there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Words(Vec<(u64, f32)>);

impl Words {
    pub(super) fn of(text: &str) -> Self {
        let text = truncate(text).nfkc().collect::<String>().to_lowercase();
        let words: Vec<&str> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect();
        let line: Vec<char> = format!(" {} ", words.join(" ")).chars().collect();
        let mut parts: Vec<u64> = words.iter().map(hash).collect();
        parts.extend(words.windows(2).map(hash));
        parts.extend(line.windows(LETTERS).map(hash));
        parts.sort_unstable();
        let counted = parts
            .chunk_by(|a, b| a == b)
            .map(|same| (same[0], 1.0 + (same.len() as f32).ln()));
        Self(counted.collect())
    }
}

/// The same in every run; parts of different kinds have different ones.
fn hash<T: Hash>(part: T) -> u64 {
    let mut hasher = DefaultHasher::new();
    part.hash(&mut hasher);
    hasher.finish()
}

/// What is known of one part of texts.
#[derive(Debug, Clone, Default)]
struct Part {
    /// How telling it is: the logarithm of how few examples have it.
    rarity: f32,
    /// What it says for each intent that has it.
    says: Vec<(usize, f32)>,
}

/// The parts of all examples.
#[derive(Debug, Clone, Default)]
pub(super) struct Lexicon {
    /// Never gone through in its order, which chance decides.
    parts: HashMap<u64, Part>,
    /// How telling a part would be that no example has. It says nothing, but the others then say less.
    unseen: f32,
}

impl Lexicon {
    /// Learns from the texts at `places`; `classes` has the class of each text.
    pub(super) fn learn(words: &[Words], classes: &[usize], places: &[usize]) -> Self {
        let mut lexicon = Self::default();
        for (part, _) in places.iter().flat_map(|place| &words[*place].0) {
            lexicon.parts.entry(*part).or_default().rarity += 1.0;
        }
        let count = places.len() as f32;
        lexicon.unseen = (count + 1.0).ln();
        for part in lexicon.parts.values_mut() {
            part.rarity = ((count + 1.0) / part.rarity).ln();
        }
        for place in places {
            for (part, share) in lexicon.shares(&words[*place]) {
                if let Some(part) = lexicon.parts.get_mut(&part) {
                    part.add(classes[*place], share);
                }
            }
        }
        let different: BTreeSet<usize> = places.iter().map(|place| classes[*place]).collect();
        let each = count / different.len().max(1) as f32;
        let weight = MOST * each / (each + HALF);
        for part in lexicon.parts.values_mut() {
            for (_, seen) in &mut part.says {
                *seen = weight * (*seen / PRIOR).ln_1p();
            }
        }
        lexicon
    }

    /// Adds what a text's words say for each class to the classes' scores.
    pub(super) fn add_to(&self, scores: &mut [f32], words: &Words) {
        for (part, share) in self.shares(words) {
            for (class, says) in self
                .parts
                .get(&part)
                .into_iter()
                .flat_map(|part| &part.says)
            {
                scores[*class] += share * says;
            }
        }
    }

    /// The parts of a text, each with its share in it; their squares sum to 1, so that a long text says no more than a short
    /// one.
    fn shares(&self, words: &Words) -> Vec<(u64, f32)> {
        let rarity = |part| self.parts.get(part).map_or(self.unseen, |part| part.rarity);
        let mut shares: Vec<(u64, f32)> = words
            .0
            .iter()
            .map(|(part, times)| (*part, times * rarity(part)))
            .collect();
        let length = shares.iter().map(|(_, share)| share * share).sum::<f32>();
        let length = length.sqrt().max(f32::MIN_POSITIVE);
        shares.iter_mut().for_each(|(_, share)| *share /= length);
        shares
    }
}

impl Part {
    fn add(&mut self, class: usize, share: f32) {
        match self.says.iter_mut().find(|(known, _)| *known == class) {
            Some((_, seen)) => *seen += share,
            None => self.says.push((class, share)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is learnt of texts, and what it then adds to the scores of two intents for another one.
    fn said(examples: &[(&str, usize)], text: &str) -> [f32; 2] {
        let words: Vec<Words> = examples.iter().map(|(text, _)| Words::of(text)).collect();
        let classes: Vec<usize> = examples.iter().map(|(_, class)| *class).collect();
        let places: Vec<usize> = (0..examples.len()).collect();
        let mut scores = [0.0; 2];
        Lexicon::learn(&words, &classes, &places).add_to(&mut scores, &Words::of(text));
        scores
    }

    #[test]
    fn case_marks_and_how_letters_are_written_make_no_difference() {
        assert_eq!(Words::of("Do you ENGRAVE?"), Words::of("do you, engrave"));
        assert_eq!(Words::of("Größe"), Words::of("gro\u{308}ße"));
        assert_eq!(Words::of("МОЖНО упаковать"), Words::of("можно упаковать!"));
        assert_ne!(Words::of("not now"), Words::of("now not"));
        for text in ["", "…", "🎁"] {
            assert!(said(&[("a", 0), ("b", 1)], text) == [0.0; 2], "{text}");
        }
    }

    #[test]
    fn a_word_speaks_for_the_intents_that_have_it_and_for_no_other() {
        let examples = [
            ("do you engrave knives", 0),
            ("engrave a name please", 0),
            ("do you sharpen knives", 1),
            ("sharpen my scissors", 1),
        ];
        let [engrave, sharpen] = said(&examples, "engrave");
        assert!(engrave > 0.0 && sharpen == 0.0);
        let [engrave, sharpen] = said(&examples, "can they sharpen this knife");
        assert!(sharpen > engrave && engrave > 0.0);
        // Misspelt, there is something left of it.
        let [engrave, sharpen] = said(&examples, "engraveing");
        assert!(engrave > 0.0 && sharpen == 0.0);
        assert_eq!(said(&examples, "where is it"), [0.0; 2]);
    }

    #[test]
    fn words_say_more_the_more_examples_there_are_and_less_among_words_that_none_has() {
        let examples = |each: usize| [("engrave it", 0), ("sharpen it", 1)].repeat(each);
        let of = |each, text| said(&examples(each), text)[0];
        assert!(of(3, "engrave") < of(10, "engrave"));
        assert!(of(10, "engrave") < of(40, "engrave"));
        assert!(of(10, "engrave for uncle bob") < of(10, "engrave"));
        // However often it is said.
        assert!(of(10, &"engrave ".repeat(50)) < 2.0 * of(10, "engrave"));
    }
}
