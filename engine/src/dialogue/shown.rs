//! What a message says of the products that were shown last: "the second one", "cheaper", "the cheapest", "something like
//! it", "in blue?".
//!
//! The model reads a message alone, and alone such a message says nothing. So these words count only after an answer about
//! products, and only where the model is not sure of anything else. Others like a product that the message names can be asked
//! for at any time.

use doorstep_core::{
    product::COLOUR_NAMES,
    search::{self, SearchSort},
    understanding::{Entity, EntityKind},
};

use super::{
    Scene,
    alike::{self, Relation},
    decide::{Guess, guess},
    memory::Memory,
    sorting::{Order, wishes_for_something},
};
use crate::flows::SlotKind;

/// The intents whose answers are about one product.
const OF_ONE: [&str; 2] = ["product_question", "stock_check"];
/// The intents whose answers show products.
const SHOWING: [&str; 3] = ["product_search", "product_question", "stock_check"];
/// A longer message stands for itself.
const MAX_WORDS: usize = 8;
/// More words beside what narrows a search are a search of their own.
const MAX_OTHER_WORDS: usize = 5;
/// What narrows a search.
const NARROWING: [EntityKind; 5] = [
    EntityKind::Colour,
    EntityKind::Attribute,
    EntityKind::Size,
    EntityKind::MaxPrice,
    EntityKind::MinPrice,
];

/// Words, and beginnings of words, in en, es, pt, fr, de, it and ru.
pub(super) struct Cue {
    pub(super) words: &'static [&'static str],
    pub(super) beginnings: &'static [&'static str],
}

const PLACES: [Cue; 4] = [
    Cue {
        words: &["first", "1st", "primo", "prima"],
        beginnings: &["primer", "primeir", "premièr", "premiere", "erste", "перв"],
    },
    Cue {
        words: &["second", "2nd", "secondo", "seconda"],
        beginnings: &["segund", "deuxi", "zweite", "втор"],
    },
    Cue {
        words: &["third", "3rd", "terzo", "terza"],
        beginnings: &["tercer", "terceir", "troisi", "dritte", "трет"],
    },
    Cue {
        words: &["fourth", "4th", "cuarto", "cuarta", "quarto", "quarta"],
        beginnings: &["quatri", "vierte", "четв"],
    },
];
const LAST: Cue = Cue {
    words: &["last"],
    beginnings: &["últim", "ultim", "derni", "letzte", "последн"],
};
const CHEAPER: Cue = Cue {
    words: &[],
    beginnings: &[
        "cheap",
        "barat",
        "billig",
        "günstig",
        "économique",
        "economic",
        "económic",
        "дешев",
        "дешёв",
        "подешев",
        "недорог",
    ],
};
const CHEAPER_PHRASES: [&str; 12] = [
    "less expensive",
    "too expensive",
    "less money",
    "menos caro",
    "muy caro",
    "demasiado car",
    "moins ch",
    "trop ch",
    "meno car",
    "troppo car",
    "zu teuer",
    "слишком дорог",
];
/// Asks which of several, among the first words.
const WHICH: Cue = Cue {
    words: &[
        "which", "cuál", "cual", "cuáles", "cuales", "qual", "quale", "quali", "quais", "lequel",
        "laquelle", "quel", "quelle",
    ],
    beginnings: &["welche", "какой", "какая", "какое", "какие"],
};
const WHICH_AMONG: usize = 3;
impl Cue {
    fn is(&self, word: &str) -> bool {
        self.words.contains(&word) || self.beginnings.iter().any(|start| word.starts_with(start))
    }

    pub(super) fn is_in(&self, text: &str) -> bool {
        words(text).any(|word| self.is(word))
    }
}

pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// What is wished of the products that were shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FollowUp {
    /// To hear of this one.
    This,
    /// Others like this one, by its id.
    Like(String),
    /// Things of other kinds that go with this one, by its id.
    With(String),
    /// The same for less.
    Cheaper,
    /// The same in this order, and with what the message adds.
    Sorted(SearchSort),
    /// The same search, with what the message adds.
    Narrower,
    /// Whether this one, by its id, can be had in what the message adds.
    Stock(String),
}

/// What the message wishes by a product that it names, or of the products that were shown last, if it speaks of them.
pub(crate) fn follow_up(scene: &Scene<'_>, memory: &Memory) -> Option<FollowUp> {
    by_a_product(scene, memory).or_else(|| of_the_shown(scene, memory))
}

