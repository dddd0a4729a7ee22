//! What holds for every source: strangers stay out, nothing counts twice, hostile bodies are refused without a panic.

use doorstep_core::{Timestamp, webhook::WebhookRejection};
use http::HeaderMap;
use proptest::prelude::*;

use crate::testing::{config, now, receive, request, seconds_ago, signed, source};

/// How a source writes a time into a body.
type WriteTime = fn(Timestamp) -> serde_json::Value;

/// A source, the topic where it tells one in a header, a body, for how many seconds an event's time stays good, and the field
/// of the body that says when it was sent, unless a header does. None for those that sign no time of their own.
struct Case {
    kind: &'static str,
    topic: Option<&'static str>,
    body: &'static [u8],
    window_s: Option<i64>,
    dated: Option<(&'static str, WriteTime)>,
}

impl Case {
    /// The body as it would have been sent then.
    fn sent_at(&self, at: Timestamp) -> Vec<u8> {
        let Some((field, write)) = self.dated else {
            return self.body.to_vec();
        };
        let mut body: serde_json::Value = serde_json::from_slice(self.body).unwrap();
        body[field] = write(at);
        body.to_string().into_bytes()
    }
}

macro_rules! case {
    ($kind:literal, $topic:expr, $file:literal, $window:expr) => {
        case!($kind, $topic, $file, $window, None)
    };
    ($kind:literal, $topic:expr, $file:literal, $window:expr, $dated:expr) => {
        Case {
            kind: $kind,
            topic: $topic,
            body: include_bytes!(concat!("../../tests/fixtures/", $file)),
            window_s: $window,
            dated: $dated,
        }
    };
}

const CASES: &[Case] = &[
    case!(
        "generic",
        None,
        "generic/shipment.out_for_delivery.json",
        Some(300)
    ),
    case!("generic", None, "generic/order.placed.json", Some(300)),
    case!("generic", None, "generic/refund.issued.json", Some(300)),
    case!(
        "shopify",
        Some("orders/create"),
        "shopify/orders.create.json",
        Some(18_000)
    ),
    case!(
        "shopify",
        Some("fulfillments/create"),
        "shopify/fulfillments.create.json",
        Some(18_000)
    ),
    case!(
        "shopify",
        Some("fulfillment_events/create"),
        "shopify/fulfillment_events.create.json",
        Some(18_000)
    ),
    case!(
        "shopify",
        Some("refunds/create"),
        "shopify/refunds.create.json",
        Some(18_000)
    ),
    case!(
        "shopify",
        Some("returns/request"),
        "shopify/returns.request.json",
        Some(18_000)
    ),
    case!(
        "shopify",
        Some("customers/data_request"),
        "shopify/customers.data_request.json",
        Some(18_000)
    ),
    case!(
        "shopify",
        Some("customers/redact"),
        "shopify/customers.redact.json",
        Some(18_000)
    ),
    case!(
        "shopify",
        Some("shop/redact"),
        "shopify/shop.redact.json",
        Some(18_000)
    ),
    case!(
        "woocommerce",
        Some("order.updated"),
        "woocommerce/order.updated.json",
        Some(604_800),
        Some(("date_modified_gmt", |at| at
            .format("%Y-%m-%dT%H:%M:%S")
            .to_string()
            .into()))
    ),
    case!(
        "easypost",
        None,
        "easypost/tracker.updated.json",
        Some(604_800),
        Some(("created_at", |at| at.to_rfc3339().into()))
    ),
    case!(
        "aftership",
        None,
        "aftership/tracking_update.json",
        Some(604_800),
        Some(("ts", |at| at.timestamp().into()))
    ),
    case!("shippo", None, "shippo/track_updated.json", Some(300)),
    case!("17track", None, "17track/tracking_updated.json", None),
    case!("ups", None, "ups/event.json", None),
];

/// UPS proves who speaks, not what is said.
fn covers_the_body(kind: &str) -> bool {
    kind != "ups"
}

#[test]
fn every_source_has_a_body_here() {
    for kind in crate::registry::SOURCES {
        let tested = CASES.iter().any(|case| case.kind == kind.name);
        assert!(tested || kind.name == "demo", "{}", kind.name);
    }
}

#[test]
fn every_source_and_shop_has_a_page_for_merchants() {
    let sources = crate::registry::SOURCES.iter().map(|kind| kind.name);
    let shops = crate::registry::SHOPS.iter().map(|(name, _)| *name);
    for name in sources.chain(shops) {
        let page = format!("{}/../docs/shops/{name}.md", env!("CARGO_MANIFEST_DIR"));
        assert!(std::fs::exists(&page).unwrap(), "{page}");
    }
}

#[test]
fn a_signed_body_is_taken_and_a_repetition_has_the_same_names() {
    for Case {
        kind, topic, body, ..
    } in CASES
    {
        let names = || -> Vec<String> {
            let events = receive(kind, *topic, body).unwrap();
            events.into_iter().map(|event| event.external_id).collect()
        };
        let first = names();
        assert!(!first.is_empty(), "{kind} {topic:?}");
        assert_eq!(first, names(), "{kind} {topic:?}");
        let mut distinct = first.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), first.len(), "{kind} {topic:?}");
    }
}

