//! Decisions on real databases, with the words and rules of a small shop and with those we ship.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use doorstep_core::{
    ChannelName, ConfigFiles, Language, Problem,
    channel::Mailbox,
    customer::Proof,
    message::{Address, MailboxMessage},
    notification::Topic,
    shipment::TrackingStatus,
};

use super::{Notifier, Outcome, Rules, facts};
use crate::{
    store::Decided,
    templates::Templates,
    testing::{TestStore, stores, tracking},
};

pub(super) fn channels() -> [ChannelName; 3] {
    ["webchat".into(), "email".into(), "whatsapp".into()]
}

pub(super) fn load(rules: &str) -> Result<Rules, Vec<Problem>> {
    let files = ConfigFiles::new([
        ("replies/en.yaml", "today: today\ntomorrow: tomorrow\n"),
        ("templates/shipped.en.md", "---\nsubject: s\n---\ntext\n"),
        ("rules/shop.yaml", rules),
    ]);
    let templates = Templates::load(&files, &Language::ENGLISH).unwrap();
    Notifier::load_rules(&files, &templates, &channels())
}

#[test]
fn a_rule_with_mistakes_is_refused_with_the_line_and_the_fix_of_each() {
    let problems = load(
        "rules:
  - on: in_transitt
    template: shiped
    channels: [webchat, emial]
    send: all
",
    )
    .unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "rules/shop.yaml:2: rules[0].on: `in_transitt` is not known; did you mean `in_transit`?",
            "rules/shop.yaml:3: rules[0].template: `shiped` is not known; did you mean `shipped`?",
            "rules/shop.yaml:4: rules[0].channels[1]: `emial` is not known; did you mean `email`?",
            "rules/shop.yaml:5: rules[0].send: `all` is not known; allowed: every, first",
        ]
    );
    let problems =
        load("rules:\n  - on: lost\n    tempalte: shipped\n    channels: []\n").unwrap_err();
    assert_eq!(
        (problems[0].line, problems[0].fix.as_str()),
        (3, "did you mean `template`?")
    );
}

/// Everything under `config/` that has words.
pub(super) fn shipped_files() -> ConfigFiles {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let mut files = BTreeMap::new();
    for folder in ["rules", "templates", "replies"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            files.insert(format!("{folder}/{name}"), text);
        }
    }
    ConfigFiles { files }
}

#[test]
fn the_rules_we_ship_find_their_words_in_every_language() {
    let files = shipped_files();
    let templates = Templates::load(&files, &Language::ENGLISH).unwrap();
    let rules = Notifier::load_rules(&files, &templates, &channels()).unwrap();
    for event in super::EVENTS {
        for rule in rules.on(event) {
            for language in ["en", "es", "de", "fr", "pt", "it", "ru"] {
                let file = format!("templates/{}.{language}.md", rule.template);
                assert!(files.get(&file).is_some(), "{file} is missing");
                let language = language.parse().unwrap();
                for sample in facts::samples(event) {
                    let said = templates.notification(&rule.template, &language, &sample);
                    let said = said.unwrap();
                    assert!(said.text.contains("1001"), "{file}: {}", said.text);
                    assert!(said.subject.unwrap().contains("1001"), "{file}");
                    assert!(!said.text.contains("\n\n\n"), "{file}: {}", said.text);
                }
            }
        }
    }
}

const EVERYWHERE: &str =
    "rules:\n  - {on: in_transit, template: shipped, channels: [webchat, email]}\n";
const FIRST: &str =
    "rules:\n  - {on: in_transit, template: shipped, channels: [webchat, email], send: first}\n";
const MARKETING: &str =
    "rules:\n  - {on: in_transit, template: shipped, topic: marketing, channels: [email]}\n";

/// Ada's chat, proven to be hers.
async fn open_chat(test: &TestStore) -> Address {
    let visitor = Address::new("webchat", "visitor-1");
    let ada = Proof {
        customer: Some("C-1".into()),
        email: None,
        name: None,
    };
    test.store.prove(&visitor, &ada, None).await.unwrap();
    visitor
}

async fn decide(test: &TestStore, rules: &str, id: &str) -> Vec<Decided> {
    let event = tracking(id, Some("1001"), "T1", TrackingStatus::InTransit);
    let source = "test".into();
    let admitted = test.store.admit_events(&source, b"{}", vec![event]).await;
    let id = admitted.unwrap()[0].id;
    let notifier = test.notifier(rules);
    assert_eq!(notifier.decide(id).await.unwrap(), Outcome::NotYet);
    test.enricher().enrich(id).await.unwrap();
    let Outcome::Decided(decided) = notifier.decide(id).await.unwrap() else {
        panic!("it is decided now")
    };
    assert_eq!(notifier.decide(id).await.unwrap(), Outcome::Before);
    decided
}

