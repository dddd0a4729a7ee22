//! Conditions of rules: read with every mistake named, and held against what is known, on real databases.

use doorstep_core::{
    event::{CommerceEvent, CommerceEventKind},
    order::{DateWindow, Order},
    shipment::TrackingStatus,
};

use super::tests;
use crate::testing::{TestStore, order, stores, tracking};

/// A rule with these conditions, and what is found wrong with them.
fn wrong(conditions: &str) -> Vec<String> {
    let rule = format!(
        "rules:\n  - on: delayed\n    template: shipped\n    channels: [email]\n{conditions}"
    );
    let problems = tests::load(&rule).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn mistakes_in_conditions_are_named_with_line_field_and_fix() {
    let words = "    audience:
      country: [ES, UK, Spain]
      language: [espanol]
      channel: [whatsap]
      customer: old
    when:
      carrier: []
      value: {at_least: 50, at_most: 20 EURO}
      days_late: {at_least: -1}
";
    assert_eq!(
        wrong(words),
        [
            "rules/shop.yaml:6: rules[0].audience.country[1]: `UK` is no country; did you mean `GB`?",
            "rules/shop.yaml:6: rules[0].audience.country[2]: `Spain` is no country; write its two letters (ISO 3166-1), \
             like ES",
            "rules/shop.yaml:7: rules[0].audience.language[0]: `espanol` is no language; write it like `es` or `pt-BR` \
             (BCP 47)",
            "rules/shop.yaml:8: rules[0].audience.channel[0]: `whatsap` is not known; did you mean `whatsapp`?",
            "rules/shop.yaml:9: rules[0].audience.customer: `old` is not known; allowed: new, returning",
            "rules/shop.yaml:11: rules[0].when.carrier: is empty; name one or more, or remove it",
            "rules/shop.yaml:12: rules[0].when.value.at_least: `50` is no amount; write one with its currency, like 50 EUR \
             or 49.90 EUR",
            "rules/shop.yaml:12: rules[0].when.value.at_most: `20 EURO` is no amount; write one with its currency, like 50 \
             EUR or 49.90 EUR",
            "rules/shop.yaml:13: rules[0].when.days_late.at_least: -1 is no number of days late; write one from 0 to 365",
        ]
    );
}

#[test]
fn conditions_that_nothing_fulfils_are_named() {
    for (conditions, expected) in [
        (
            "    when: {value: {at_least: 200 EUR, at_most: 50 EUR}}\n",
            "rules/shop.yaml:5: rules[0].when.value: nothing lies between its bounds; `at_least` is the smaller one",
        ),
        (
            "    when: {value: {at_least: 20 EUR, at_most: 50 USD}}\n",
            "rules/shop.yaml:5: rules[0].when.value: its bounds are in two currencies; write both in the currency of your \
             orders",
        ),
        (
            "    when: {days_late: {}}\n",
            "rules/shop.yaml:5: rules[0].when.days_late: names no bound; add `at_least`, `at_most` or both",
        ),
        (
            "    when: {carrier: [DHL], carrier_not: [UPS]}\n",
            "rules/shop.yaml:5: rules[0].when.carrier_not: `carrier` stands beside it; keep one of the two",
        ),
    ] {
        assert_eq!(wrong(conditions), [expected]);
    }
    let unknown = tests::load(
        "rules:\n  - on: delayed\n    template: shipped\n    channels: [email]\n    when:\n      carier: [DHL]\n",
    );
    let unknown = unknown.unwrap_err();
    assert_eq!(
        (unknown[0].line, unknown[0].fix.as_str()),
        (6, "did you mean `carrier`?")
    );
    let type_of_another = wrong("    when:\n      days_late: {at_least: two}\n");
    assert!(
        type_of_another[0].starts_with("rules/shop.yaml:6: "),
        "{type_of_another:?}"
    );
}

/// What becomes of the news that Ada's parcel T1 is on its way, told by a rule with these conditions, and why.
async fn decide(test: &TestStore, conditions: &str) -> (String, String) {
    let mut news = tracking("e1", Some("1001"), "T1", TrackingStatus::InTransit);
    if let CommerceEventKind::Tracking { event, .. } = &mut news.kind {
        event.parcel.service = Some("Express Easy".to_owned());
    }
    // Another parcel of the order is packed: there is one to wait for.
    let packed = tracking("e0", Some("1001"), "T2", TrackingStatus::PreTransit);
    test.happen(packed).await;
    let event = test.happen(news).await;
    let rules = format!(
        "rules:\n  - {{on: in_transit, template: shipped, channels: [email], {conditions}}}\n"
    );
    test.notifier(&rules).decide(event).await.unwrap();
    let explained = test.store.explain_event(event).await.unwrap();
    (explained[0].decision.clone(), explained[0].reason.clone())
}

#[tokio::test]
async fn a_rule_is_told_where_its_conditions_hold_and_both_are_explained() {
    for (conditions, decision, reason) in [
        (
            "audience: {country: [gb, NO], language: [en, es]}, when: {carrier: [dhl]}",
            "told",
            "told at 1 addresses; `audience.country` holds: the country is GB; `audience.language` holds: the language is en; \
             `when.carrier` holds: the carrier is DHL",
        ),
        (
            "when: {carrier: [UPS, GLS]}",
            "held",
            "`when.carrier` does not hold: the carrier is DHL, wanted is one of UPS, GLS",
        ),
        (
            "audience: {country_not: [GB]}",
            "held",
            "`audience.country_not` does not hold: the country is GB, wanted is none of GB",
        ),
        (
            "when: {service: [express easy], value: {at_least: 129 EUR}}",
            "told",
            "told at 1 addresses; `when.service` holds: the service is Express Easy; `when.value` holds: the order's value \
             is EUR 129.00",
        ),
        (
            "when: {value: {at_least: 50.00 EUR, at_most: 128.99 EUR}}",
            "held",
            "`when.value` does not hold: the order's value is EUR 129.00, wanted is at least EUR 50.00 and at most EUR 128.99",
        ),
        (
            "when: {value: {at_least: 1 USD}}",
            "held",
            "`when.value` does not hold: the order's value is EUR 129.00, wanted is at least USD 1.00",
        ),
        (
            "audience: {channel: [whatsapp]}",
            "held",
            "`audience.channel` does not hold: the channel is email, wanted is one of whatsapp",
        ),
        (
            "audience: {customer: returning}",
            "held",
            "`audience.customer` does not hold: the customer is new, wanted is one who ordered before",
        ),
        (
            "when: {days_late: {at_least: 1}}",
            "held",
            "`when.days_late` does not hold: no day was promised, wanted is at least 1",
        ),
        (
            "when: {carrier: [DHL]}, digest: 10m",
            "waits",
            "waits for other parcels of its order; `when.carrier` holds: the carrier is DHL",
        ),
    ] {
        for test in stores().await {
            let expected = (decision.to_owned(), reason.to_owned());
            assert_eq!(decide(&test, conditions).await, expected, "{conditions}");
        }
    }
}

/// The shop tells of an order of Ada's.
async fn place(test: &TestStore, order: Order) {
    let event = CommerceEvent {
        source: "test".into(),
        external_id: format!("placed-{}", order.number),
        occurred_at: order.placed_at,
        kind: CommerceEventKind::OrderUpdated {
            order: Box::new(order),
        },
    };
    test.happen(event).await;
}

#[tokio::test]
async fn lateness_is_counted_from_the_promised_day() {
    for (conditions, decision) in [
        ("when: {days_late: {at_least: 2, at_most: 2}}", "told"),
        ("when: {days_late: {at_least: 3}}", "held"),
    ] {
        for test in stores().await {
            let today = test.store.ambient().now().date_naive();
            let promised = today - chrono::Days::new(2);
            let promised = Some(DateWindow {
                from: promised,
                to: promised,
            });
            place(
                &test,
                Order {
                    promised,
                    ..order("1001")
                },
            )
            .await;
            let (decided, reason) = decide(&test, conditions).await;
            assert_eq!(decided, decision, "{reason}");
            assert!(reason.contains("it is 2 days late"), "{reason}");
        }
    }
}

#[tokio::test]
async fn who_ordered_before_is_no_new_customer() {
    for test in stores().await {
        let later = order("1002").placed_at + chrono::TimeDelta::days(1);
        place(
            &test,
            Order {
                placed_at: later,
                ..order("1002")
            },
        )
        .await;
        let (decision, _) = decide(&test, "audience: {customer: returning}").await;
        assert_eq!(decision, "held", "the other order is newer");
    }
    for test in stores().await {
        let earlier = order("900").placed_at - chrono::TimeDelta::days(30);
        place(
            &test,
            Order {
                placed_at: earlier,
                ..order("900")
            },
        )
        .await;
        let told = decide(&test, "audience: {customer: returning}").await;
        assert_eq!(told.0, "told", "{}", told.1);
    }
}

#[tokio::test]
async fn what_waited_is_held_when_its_conditions_hold_no_more() {
    for test in stores().await {
        let today = test.store.ambient().now().date_naive();
        let promised = Some(DateWindow {
            from: today,
            to: today,
        });
        place(
            &test,
            Order {
                promised,
                ..order("1001")
            },
        )
        .await;
        let packed = tracking("e0", Some("1001"), "T2", TrackingStatus::PreTransit);
        test.happen(packed).await;
        let news = tracking("e1", Some("1001"), "T1", TrackingStatus::InTransit);
        let event = test.happen(news).await;
        let rules = "rules:\n  - {on: in_transit, template: shipped, channels: [email], digest: 2d, when: {days_late: \
                     {at_most: 1}}}\n";
        let notifier = test.notifier(rules);
        notifier.decide(event).await.unwrap();
        let explained = test.store.explain_event(event).await.unwrap();
        assert_eq!(explained[0].decision, "waits");
        test.clock.advance(std::time::Duration::from_hours(48));
        let waiting = explained[0].notification;
        notifier.decide_due(waiting).await.unwrap();
        let explained = test.store.explain_event(event).await.unwrap();
        assert_eq!(explained[0].decision, "held");
        assert_eq!(
            explained[0].reason,
            "`when.days_late` does not hold: it is 2 days late, wanted is at most 1"
        );
    }
}