/// Others like a product, or what goes with it: with the one that the message names, else with one that was shown.
fn by_a_product(scene: &Scene<'_>, memory: &Memory) -> Option<FollowUp> {
    let reading = scene.reading();
    let asked = alike::asked(reading.text)?;
    if reading.words_outside_entities() > MAX_WORDS {
        return None;
    }
    let entities = scene.understanding.entities.iter();
    let mut named = entities.filter(|entity| entity.kind == EntityKind::Product);
    let first = named.next();
    // Two are compared with each other.
    if named.any(|other| first.is_some_and(|first| first.value != other.value)) {
        return None;
    }
    let is_of_products = match guess(scene) {
        Guess::Sure(_, "product_search") | Guess::Unsure(_) | Guess::Unknown => true,
        Guess::Sure(flow, intent) => {
            let is_about_one = first.is_some() && flow.slot_of(SlotKind::Product).is_some();
            asked.is_plain && (is_about_one || SHOWING.contains(&intent))
        }
        Guess::Several(_) => false,
    };
    if !is_of_products {
        return None;
    }
    let model = match first {
        Some(first) => first.value.clone(),
        None => shown_model(scene, memory, asked)?.clone(),
    };
    Some(match asked.relation {
        Relation::Like => FollowUp::Like(model),
        Relation::With => FollowUp::With(model),
    })
}

/// The product that was shown and is meant.
fn shown_model<'m>(
    scene: &Scene<'_>,
    memory: &'m Memory,
    asked: alike::Asked,
) -> Option<&'m String> {
    let reading = scene.reading();
    if !spoke_of_products(memory) || reading.word_count() > MAX_WORDS {
        return None;
    }
    let place = place(reading.text, memory.products.len());
    // "Something like boots" is a search of its own.
    let is_new = asked.is_plain && asked.relation == Relation::Like && names_a_kind(scene);
    match place {
        Some(place) => memory.products.get(place),
        None if is_new => None,
        None => memory.spoken_of(),
    }
}

fn spoke_of_products(memory: &Memory) -> bool {
    let last = memory.finished.as_ref();
    !memory.products.is_empty() && last.is_some_and(|last| SHOWING.contains(&last.intent.as_str()))
}

/// What the message wishes of the products that were shown last.
fn of_the_shown(scene: &Scene<'_>, memory: &Memory) -> Option<FollowUp> {
    let reading = scene.reading();
    if !spoke_of_products(memory) || reading.word_count() > MAX_WORDS {
        return None;
    }
    let names = |kind| scene.understanding.entity(kind).is_some();
    let beside_narrowing = beside_narrowing(scene);
    let narrows =
        NARROWING.into_iter().any(names) && !names_a_kind(scene) && memory.search.is_some();
    let only_narrows = narrows && !wishes_for_something(&beside_narrowing);
    let guess = guess(scene);
    let is_of_products = match &guess {
        Guess::Sure(_, intent) => SHOWING.contains(intent),
        Guess::Several(_) => false,
        Guess::Unsure(_) | Guess::Unknown => true,
    };
    let order = Order::of(&beside_narrowing).filter(|_| memory.search.is_some());
    if let Some(order) = order
        && is_of_products
    {
        // "The cheapest boots" is a search of its own.
        let is_new = names(EntityKind::Product) || names_a_kind(scene) || order.says_more();
        return (!is_new).then_some(FollowUp::Sorted(order.sort));
    }
    if let Some(product) = one_spoken_of(memory)
        && asks_of_one(scene)
        && !wishes_for_something(&beside_narrowing)
        && matches!(
            guess,
            Guess::Sure(_, "product_search") | Guess::Unsure(_) | Guess::Unknown
        )
    {
        return Some(FollowUp::Stock(product.clone()));
    }
    let searches = match guess {
        Guess::Sure(_, "product_search") => true,
        // "What about under 100 euros?" alone sounds like a discount.
        Guess::Sure(_, "discount_code") if names_price_limit(scene) => false,
        // "In blue?" of several is no question about one of them.
        Guess::Sure(_, "stock_check")
            if only_narrows && names(EntityKind::Colour) && memory.product.is_none() =>
        {
            return Some(FollowUp::Narrower);
        }
        Guess::Sure(..) | Guess::Several(_) => return None,
        Guess::Unsure(_) | Guess::Unknown => false,
    };
    let text = reading.text.to_lowercase();
    let place = place(&text, memory.products.len());
    let shown = place.and_then(|place| memory.products.get(place));
    let is_new = names(EntityKind::Product) || names(EntityKind::Attribute);
    let is_cheaper =
        CHEAPER.is_in(&text) || CHEAPER_PHRASES.iter().any(|phrase| text.contains(phrase));
    if is_cheaper && !is_new && memory.search.is_some() {
        return Some(FollowUp::Cheaper);
    }
    if searches {
        return only_narrows.then_some(FollowUp::Narrower);
    }
    if shown.is_some() {
        return Some(FollowUp::This);
    }
    let is_short = reading.words_outside_entities() <= MAX_OTHER_WORDS;
    (narrows && is_short).then_some(FollowUp::Narrower)
}

/// The product that the last answer was about, where it was about one.
fn one_spoken_of(memory: &Memory) -> Option<&String> {
    let last = memory.finished.as_ref()?;
    let product = memory.product.as_ref()?;
    OF_ONE.contains(&last.intent.as_str()).then_some(product)
}

/// Whether all that the message names is a colour or a size: "and in slate?", after an answer about one jacket.
fn asks_of_one(scene: &Scene<'_>) -> bool {
    let entities = &scene.understanding.entities;
    let is_of_one = |entity: &Entity| entity.kind == EntityKind::Size || is_colour(entity);
    !entities.is_empty() && entities.iter().all(is_of_one)
}

