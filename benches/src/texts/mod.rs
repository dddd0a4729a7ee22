//! What customers write here: our own messages, or those of a file.

mod csv;
mod parts;

use std::{collections::HashSet, path::Path};

use crate::Outcome;
use parts::{LANGUAGES, Speech};

/// How often each question is asked, each time about something else or in other words.
const ROUNDS: usize = 12;
/// Fewer than this would let a server know them by heart.
const LEAST: usize = 500;

/// Distinct messages in a fixed order that mixes subjects and languages.
pub(crate) fn load(file: Option<&Path>) -> Outcome<Vec<String>> {
    let texts = match file {
        Some(path) => csv::column(path, &["utterance", "text"])?,
        None => compose(),
    };
    let mut texts = distinct(texts);
    if texts.len() < LEAST {
        return Err(format!(
            "{} distinct messages are too few, {LEAST} are needed",
            texts.len()
        )
        .into());
    }
    shuffle(&mut texts);
    Ok(texts)
}

fn compose() -> Vec<String> {
    (0..ROUNDS)
        .flat_map(|round| LANGUAGES.iter().flat_map(move |speech| speech.say(round)))
        .collect()
}

impl Speech {
    /// Every question of the language, in the words of this round.
    fn say(&self, round: usize) -> impl Iterator<Item = String> {
        self.questions
            .iter()
            .enumerate()
            .map(move |(number, question)| {
                let greeting = pick(self.greetings, 3 * round + number);
                let closing = pick(self.closings, 5 * round + 2 * number);
                let mut text = (*question).to_owned();
                for (slot, values) in self.slots {
                    text = text.replace(slot, pick(values, round + 7 * number));
                }
                format!("{greeting}{text}{closing}")
            })
    }
}

fn pick<'a>(values: &[&'a str], number: usize) -> &'a str {
    values[number % values.len()]
}

fn distinct(texts: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    texts
        .into_iter()
        .filter(|text| !text.trim().is_empty() && seen.insert(text.clone()))
        .collect()
}

/// Fisher and Yates's, from a fixed seed.
pub(crate) fn shuffle<T>(items: &mut [T]) {
    let mut state = 0x5eed_d00f_u64;
    for end in (1..items.len()).rev() {
        // A linear congruential generator (Knuth's MMIX constants); its high bits are the good ones.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        items.swap(end, (state >> 33) as usize % (end + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_messages_are_many_distinct_and_complete() {
        let texts = load(None).unwrap();
        assert!(texts.len() >= LEAST, "{}", texts.len());
        assert_eq!(texts.iter().collect::<HashSet<_>>().len(), texts.len());
        let incomplete = texts.iter().find(|text| text.contains(['{', '}']));
        assert_eq!(incomplete, None);
    }

    #[test]
    fn the_order_is_always_the_same() {
        assert_eq!(load(None).unwrap(), load(None).unwrap());
    }
}
