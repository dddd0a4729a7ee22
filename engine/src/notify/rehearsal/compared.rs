//! Where two rehearsals differ.

use std::collections::BTreeMap;

use doorstep_core::{CommerceEventId, Timestamp};
use serde::Serialize;

use super::{Deed, Foreseen};
use crate::store::SCHEDULE_SOURCE;

/// Where two rehearsals differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The event, as the shop's own store knows it; `None`: only the rehearsal found it to be due.
    pub event: Option<CommerceEventId>,
    /// When it was admitted, or became due.
    pub at: Timestamp,
    /// What happened.
    pub on: String,
    /// Who told of it.
    pub source: String,
    /// The source's identifier of the event.
    pub external_id: String,
    /// The order's number, where it is known.
    pub order: Option<String>,
    /// Whose it is: the e-mail address, masked.
    pub customer: Option<String>,
    /// What was done before; `None`: the rule was not there, or nothing was due.
    pub before: Option<Deed>,
    /// What would be done now; `None`: the rule is no more, or nothing is due.
    pub after: Option<Deed>,
}

impl Difference {
    /// Whether nobody told of it: it was found to be due.
    pub fn is_on_schedule(&self) -> bool {
        self.source == SCHEDULE_SOURCE
    }
}

/// What changes at one rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RuleChange {
    /// How many events it treats alike.
    pub alike: usize,
    /// Where it differs, oldest first.
    pub different: Vec<Difference>,
}

/// What changes, by rule. Only who gets what and when counts; that the same silence has another reason does not.
pub fn compare(before: Vec<Foreseen>, after: Vec<Foreseen>) -> BTreeMap<String, RuleChange> {
    // What became due in a rehearsal has another identifier in each, but the same source's.
    type Key = (String, String, String);
    let by_key = |foreseen: Vec<Foreseen>| -> BTreeMap<Key, Foreseen> {
        let keyed = foreseen.into_iter().map(|one| {
            let key = (
                one.rule.clone(),
                one.source.clone(),
                one.external_id.clone(),
            );
            (key, one)
        });
        keyed.collect()
    };
    let mut before = by_key(before);
    let mut changes: BTreeMap<String, RuleChange> = BTreeMap::new();
    let mut note = |was: Option<Foreseen>, is: Option<Foreseen>| {
        let Some(shown) = is.as_ref().or(was.as_ref()) else {
            return;
        };
        let said = |foreseen: &Option<Foreseen>| {
            foreseen
                .as_ref()
                .map(|foreseen| foreseen.deed.messages.clone())
                .unwrap_or_default()
        };
        let change = changes.entry(shown.rule.clone()).or_default();
        if said(&was) == said(&is) {
            change.alike += 1;
            return;
        }
        change.different.push(Difference {
            event: shown.event,
            at: shown.at,
            on: shown.on.clone(),
            source: shown.source.clone(),
            external_id: shown.external_id.clone(),
            order: shown.order.clone(),
            customer: shown.customer.clone(),
            before: was.map(|foreseen| foreseen.deed),
            after: is.map(|foreseen| foreseen.deed),
        });
    };
    for (key, is) in by_key(after) {
        note(before.remove(&key), Some(is));
    }
    for (_, was) in before {
        note(Some(was), None);
    }
    for change in changes.values_mut() {
        let place = |one: &Difference| (one.at, one.external_id.clone());
        change.different.sort_by_key(place);
    }
    changes
}
