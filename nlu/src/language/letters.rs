//! What the letters of a word say of its language: naive Bayes, learnt from what the model learns from
//! (`training/languages.py`).

/// The table's languages, in its order. Russian is told by its letters.
pub(super) const LANGUAGES: [&str; 6] = ["en", "es", "pt", "fr", "de", "it"];

/// Rows of a check byte and one signed byte for each language, in [`STEPS`]ths of a natural logarithm.
static TABLE: &[u8] = include_bytes!("../../../models/languages.bin");
const ROW: usize = 1 + LANGUAGES.len();
const STEPS: f32 = 16.0;

/// What the letters of a word say more when the word itself is unknown.
const UNKNOWN_WORD: f32 = 1.2;

pub(super) type Scores = [f32; LANGUAGES.len()];

/// What a word says for each language: the word itself, and the mean of its letters in twos, threes and fours.
pub(super) fn of_word(word: &str) -> Scores {
    let marked: Vec<char> = ['^'].into_iter().chain(word.chars()).chain(['$']).collect();
    let whole = look_up(['='].into_iter().chain(word.chars()));
    let mut letters: Scores = [0.0; LANGUAGES.len()];
    let mut known = 0_usize;
    for length in 2..=4 {
        for said in marked
            .windows(length)
            .filter_map(|gram| look_up(gram.iter().copied()))
        {
            known += 1;
            for (sum, said) in letters.iter_mut().zip(said) {
                *sum += said;
            }
        }
    }
    let loudness = if whole.is_some() { 1.0 } else { UNKNOWN_WORD };
    let share = loudness / known.max(1) as f32;
    let mut scores = whole.unwrap_or_default();
    for (score, sum) in scores.iter_mut().zip(letters) {
        *score += sum * share;
    }
    scores
}

/// The row of a feature, if the table knows it.
fn look_up(feature: impl Iterator<Item = char>) -> Option<Scores> {
    let (bucket, check) = hashed(feature);
    let row = TABLE.get(bucket * ROW..(bucket + 1) * ROW)?;
    let (found, values) = row.split_first()?;
    if *found != check {
        return None;
    }
    let mut scores: Scores = [0.0; LANGUAGES.len()];
    for (score, value) in scores.iter_mut().zip(values) {
        *score = f32::from(value.cast_signed()) / STEPS;
    }
    Some(scores)
}

/// Bucket and check byte by FNV-1a (Fowler, Noll and Vo), as `training/languages.py` has them.
fn hashed(feature: impl Iterator<Item = char>) -> (usize, u8) {
    let mut hash: u32 = 0x811c_9dc5;
    let mut buffer = [0; 4];
    for letter in feature {
        for byte in letter.encode_utf8(&mut buffer).bytes() {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
    let buckets = TABLE.len() / ROW;
    let check = (hash >> 24) as u8;
    (hash as usize & (buckets - 1), check.max(1))
}