async fn ada(test: &TestStore) -> doorstep_core::CustomerId {
    let order = test.store.find_order(&"1001".into()).await.unwrap();
    order.unwrap().customer.unwrap()
}

#[tokio::test]
async fn news_is_told_on_every_channel_and_held_when_told_again() {
    for test in stores().await {
        let chat = open_chat(&test).await;
        let decided = decide(&test, EVERYWHERE, "e1").await;
        assert_eq!((decided[0].told, &decided[0].held), (2, &None));
        let again = decide(&test, EVERYWHERE, "e2").await;
        assert_eq!(again[0].held.as_deref(), Some("told before"));
        let entries = test.store.entries_after(&chat, 0, 10).await.unwrap();
        assert_eq!(entries.len(), 1);
        let MailboxMessage::Outbound { message, .. } = &entries[0].message else {
            panic!("we wrote first")
        };
        assert_eq!(message.content.text, "Ada: 1001, T1, DHL");
        let sources: Vec<&str> = message
            .content
            .sources
            .iter()
            .map(|source| source.name.as_str())
            .collect();
        assert_eq!(sources, ["event:test", "shop:test"]);
        let rows = test
            .store
            .query(
                "SELECT decision, reason FROM notifications ORDER BY created_at, decision DESC",
                [],
            )
            .await
            .unwrap();
        let written: Vec<String> = rows
            .iter()
            .map(|row| row.get("decision").unwrap())
            .collect();
        assert_eq!(written, ["told", "held"]);
    }
}

#[tokio::test]
async fn the_first_channel_is_enough_when_the_rule_says_so() {
    for test in stores().await {
        let chat = open_chat(&test).await;
        assert_eq!(decide(&test, FIRST, "e1").await[0].told, 1);
        assert_eq!(
            test.store.entries_after(&chat, 0, 10).await.unwrap().len(),
            1
        );
    }
}

#[tokio::test]
async fn whoever_said_no_on_a_channel_hears_nothing_there() {
    for test in stores().await {
        open_chat(&test).await;
        decide(&test, "rules: []\n", "e0").await;
        let ada = ada(&test).await;
        test.wish(ada, Topic::Order, "email", false).await;
        assert_eq!(decide(&test, EVERYWHERE, "e1").await[0].told, 1);
        test.wish(ada, Topic::Order, "webchat", false).await;
        let held = decide(&test, MARKETING, "e2").await;
        assert_eq!(held[0].held.as_deref(), Some("no consent on email"));
    }
}

#[tokio::test]
async fn selling_needs_consent() {
    for test in stores().await {
        let held = decide(&test, MARKETING, "e1").await;
        assert_eq!(held[0].held.as_deref(), Some("no consent on email"));
        let ada = ada(&test).await;
        test.wish(ada, Topic::Marketing, "email", true).await;
        assert_eq!(decide(&test, MARKETING, "e2").await[0].told, 1);
    }
}

#[tokio::test]
async fn an_event_without_a_rule_is_held_with_its_reason() {
    for test in stores().await {
        let decided = decide(&test, "rules: []\n", "e1").await;
        assert_eq!(decided[0].held.as_deref(), Some("no rule on `in_transit`"));
    }
}

#[tokio::test]
async fn the_order_of_a_parcel_is_asked_of_the_shop_by_its_tracking_number() {
    for test in stores().await {
        let event = tracking("e1", None, "T1", TrackingStatus::InTransit);
        let source = "test".into();
        let admitted = test.store.admit_events(&source, b"{}", vec![event]).await;
        let id = admitted.unwrap()[0].id;
        test.enricher().enrich(id).await.unwrap();
        let outcome = test.notifier(EVERYWHERE).decide(id).await.unwrap();
        let Outcome::Decided(decided) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(decided[0].told, 1, "to the order's e-mail address");
    }
}

/// The words of the small shop.
pub(crate) fn words(rules: &str) -> (Rules, Arc<Templates>) {
    let files = ConfigFiles::new([
        ("replies/en.yaml", "today: today\ntomorrow: tomorrow\n"),
        (
            "templates/shipped.en.md",
            "---\nsubject: On its way\n---\n{% if customer.name %}{{ customer.name | first_name }}{% endif %}: \
             {{ order.number }}, {{ parcel.tracking_number or '' }}, {{ parcel.carrier or '' }}\n",
        ),
        (
            "templates/late.en.md",
            "---\nsubject: Late\n---\n{{ order.number }}\n",
        ),
        (
            "templates/plain.en.md",
            "---\nsubject: Order\n---\n{{ order.number }}\n",
        ),
        (
            "templates/wishes.en.md",
            "---\nsubject: Order\n---\nChoose: {{ preferences_url or 'nowhere' }}\n",
        ),
        ("rules/shop.yaml", rules),
    ]);
    let templates = Templates::load(&files, &Language::ENGLISH).unwrap();
    let rules = Notifier::load_rules(&files, &templates, &channels()).unwrap();
    (rules, Arc::new(templates))
}
