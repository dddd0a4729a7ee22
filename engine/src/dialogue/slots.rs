//! Reading a slot's value off a message.

use doorstep_core::understanding::{Entity, EntityKind, Understanding};

use super::cues;
use crate::flows::SlotKind;

/// What describes a wish rather than being all of it: a message of these still says something.
const DESCRIBING: [EntityKind; 5] = [
    EntityKind::Colour,
    EntityKind::Attribute,
    EntityKind::Product,
    EntityKind::Period,
    EntityKind::Phone,
];

/// A message as a slot reads it.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) text: &'a str,
    pub(crate) understanding: &'a Understanding,
}

impl Reading<'_> {
    /// The value that the message gives a slot it was not asked for: only what it plainly names.
    pub(crate) fn volunteered(&self, kind: SlotKind) -> Option<String> {
        match kind {
            SlotKind::OrderNumber => self.value(EntityKind::OrderNumber),
            SlotKind::TrackingNumber => self.value(EntityKind::TrackingNumber),
            SlotKind::EmailOrPostcode => self
                .value(EntityKind::Email)
                .or_else(|| self.plain_postcode())
                .or_else(|| self.second_number()),
            SlotKind::Size => self.value(EntityKind::Size),
            SlotKind::Product | SlotKind::Text | SlotKind::YesNo => None,
        }
    }

    /// The value that the message gives the slot it was asked for.
    pub(crate) fn answer(&self, kind: SlotKind) -> Option<String> {
        match kind {
            SlotKind::OrderNumber => self
                .volunteered(kind)
                .or_else(|| self.code().map(|code| code.to_uppercase())),
            SlotKind::TrackingNumber => self.volunteered(kind),
            SlotKind::EmailOrPostcode => self
                .volunteered(kind)
                .or_else(|| self.value(EntityKind::Postcode))
                .or_else(|| self.code())
                .or_else(|| self.short_number()),
            SlotKind::Size => self
                .volunteered(kind)
                .or_else(|| (self.word_count() <= 2).then(|| self.trimmed()))
                .filter(|size| !size.is_empty()),
            SlotKind::YesNo => self.yes_or_no(),
            SlotKind::Product | SlotKind::Text => {
                Some(self.trimmed()).filter(|text| !text.is_empty())
            }
        }
    }

    /// Whether the message is hardly more than the things it names: `28012`, `it's 10234`.
    pub(crate) fn is_bare(&self) -> bool {
        self.words_outside_entities() <= 2
    }

    /// How many words stand outside of what the message names.
    pub(crate) fn words_outside_entities(&self) -> usize {
        let things: Vec<&Entity> = self
            .understanding
            .entities
            .iter()
            .filter(|entity| !DESCRIBING.contains(&entity.kind))
            .collect();
        let mut outside = String::new();
        for (at, c) in self.text.char_indices() {
            let named = things
                .iter()
                .any(|entity| (entity.start..entity.end).contains(&at));
            outside.push(if named { ' ' } else { c });
        }
        outside
            .split_whitespace()
            .filter(|word| word.chars().any(char::is_alphabetic))
            .count()
    }

    fn value(&self, kind: EntityKind) -> Option<String> {
        self.understanding
            .entity(kind)
            .map(|entity| entity.value.clone())
    }

    /// A postcode that cannot be an order's number as well (five digits alone are both), and not the one of another place.
    fn plain_postcode(&self) -> Option<String> {
        let postcode = self.understanding.entity(EntityKind::Postcode)?;
        let is_number = self.numbers().any(|number| number.start == postcode.start);
        (!is_number && !self.is_of_another_place(postcode)).then(|| postcode.value.clone())
    }

    /// In `10234 28012` the second number is the postcode, unless the message is about an address: it may be of any.
    fn second_number(&self) -> Option<String> {
        let mut numbers = self.numbers();
        numbers.next()?;
        let second = numbers.next()?;
        let is_elsewhere =
            cues::speaks_of_an_address(self.text) || self.is_of_another_place(second);
        (!is_elsewhere).then(|| second.value.clone())
    }

    /// Whether a postcode is the one of where things are to go from now on. It proves nothing of an order that goes elsewhere:
    /// taken for its second factor, it would be a wrong try.
    pub(super) fn is_of_another_place(&self, postcode: &Entity) -> bool {
        const MOVES: &str = "change_address";
        let before = self.text.get(..postcode.start).unwrap_or_default();
        let top = self.understanding.top_intent();
        top.is_some_and(|top| top.name == MOVES)
            || self.understanding.asks.iter().any(|ask| ask == MOVES)
            || cues::speaks_of_moving(self.text)
            || cues::leads_there(before)
            || cues::is_sent_there(before)
    }

    /// `es 28012`: the only number of a short answer that does not speak of an order.
    fn short_number(&self) -> Option<String> {
        if self.word_count() > 4 || cues::speaks_of_an_order(self.text) {
            return None;
        }
        self.numbers().next().map(|entity| entity.value.clone())
    }

    fn numbers(&self) -> impl Iterator<Item = &Entity> {
        self.understanding
            .entities
            .iter()
            .filter(|entity| entity.kind == EntityKind::OrderNumber)
    }

    /// The whole message, when it is written like an order number or a postcode: `DS-10234`, `SW1A 1AA`, `1234 AB`.
    fn code(&self) -> Option<String> {
        let text = self.trimmed();
        let text = text.trim_start_matches('#');
        let tokens: Vec<&str> = text.split_whitespace().collect();
        let has_digit = |token: &str| token.bytes().any(|byte| byte.is_ascii_digit());
        let shaped = match tokens.as_slice() {
            [only] => has_digit(only),
            [first, second] => has_digit(first) && (has_digit(second) || second.len() <= 2),
            _ => false,
        };
        let fits = shaped
            && (2..=16).contains(&text.len())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | ' '));
        fits.then(|| text.to_owned())
    }

    fn yes_or_no(&self) -> Option<String> {
        let intent = self.understanding.top_intent()?;
        matches!(intent.name.as_str(), "yes" | "no").then(|| intent.name.clone())
    }

    fn trimmed(&self) -> String {
        self.text
            .trim()
            .trim_end_matches(['.', '!', '?'])
            .to_owned()
    }

    pub(crate) fn word_count(&self) -> usize {
        self.text.split_whitespace().count()
    }
}
