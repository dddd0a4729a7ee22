//! Which examples are held out from which training, to see what the head makes of messages that it does not know.

/// Parts that the examples of each intent are cut into; each part is held out once.
const FOLDS: usize = 5;
/// Each fold holds out every so manieth intent whole as well. Not more, or those that are left would be told apart more
/// easily than all of them together.
const GROUPS: usize = 10;

/// One training on a part of the examples, and what is read with its result.
pub(super) struct Fold {
    /// What it is trained on, by place.
    pub(super) train: Vec<usize>,
    /// What it is then asked about.
    pub(super) held: Vec<usize>,
}

/// Cuts examples into [`FOLDS`] folds. `classes` has the intent of each; one that is `background` is no intent, is held
/// out like any other example, but never whole.
pub(super) fn folds(
    classes: &[usize],
    count: usize,
    background: Option<usize>,
    dice: &mut Dice,
) -> Vec<Fold> {
    let mut part = vec![0; classes.len()];
    let mut order: Vec<usize> = (0..classes.len()).collect();
    dice.shuffle(&mut order);
    let mut seen = vec![0; count];
    for place in order {
        let seen = &mut seen[classes[place]];
        // Starting each intent at another fold keeps the folds alike where intents have few examples.
        part[place] = (*seen + classes[place]) % FOLDS;
        *seen += 1;
    }
    let mut intents: Vec<usize> = (0..count)
        .filter(|intent| Some(*intent) != background)
        .collect();
    dice.shuffle(&mut intents);
    let mut group = vec![usize::MAX; count];
    for (place, intent) in intents.into_iter().enumerate() {
        group[intent] = place % GROUPS;
    }
    (0..FOLDS)
        .map(|fold| {
            let is_whole = |place: &usize| group[classes[*place]] == fold;
            let (held, train) =
                (0..classes.len()).partition(|place| part[*place] == fold || is_whole(place));
            Fold { train, held }
        })
        .collect()
}

/// Repeatable randomness (SplitMix64): the same seed gives the same folds on every machine and in every version.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Brings a list into an order of chance (Fisher and Yates).
    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            // The modulus favours small numbers by less than one in 2^40 here.
            let other = (self.roll() % (end as u64 + 1)) as usize;
            list.swap(end, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_held_out_and_some_intents_whole() {
        let classes: Vec<usize> = (0..200).map(|place| place % 20).collect();
        let folds = folds(&classes, 20, Some(3), &mut Dice(1));
        let mut held = vec![0; classes.len()];
        let mut whole = 0;
        for fold in &folds {
            assert_eq!(fold.train.len() + fold.held.len(), classes.len());
            fold.held.iter().for_each(|place| held[*place] += 1);
            for intent in 0..20 {
                if fold.train.iter().all(|place| classes[*place] != intent) {
                    assert_ne!(intent, 3, "the background is never held out whole");
                    whole += 1;
                }
            }
        }
        assert!(held.iter().all(|times| *times >= 1));
        assert!((8..=10).contains(&whole), "{whole}");
    }

    #[test]
    fn a_seed_gives_one_order() {
        let shuffled = |seed| {
            let mut list: Vec<u32> = (0..50).collect();
            Dice(seed).shuffle(&mut list);
            list
        };
        assert_eq!(shuffled(1), shuffled(1));
        assert_ne!(shuffled(1), shuffled(2));
    }
}
