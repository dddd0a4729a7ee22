use chrono::TimeDelta;
use doorstep_core::{Clock, order::OrderStatus, shipment::TrackingStatus};
use uuid::Uuid;

use super::*;
use crate::{
    notify::{Outcome, Rules, tests::load},
    page_token::TrackingScope,
    queue::Job,
    store::{Deeds, Explained},
    testing::{TestStore, stores, tracking},
};

const DAY: TimeDelta = TimeDelta::days(1);

fn experiment(holdout: u32) -> Experiment {
    let variant = |name: &str, weight| Variant {
        name: name.to_owned(),
        weight,
        template: None,
        channels: None,
        wait: None,
    };
    Experiment {
        name: "words".to_owned(),
        holdout,
        variants: vec![variant("long", 3), variant("short", 1)],
    }
}

fn dealt(experiment: &Experiment, number: u128) -> &str {
    let customer = CustomerId(Uuid::from_u128(number));
    let variant = experiment.deal(customer);
    variant.map_or(HOLDOUT, |variant| &variant.name)
}

#[test]
fn customers_are_dealt_by_weight_and_keep_what_they_got() {
    let (all, some) = (experiment(0), experiment(200));
    let mut counts = [0; 3];
    for number in 0..10_000 {
        let got = dealt(&some, number);
        assert_eq!(got, dealt(&some.clone(), number));
        // Holding some out moves nobody between the variants.
        assert!(got == HOLDOUT || got == dealt(&all, number));
        let place = ["holdout", "long", "short"]
            .iter()
            .position(|name| *name == got);
        counts[place.unwrap()] += 1;
    }
    for (count, expected) in counts.into_iter().zip([2000, 6000, 2000_i32]) {
        assert!((count - expected).abs() < 150, "{counts:?}");
    }
}

#[test]
fn mistakes_are_named_with_line_and_fix() {
    let problems = load(
        "rules:
  - on: in_transit
    template: shipped
    channels: [email]
    experiment:
      holdout: 60%
      variants:
        - {name: a, template: shiped}
        - {name: a, channels: [emial], weight: 0}
        - {name: holdout, wait: long}
  - on: delivered
    template: shipped
    channels: [email]
    experiment:
      variants: [{name: only}]
",
    )
    .unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for expected in [
        "rules/shop.yaml:6: rules[0].experiment.holdout: `60%` is no share of customers; write one from 0% to 50%",
        "rules/shop.yaml:8: rules[0].experiment.variants[0].template: `shiped` is not known; did you mean `shipped`?",
        "rules/shop.yaml:9: rules[0].experiment.variants[1].channels: `emial` is not known; did you mean `email`?",
        "rules/shop.yaml:9: rules[0].experiment.variants[1].name: `a` is taken; give each variant a name of its own",
        "rules/shop.yaml:9: rules[0].experiment.variants[1].weight: 0 is no weight; write a whole number from 1 to 1000",
        "rules/shop.yaml:10: rules[0].experiment.variants[2].name: `holdout` is taken; give each variant a name of its own",
        "rules/shop.yaml:10: rules[0].experiment.variants[2].wait: `long` is no time; write one like 90s, 30m, 2h or 5d",
        "rules/shop.yaml:15: rules[1].experiment.variants: there is nothing to compare; name two variants, or one and a `holdout`",
    ] {
        assert!(
            told.iter().any(|told| told == expected),
            "{expected}\nnot in {told:#?}"
        );
    }
    assert_eq!(told.len(), 8, "{told:#?}");
}

#[test]
fn a_variants_template_is_checked_like_the_rules() {
    let rules: Rules = load(
        "rules:\n  - on: in_transit\n    template: shipped\n    channels: [email]\n    experiment: {name: x, holdout: 2.5%, variants: [{name: a}]}\n",
    )
    .unwrap();
    let rule = rules.named("in_transit:shipped").unwrap();
    assert_eq!(rule.experiment.as_ref().unwrap().holdout, 25);
}

/// Rules with an experiment of such a name that Ada gets the variant.
async fn rules_in_which_ada_gets(test: &TestStore, wanted: &str) -> String {
    crate::testing::tell_shipped(test, "before", "1000").await;
    let record = test
        .store
        .find_order(&"1000".into())
        .await
        .unwrap()
        .unwrap();
    let ada = record.customer.unwrap();
    let named = (0..).map(|number| Experiment {
        name: format!("words{number}"),
        ..experiment(300)
    });
    let mut fitting = named.filter(|experiment| {
        experiment
            .deal(ada)
            .map_or(HOLDOUT, |variant| &variant.name)
            == wanted
    });
    let name = fitting.next().unwrap().name;
    format!(
        "rules:
  - on: in_transit
    template: shipped
    channels: [email]
    experiment:
      name: {name}
      holdout: 30%
      variants: [{{name: long, weight: 3, wait: 1h}}, {{name: short, template: plain}}]
"
    )
}