#[test]
fn a_changed_byte_is_a_forgery() {
    for Case {
        kind, topic, body, ..
    } in CASES.iter().filter(|case| covers_the_body(case.kind))
    {
        let mut request = signed(kind, *topic, now(), body);
        let mut changed = body.to_vec();
        changed[20] ^= 1;
        request.body = changed.into();
        let refused = source(kind).receive_webhook(&request);
        assert_eq!(refused, Err(WebhookRejection::BadSignature), "{kind}");
    }
}

#[test]
fn another_secret_is_a_forgery() {
    for Case {
        kind, topic, body, ..
    } in CASES
    {
        let mut other = config(kind);
        other.secret = "shpss_another".into();
        let other = crate::registry::build(&other).unwrap();
        let refused = other.receive_webhook(&signed(kind, *topic, now(), body));
        assert_eq!(refused, Err(WebhookRejection::BadSignature), "{kind}");
    }
}

#[test]
fn an_unsigned_request_is_refused_with_the_name_of_what_is_missing() {
    for Case { kind, body, .. } in CASES {
        let refused = source(kind).receive_webhook(&request(HeaderMap::new(), *body));
        assert!(
            matches!(refused, Err(WebhookRejection::MissingHeader { .. })),
            "{kind}: {refused:?}"
        );
    }
}

#[test]
fn what_was_sent_too_long_ago_is_refused() {
    for case in CASES {
        let Case { kind, topic, .. } = case;
        let Some(window_s) = case.window_s else {
            continue;
        };
        for (age, taken) in [
            (window_s, true),
            (window_s + 1, false),
            (-300, true),
            (-301, false),
        ] {
            let sent_at = seconds_ago(age);
            let request = signed(kind, *topic, sent_at, &case.sent_at(sent_at));
            let outcome = source(kind).receive_webhook(&request);
            match outcome {
                Ok(_) => assert!(taken, "{kind}, {age} s ago"),
                Err(WebhookRejection::OutsideReplayWindow { .. }) => {
                    assert!(!taken, "{kind}, {age} s ago");
                }
                Err(other) => panic!("{kind}, {age} s ago: {other}"),
            }
        }
    }
}

#[test]
fn what_is_no_json_is_refused() {
    for Case { kind, topic, .. } in CASES {
        for body in [&b""[..], b"{", b"\xff\xfe", b"[]", b"null", b"7"] {
            let refused = receive(kind, *topic, body);
            assert!(
                matches!(refused, Err(WebhookRejection::Malformed { .. })),
                "{kind} {topic:?}: {refused:?}"
            );
        }
    }
}