/// Whether an entity is a colour, in a word of the language or in one of the catalog's.
pub(crate) fn is_colour(entity: &Entity) -> bool {
    let name = entity.value.split_once('=').map(|(name, _)| name);
    match entity.kind {
        EntityKind::Colour => true,
        EntityKind::Attribute => name.is_some_and(|name| COLOUR_NAMES.contains(&name)),
        _ => false,
    }
}

/// The message without what narrows a search.
fn beside_narrowing(scene: &Scene<'_>) -> String {
    let entities = scene.understanding.entities.iter();
    let narrowing = entities.filter(|entity| NARROWING.contains(&entity.kind));
    without(scene.reading().text, narrowing)
}

/// `text` without these of the things that it names.
pub(crate) fn without<'e>(
    text: &str,
    entities: impl DoubleEndedIterator<Item = &'e Entity>,
) -> String {
    let mut rest = text.to_owned();
    for entity in entities.rev() {
        if rest.get(entity.start..entity.end).is_some() {
            rest.replace_range(entity.start..entity.end, " ");
        }
    }
    rest
}

/// Whether the message says what kind of thing is wished: "boots".
fn names_a_kind(scene: &Scene<'_>) -> bool {
    let entities = &scene.understanding.entities;
    entities.iter().any(is_kind)
}

/// Whether an entity is a category of the catalog.
pub(crate) fn is_kind(entity: &Entity) -> bool {
    let name = entity.value.split_once('=').map(|(name, _)| name);
    entity.kind == EntityKind::Attribute && name == Some(search::CATEGORY)
}

fn names_price_limit(scene: &Scene<'_>) -> bool {
    [EntityKind::MaxPrice, EntityKind::MinPrice]
        .into_iter()
        .any(|kind| scene.understanding.entity(kind).is_some())
}

/// Which of `count` things that were shown the words name first: "the second one", "la última".
fn place(text: &str, count: usize) -> Option<usize> {
    places(text, count).into_iter().next()
}

/// All that they name, each once.
fn places(text: &str, count: usize) -> Vec<usize> {
    let text = text.to_lowercase();
    let mut named = Vec::new();
    for word in words(&text) {
        let place = PLACES.iter().position(|cue| cue.is(word));
        let place = place.or_else(|| LAST.is(word).then(|| count.checked_sub(1)).flatten());
        if let Some(place) = place.filter(|place| *place < count && !named.contains(place)) {
            named.push(place);
        }
    }
    named
}

/// The one product of those that were shown which the words name.
pub(crate) fn only_place(text: &str, count: usize) -> Option<usize> {
    match places(text, count).as_slice() {
        [only] => Some(*only),
        _ => None,
    }
}

/// The products that were shown and are held against each other: "the first or the second?", and all of them in "which one is
/// lighter?".
pub(crate) fn compared(text: &str, memory: &Memory) -> Vec<String> {
    if !spoke_of_products(memory) {
        return Vec::new();
    }
    let places = places(text, memory.products.len());
    if places.is_empty() && memory.product.is_none() && asks_which(text) {
        return memory.products.clone();
    }
    let shown = |place: usize| memory.products.get(place).cloned();
    places.into_iter().filter_map(shown).collect()
}

/// Whether the text begins with asking which one.
fn asks_which(text: &str) -> bool {
    let text = text.to_lowercase();
    words(&text).take(WHICH_AMONG).any(|word| WHICH.is(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_named_in_every_language() {
        let second = [
            "the second one",
            "la segunda",
            "o segundo",
            "le deuxième",
            "die zweite",
            "il secondo",
            "вторую",
        ];
        for text in second {
            assert_eq!(place(text, 4), Some(1), "{text}");
        }
        assert_eq!(place("the last one", 4), Some(3));
        assert_eq!(place("the third one", 2), None);
        assert_eq!(place("for hiking", 4), None);
        assert_eq!(only_place("the first or the second?", 4), None);
        assert_eq!(only_place("the second, yes, the second", 4), Some(1));
    }

    #[test]
    fn which_one_is_asked_in_every_language() {
        for text in [
            "and which one is lighter?",
            "¿cuál pesa menos?",
            "qual é mais leve?",
            "laquelle est plus légère ?",
            "welches ist leichter?",
            "quale pesa meno?",
            "а какая легче?",
        ] {
            assert!(asks_which(text), "{text}");
        }
        assert!(!asks_which("is it waterproof?"));
    }

    #[test]
    fn cheaper_is_said_in_every_language() {
        let cheaper = [
            "cheaper please",
            "algo más barato",
            "mais barato",
            "quelque chose de moins cher",
            "etwas günstigeres",
            "qualcosa di meno caro",
            "а подешевле?",
        ];
        for text in cheaper {
            let said =
                CHEAPER.is_in(text) || CHEAPER_PHRASES.iter().any(|phrase| text.contains(phrase));
            assert!(said, "{text}");
        }
    }
}