async fn hear(test: &TestStore, rules: &str, id: &str, parcel: &str) -> Explained {
    let status = TrackingStatus::InTransit;
    let event = test
        .happen(tracking(id, Some("1001"), parcel, status))
        .await;
    let outcome = test.notifier(rules).decide(event).await.unwrap();
    assert!(matches!(outcome, Outcome::Decided(_)), "{outcome:?}");
    test.store.explain_event(event).await.unwrap().remove(0)
}

async fn deeds(test: &TestStore, variant: &str) -> Deeds {
    let since = test.clock.now() - DAY * 30;
    let outcomes = test.store.outcomes(since, DAY * 7).await.unwrap();
    let variants: Vec<_> = outcomes.into_values().collect();
    assert_eq!(variants.len(), 1, "{variants:?}");
    assert_eq!(variants[0].len(), 1, "{variants:?}");
    variants[0][variant]
}

#[tokio::test]
async fn a_customer_hears_it_as_their_variant_says_and_what_they_do_counts() {
    for test in stores().await {
        let rules = rules_in_which_ada_gets(&test, "short").await;
        let explained = hear(&test, &rules, "e1", "T5").await;
        assert_eq!(explained.decision, "told");
        assert_eq!(explained.template, "plain");
        assert_eq!(explained.experiment.unwrap().1, "short");
        assert_eq!(test.told().await.last().unwrap().1, "1001");
        // The same news by another source, and that of another parcel.
        assert_eq!(hear(&test, &rules, "e2", "T5").await.reason, "told before");
        test.clock.advance(std::time::Duration::from_hours(1));
        hear(&test, &rules, "e3", "T6").await;
        let once = Deeds {
            customers: 1,
            ..Deeds::default()
        };
        assert_eq!(deeds(&test, "short").await, once, "a customer counts once");

        let record = test
            .store
            .find_order(&"1001".into())
            .await
            .unwrap()
            .unwrap();
        let scope = TrackingScope {
            customer: record.customer.unwrap(),
            order: "1001".into(),
        };
        test.store.note_followed(&scope).await.unwrap();
        test.clock.advance(std::time::Duration::from_hours(1));
        let mut next = crate::testing::order("1002");
        next.placed_at = test.clock.now();
        next.status = OrderStatus::Processing;
        let mut event = tracking("e4", None, "T1", TrackingStatus::InTransit);
        event.kind = doorstep_core::event::CommerceEventKind::OrderUpdated {
            order: Box::new(next),
        };
        test.happen(event).await;
        let did = Deeds {
            followed: 1,
            bought_again: 1,
            ..once
        };
        assert_eq!(deeds(&test, "short").await, did);
    }
}

#[tokio::test]
async fn who_is_held_out_hears_nothing_and_counts_only_where_others_would_have_heard() {
    for test in stores().await {
        let rules = rules_in_which_ada_gets(&test, HOLDOUT).await;
        let before = test.told().await.len();
        let explained = hear(&test, &rules, "e1", "T5").await;
        let name = explained.experiment.unwrap().0;
        assert_eq!(
            explained.reason,
            format!("held out of the experiment `{name}`")
        );
        assert_eq!(test.told().await.len(), before);
        assert_eq!(deeds(&test, HOLDOUT).await.customers, 1);
        // A parcel that is there already is news to nobody.
        test.happen(tracking(
            "e2",
            Some("1001"),
            "T3",
            TrackingStatus::Delivered,
        ))
        .await;
        let history = hear(&test, &rules, "e3", "T3").await;
        assert_eq!(history.experiment, None, "{}", history.reason);
    }
}

#[tokio::test]
async fn a_variant_may_wait() {
    for test in stores().await {
        let rules = rules_in_which_ada_gets(&test, "long").await;
        test.queue.take();
        let explained = hear(&test, &rules, "e1", "T5").await;
        assert_eq!(
            (explained.decision.as_str(), explained.reason.as_str()),
            ("waits", "waits as its variant says")
        );
        let jobs = test.queue.take().into_iter();
        let mut waiting = jobs.filter_map(|job| match job {
            Job::NotifyDue { notification, .. } => Some(notification),
            _ => None,
        });
        test.clock.advance(std::time::Duration::from_hours(1));
        let before = test.told().await.len();
        let due = test
            .notifier(&rules)
            .decide_due(waiting.next().unwrap())
            .await;
        assert!(matches!(due.unwrap(), Outcome::Decided(_)));
        assert_eq!(test.told().await.len(), before + 1);
        assert_eq!(deeds(&test, "long").await.customers, 1);
    }
}