/// Values that stand where others are expected.
fn odd_value() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::json;
    prop_oneof![
        Just(json!(null)),
        Just(json!(-1)),
        Just(json!(1e300)),
        Just(json!(u64::MAX)),
        Just(json!([])),
        Just(json!({})),
        Just(json!("9999999999999999999999.99")),
        Just(json!("2026-13-45T99:99:99Z")),
        ".{0,40}".prop_map(serde_json::Value::from),
    ]
}

/// Puts `value` at the `place`-th value of a document, counted depth first.
fn replace(document: &mut serde_json::Value, place: &mut usize, value: &serde_json::Value) {
    if *place == 0 {
        *document = value.clone();
        *place = usize::MAX;
        return;
    }
    *place = place.saturating_sub(1);
    match document {
        serde_json::Value::Array(values) => {
            for inner in values {
                if *place == usize::MAX {
                    return;
                }
                replace(inner, place, value);
            }
        }
        serde_json::Value::Object(fields) => {
            for inner in fields.values_mut() {
                if *place == usize::MAX {
                    return;
                }
                replace(inner, place, value);
            }
        }
        _ => {}
    }
}

/// 512 cases, or `PROPTEST_CASES` when that is more: `PROPTEST_CASES=1000000` runs a million for every source.
fn cases() -> ProptestConfig {
    let asked = ProptestConfig::default();
    ProptestConfig {
        cases: asked.cases.max(512),
        ..asked
    }
}

/// What is done to a body: values put where others belong, then bytes changed, cut, added and taken away.
#[derive(Debug, Clone)]
struct Mutation {
    case: prop::sample::Index,
    values: Vec<(usize, serde_json::Value)>,
    bytes: Vec<(prop::sample::Index, u8, u8)>,
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let values = prop::collection::vec((0..120_usize, odd_value()), 0..3);
    let bytes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..4);
    (any::<prop::sample::Index>(), values, bytes).prop_map(|(case, values, bytes)| Mutation {
        case,
        values,
        bytes,
    })
}

/// Has a source read one of its bodies, mutated and rightly signed.
fn receive_mutated(source: &str, mutation: &Mutation) {
    let own: Vec<&Case> = CASES.iter().filter(|case| case.kind == source).collect();
    let Case {
        kind, topic, body, ..
    } = mutation.case.get(&own);
    let mut document: serde_json::Value = serde_json::from_slice(body).unwrap();
    for (place, value) in &mutation.values {
        replace(&mut document, &mut { *place }, value);
    }
    let mut body = match mutation.values.is_empty() {
        true => body.to_vec(),
        false => document.to_string().into_bytes(),
    };
    for (at, byte, how) in &mutation.bytes {
        if body.is_empty() {
            break;
        }
        let at = at.index(body.len());
        match how {
            0 => body[at] = *byte,
            1 => body.insert(at, *byte),
            2 => drop(body.remove(at)),
            _ => body.truncate(at),
        }
    }
    let _ = receive(kind, *topic, &body);
}

macro_rules! never_panics {
    ($($test:ident: $source:literal,)+) => {
        proptest! {
            #![proptest_config(cases())]
            $(
                #[test]
                fn $test(mutation in mutation()) {
                    receive_mutated($source, &mutation);
                }
            )+
        }

        #[test]
        fn every_source_is_mutated() {
            for kind in crate::registry::SOURCES {
                let mutated = [$($source),+].contains(&kind.name);
                assert!(mutated || kind.name == "demo", "{}", kind.name);
            }
        }
    };
}

never_panics! {
    nothing_panics_generic: "generic",
    nothing_panics_shopify: "shopify",
    nothing_panics_woocommerce: "woocommerce",
    nothing_panics_easypost: "easypost",
    nothing_panics_aftership: "aftership",
    nothing_panics_shippo: "shippo",
    nothing_panics_17track: "17track",
    nothing_panics_ups: "ups",
}
