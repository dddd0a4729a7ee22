//! Where two rehearsals differ, or a rehearsal and what was really decided.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use doorstep_core::{CommerceEventId, Timestamp};
use serde::Serialize;

use super::{Deed, Foreseen, Said, Span};
use crate::{
    notify::audience::JUST_TOLD_IN_CHAT, page_token::without_tokens, store::SCHEDULE_SOURCE,
};

/// Where two sides differ.
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

/// Identifies what a rule did about an event: rule, source, and the source's identifier. What became due in a rehearsal has
/// an identifier of ours in each, but one of its source's.
type Key = (String, String, String);

fn key(one: &Foreseen) -> Key {
    (
        one.rule.clone(),
        one.source.clone(),
        one.external_id.clone(),
    )
}

/// What changes from one rehearsal to another, by rule. Only who gets what and when counts; that the same silence has
/// another reason does not.
pub fn compare(before: Vec<Foreseen>, after: Vec<Foreseen>) -> BTreeMap<String, RuleChange> {
    let alike = |was: Option<&Foreseen>, is: Option<&Foreseen>| said(was) == said(is);
    compare_by(before, after, alike)
}

/// What changes from the past ([`recorded`](super::recorded())) to a rehearsal of `span`, by rule. What a rehearsal cannot
/// know makes no difference: how long work waited for its turn, the tokens of links, what a chat told first, and events
/// that are not decided yet or whose customer was erased.
pub fn compare_with_past(
    mut past: Vec<Foreseen>,
    mut after: Vec<Foreseen>,
    span: Span,
) -> BTreeMap<String, RuleChange> {
    let lag = lag(span);
    let decided: HashSet<CommerceEventId> = past.iter().filter_map(|one| one.event).collect();
    after.retain(|one| match one.event {
        Some(event) => decided.contains(&event),
        // Due only a moment ago: the program has not looked since.
        None => one.at + lag <= span.until,
    });
    let rehearsed: HashSet<Key> = after.iter().map(key).collect();
    // Found in earnest a little later than in the rehearsal, which does not report it then.
    let at_the_edge = |one: &Foreseen| one.source == SCHEDULE_SOURCE && one.at < span.since + lag;
    past.retain(|one| rehearsed.contains(&key(one)) || !at_the_edge(one));
    let alike = |was: Option<&Foreseen>, is: Option<&Foreseen>| {
        let by_chat = |was: &Foreseen| was.deed.reason.contains(JUST_TOLD_IN_CHAT);
        was.is_some_and(by_chat) || nearly_same(said(was), said(is), lag)
    };
    compare_by(past, after, alike)
}

/// How much later than in a rehearsal something may have been done in earnest: schedules are looked at now and then, and
/// work waits for its turn.
fn lag(span: Span) -> Duration {
    span.look_every.saturating_mul(3)
}

fn said(foreseen: Option<&Foreseen>) -> &[Said] {
    foreseen.map_or(&[], |foreseen| &foreseen.deed.messages)
}

fn nearly_same(was: &[Said], is: &[Said], lag: Duration) -> bool {
    let by_place = |said: &[Said]| {
        let mut said: Vec<Said> = said.to_vec();
        said.sort_by(|one, other| (&one.channel, one.at).cmp(&(&other.channel, other.at)));
        said
    };
    let same = |(was, is): (Said, Said)| {
        let apart = (was.at - is.at).abs().to_std().unwrap_or_default();
        apart <= lag
            && (&was.channel, &was.language, &was.subject)
                == (&is.channel, &is.language, &is.subject)
            && without_tokens(&was.text) == without_tokens(&is.text)
    };
    was.len() == is.len() && by_place(was).into_iter().zip(by_place(is)).all(same)
}

fn compare_by(
    before: Vec<Foreseen>,
    after: Vec<Foreseen>,
    alike: impl Fn(Option<&Foreseen>, Option<&Foreseen>) -> bool,
) -> BTreeMap<String, RuleChange> {
    let by_key = |foreseen: Vec<Foreseen>| -> BTreeMap<Key, Foreseen> {
        foreseen.into_iter().map(|one| (key(&one), one)).collect()
    };
    let mut before = by_key(before);
    let mut changes: BTreeMap<String, RuleChange> = BTreeMap::new();
    let mut note = |was: Option<Foreseen>, is: Option<Foreseen>| {
        let Some(shown) = is.as_ref().or(was.as_ref()) else {
            return;
        };
        let change = changes.entry(shown.rule.clone()).or_default();
        if alike(was.as_ref(), is.as_ref()) {
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
