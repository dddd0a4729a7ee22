//! A week in the life of a shop: two hundred orders with delays, split parcels, losses, returns, unsubscribes, bounces, two
//! outages and a kill end with exactly the expected messages.
//!
//! `story.yaml` is the week, and the documentation of the rules by example. Everything between the signed webhook and the
//! provider is the program itself; the clock, the providers and the shop's books are the test's.

mod crowd;
mod script;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use doorstep_core::Timestamp;
use doorstep_engine::{
    notify::rehearsal::{Foreseen, Span, compare, rehearse},
    store::{Database, DatabaseConfig, Explained},
};

use self::{
    crowd::{Stranger, crowd},
    script::{Expected, Silence, Story, end},
    world::{World, sqlite},
};
use crate::support::database::PostgresDatabase;

const RULES: &str = include_str!("week/files/rules/default.yaml");
const ORDERS: usize = 200;

fn monday() -> Timestamp {
    "2026-11-16T00:00:00Z".parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_ends_with_exactly_the_expected_messages_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    Box::pin(live_the_week(sqlite(folder.path()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_ends_with_exactly_the_expected_messages_on_postgresql() {
    let Some(database) = PostgresDatabase::create().await else {
        return;
    };
    let config = DatabaseConfig::Postgres {
        url: database.url().into(),
        connections: 5,
    };
    Box::pin(live_the_week(config)).await;
}

async fn live_the_week(database: DatabaseConfig) {
    let story = Story::read();
    let strangers = crowd(ORDERS - story.orders(), monday());
    let mut world = World::open(database, RULES, monday()).await;
    story.begin(&world).await;
    for stranger in &strangers {
        stranger.begin(&world).await;
    }
    let mut expected: Vec<Expected> = Vec::new();
    for stranger in &strangers {
        expected.extend(stranger.expected().map(|what| Expected { what, at: None }));
    }
    let mut silences = Vec::new();
    let mut around = around(&strangers);
    for (at, step) in story.steps(monday()) {
        live_around(&mut world, &mut around, at).await;
        world.until(at).await;
        expected.extend(story.expected(monday(), at, step));
        silences.extend(story.live(&mut world, monday(), step).await);
    }
    live_around(&mut world, &mut around, end(monday())).await;
    world.until(end(monday())).await;

    let heard = heard(&world, &story).await;
    compare_messages(&expected, &heard);
    for silence in silences {
        assert_silent(&world, &silence).await;
    }
}

/// What happens to the others, latest first; with whom it happens where they then say what they want to hear.
type Around<'a> = Vec<(Timestamp, &'a serde_json::Value, Option<&'a Stranger>)>;

fn around(strangers: &[Stranger]) -> Around<'_> {
    let mut around: Vec<_> = strangers
        .iter()
        .flat_map(|stranger| {
            let happens = stranger.happens.iter().enumerate();
            happens.map(move |(place, (at, body))| (*at, body, (place == 0).then_some(stranger)))
        })
        .collect();
    around.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    around
}

async fn live_around(world: &mut World, around: &mut Around<'_>, until: Timestamp) {
    while let Some((at, body, ordered)) = around.pop_if(|(at, ..)| *at <= until) {
        world.until(at).await;
        world.webhook(body).await;
        if let Some(stranger) = ordered {
            stranger.agree(world).await;
        }
    }
}

/// A message that a provider took.
struct Heard {
    what: String,
    at: Timestamp,
}

async fn heard(world: &World, story: &Story) -> Vec<Heard> {
    let taken = world.taken.lock().unwrap().clone();
    let mut heard = Vec::new();
    for one in taken {
        let explained = world.store().explain_message(one.message).await.unwrap();
        let explained = explained.expect("we wrote first");
        let who = story.who(&one.to).unwrap_or(&one.to);
        let order = order_of(&explained);
        heard.push(Heard {
            what: format!("{who} on {}: {} {order}", one.channel, explained.template),
            at: one.at,
        });
    }
    heard
}

fn order_of(explained: &Explained) -> String {
    let event = serde_json::to_value(&explained.event.kind).unwrap();
    let order = &event["order"];
    [&order["number"], order]
        .iter()
        .find_map(|name| name.as_str())
        .unwrap_or_else(|| panic!("{event} names no order"))
        .to_owned()
}

fn compare_messages(expected: &[Expected], heard: &[Heard]) {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for message in expected {
        *counts.entry(&message.what).or_default() -= 1;
    }
    for message in heard {
        *counts.entry(&message.what).or_default() += 1;
    }
    let mut wrong = Vec::new();
    for (what, surplus) in counts {
        let times: Vec<String> = heard
            .iter()
            .filter(|message| message.what == what)
            .map(|message| message.at.format("%a %H:%M:%S").to_string())
            .collect();
        match surplus {
            0 => {}
            1.. => wrong.push(format!("not expected: {what} ({})", times.join(", "))),
            _ => wrong.push(format!("missing: {what} ({})", times.join(", "))),
        }
    }
    for message in expected {
        let Some(at) = message.at else { continue };
        // A whole second is what jobs are due by.
        let in_time =
            |heard: &Heard| heard.what == message.what && (heard.at - at).num_seconds().abs() <= 2;
        if !heard.iter().any(in_time) {
            let at = at.format("%a %H:%M");
            wrong.push(format!("not in time: {} at {at}", message.what));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("a week: {} messages, all as expected", heard.len());
}

async fn assert_silent(world: &World, silence: &Silence) {
    let explained = world.store().explain_event(silence.event).await.unwrap();
    let because = |one: &Explained| one.decision == "held" && one.reason.contains(&silence.because);
    assert!(
        explained.iter().any(because),
        "{}: nobody says \"{}\" but {explained:#?}",
        silence.step,
        silence.because
    );
}

/// What is said by which rule: when, where, and the words.
type Messages = BTreeSet<(String, Timestamp, String, String)>;

async fn said(world: &World) -> Messages {
    let taken = world.taken.lock().unwrap().clone();
    let mut said = Messages::new();
    for one in taken {
        let explained = world.store().explain_message(one.message).await.unwrap();
        let explained = explained.expect("we wrote first");
        let rule = explained.rule.unwrap_or_default();
        let messages = explained.messages.into_iter();
        let message = messages.filter(|message| message.id == one.message);
        said.extend(message.map(|message| {
            let text = message.content.text;
            (rule.clone(), message.created_at, message.channel, text)
        }));
    }
    said
}

fn foreseen(foreseen: &[Foreseen]) -> Messages {
    let messages = foreseen.iter().flat_map(|one| {
        let said = one.deed.messages.iter();
        said.map(|said| {
            let (channel, text) = (said.channel.clone(), said.text.clone());
            (one.rule.clone(), said.at, channel, text)
        })
    });
    messages.collect()
}

/// A week without the shop's named customers, by these rules.
async fn calm_week(folder: &std::path::Path, rules: &str, strangers: &[Stranger]) -> World {
    let mut world = World::open(sqlite(folder), rules, monday()).await;
    for stranger in strangers {
        stranger.begin(&world).await;
    }
    let mut around = around(strangers);
    live_around(&mut world, &mut around, end(monday())).await;
    world.until(end(monday())).await;
    world
}

async fn plan(world: &World, folder: &std::path::Path, rules: &str) -> Vec<Foreseen> {
    let scratch = Database::open(&sqlite(folder)).await.unwrap();
    let span = Span {
        lead_in: monday(),
        since: monday(),
        until: end(monday()),
        // As often as this world does.
        look_every: std::time::Duration::from_hours(1),
    };
    let rehearsed = rehearse(world.store(), scratch, world.setting(rules), span);
    rehearsed.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_changed_rule_does_exactly_what_the_plan_showed() {
    let by_phone = "{on: delivered, template: delivered, channels: [whatsapp, email], send: first, fallback_after: 2h}";
    let in_writing = "{on: delivered, template: delivered, channels: [email]}";
    assert!(RULES.contains(by_phone));
    let changed = RULES.replace(by_phone, in_writing);
    let strangers = crowd(40, monday());
    let folders: [tempfile::TempDir; 4] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let world = Box::pin(calm_week(folders[0].path(), RULES, &strangers)).await;

    let before = plan(&world, folders[1].path(), RULES).await;
    let was = said(&world).await;
    assert_eq!(foreseen(&before), was, "the plan knows the past");
    let after = plan(&world, folders[2].path(), &changed).await;
    let will_be = foreseen(&after);
    let shown = compare(before, after);
    let different: BTreeMap<&str, usize> = shown
        .iter()
        .map(|(rule, change)| (rule.as_str(), change.different.len()))
        .filter(|(_, different)| *different > 0)
        .collect();
    let by_whatsapp = was
        .iter()
        .filter(|(rule, _, channel, _)| rule == "delivered:delivered" && channel == "whatsapp");
    assert_eq!(
        different,
        BTreeMap::from([("delivered:delivered", by_whatsapp.count())]),
        "nothing else changes"
    );
    assert!(different["delivered:delivered"] > 0);

    let applied = Box::pin(calm_week(folders[3].path(), &changed, &strangers)).await;
    assert_eq!(said(&applied).await, will_be);
}
