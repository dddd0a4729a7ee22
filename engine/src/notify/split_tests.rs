//! An order that comes in several parcels: what is said of each, in the words we ship.

use std::{sync::Arc, time::Duration};

use doorstep_core::{
    ConfigFiles, Language,
    event::CommerceEventKind,
    message::Content,
    shipment::TrackingStatus::{self, Delivered, InTransit, Lost, OutForDelivery},
};

use super::{Notifier, Outcome, tests};
use crate::{
    queue::Job,
    templates::Templates,
    testing::{TestStore, sent_in, stores, taken_back, tracking},
};

const RULES: &str = "rules:
  - {on: in_transit, template: shipped, channels: [email]}
  - {on: out_for_delivery, template: out_for_delivery, channels: [email]}
  - {on: delivered, template: delivered, channels: [email]}
";

/// By these rules, in the words we ship.
fn notifier(test: &TestStore) -> Notifier {
    let mut files = tests::shipped_files();
    files
        .files
        .insert("rules/default.yaml".to_owned(), RULES.to_owned());
    by(test, &files)
}

fn by(test: &TestStore, files: &ConfigFiles) -> Notifier {
    let templates = Templates::load(files, &Language::ENGLISH).unwrap();
    let rules = Notifier::load_rules(files, &templates, &tests::channels()).unwrap();
    let setting = test.setting("rules: []\n");
    Notifier::new(
        test.store.clone(),
        rules,
        Arc::new(templates),
        setting.capabilities,
        setting.config,
    )
}

/// The shop tells of Ada's order 1001 with these parcels, and in which language she reads.
async fn placed(test: &TestStore, language: &str, parcels: &[&str]) {
    let mut event = sent_in("1001", parcels);
    if let CommerceEventKind::OrderUpdated { order } = &mut event.kind {
        order.customer.language = Some(language.parse().unwrap());
    }
    test.happen(event).await;
}

/// What was said last of a parcel of which a carrier now says this.
async fn hear(test: &TestStore, parcel: &str, status: TrackingStatus) -> Option<Content> {
    let id = format!("{parcel} {}", status.as_str());
    let event = test
        .happen(tracking(&id, Some("1001"), parcel, status))
        .await;
    notifier(test).decide(event).await.unwrap();
    let explained = test.store.explain_event(event).await.unwrap();
    let messages = explained.into_iter().flat_map(|one| one.messages);
    messages.map(|message| message.content).next()
}

fn first_line(content: &Content) -> &str {
    content.text.lines().next().unwrap_or_default()
}

#[tokio::test]
async fn the_first_parcel_to_arrive_is_not_told_as_the_whole_order() {
    for test in stores().await {
        placed(&test, "en", &["T1", "T2"]).await;
        let first = hear(&test, "T1", Delivered).await.unwrap();
        assert_eq!(
            first_line(&first),
            "Hi Ada, part of your order 1001 has been delivered: 1 of 2 parcels. The rest is still to come. If something is \
             missing or damaged, just tell us."
        );
        let subject = first.subject.as_deref();
        assert_eq!(subject, Some("Part of order 1001 has been delivered"));
        let approved = first.approved.unwrap();
        assert_eq!(approved.body, ["1001 (1 of 2 parcels)"]);
        let second = hear(&test, "T2", Delivered).await.unwrap();
        assert_eq!(
            first_line(&second),
            "Hi Ada, your order 1001 has been delivered. Enjoy it! If something is missing or damaged, just tell us."
        );
        assert_eq!(second.approved.unwrap().body, ["1001"]);
    }
}

#[tokio::test]
async fn a_lost_parcel_is_neither_here_nor_still_to_come() {
    for test in stores().await {
        placed(&test, "en", &["T1", "T2"]).await;
        hear(&test, "T1", Lost).await;
        let other = hear(&test, "T2", Delivered).await.unwrap();
        assert_eq!(
            first_line(&other),
            "Hi Ada, part of your order 1001 has been delivered: 1 of 2 parcels. If something is missing or damaged, just \
             tell us."
        );
    }
}

#[tokio::test]
async fn an_order_in_one_parcel_is_told_as_ever() {
    for test in stores().await {
        placed(&test, "en", &["T1"]).await;
        let shipped = hear(&test, "T1", InTransit).await.unwrap();
        let expected = "Hi Ada, your order 1001 is on its way with DHL.";
        assert_eq!(first_line(&shipped), expected);
    }
    for test in stores().await {
        // Nobody told a number; the parcel is known by its order alone.
        let mut scan = tracking("e1", Some("1001"), "", InTransit);
        if let CommerceEventKind::Tracking {
            tracking_number, ..
        } = &mut scan.kind
        {
            *tracking_number = None;
        }
        let event = test.happen(scan).await;
        notifier(&test).decide(event).await.unwrap();
        let told = test.told().await;
        let expected = "Hi Ada, your order 1001 is on its way with DHL.";
        assert!(told[0].1.starts_with(expected), "{told:?}");
    }
}

#[tokio::test]
async fn which_part_of_an_order_is_told_in_every_language() {
    for (language, shipped, van, here) in [
        (
            "en",
            "part of your order 1001 (1 of 2 parcels) is on its way",
            "part of your order 1001 (1 of 2 parcels) is out for delivery",
            "part of your order 1001 has been delivered: 1 of 2 parcels. The rest is still to come.",
        ),
        (
            "de",
            "ein Teil deiner Bestellung 1001 (1 von 2 Paketen) ist mit DHL unterwegs",
            "ein Teil deiner Bestellung 1001 (1 von 2 Paketen) ist mit DHL in der Zustellung",
            "ein Teil deiner Bestellung 1001 wurde zugestellt: 1 von 2 Paketen. Der Rest kommt noch.",
        ),
        (
            "es",
            "parte de tu pedido 1001 (1 de 2 paquetes) ya está en camino",
            "parte de tu pedido 1001 (1 de 2 paquetes) está en reparto",
            "parte de tu pedido 1001 ha sido entregada: 1 de 2 paquetes. El resto está por llegar.",
        ),
        (
            "fr",
            "une partie de votre commande 1001 (1 colis sur 2) est en route",
            "une partie de votre commande 1001 (1 colis sur 2) est en cours de livraison",
            "une partie de votre commande 1001 a été livrée : 1 colis sur 2. Le reste est encore à venir.",
        ),
        (
            "it",
            "parte del tuo ordine 1001 (1 di 2 pacchi) è in viaggio",
            "parte del tuo ordine 1001 (1 di 2 pacchi) è in consegna",
            "parte del tuo ordine 1001 è stata consegnata: 1 di 2 pacchi. Il resto deve ancora arrivare.",
        ),
        (
            "pt",
            "Parte do seu pedido 1001 (1 de 2 pacotes) já está a caminho",
            "Parte do seu pedido 1001 (1 de 2 pacotes) saiu para entrega",
            "Parte do seu pedido 1001 foi entregue: 1 de 2 pacotes. O restante ainda vai chegar.",
        ),
        (
            "ru",
            "Часть вашего заказа 1001 (посылок: 1 из 2) уже в пути",
            "Часть вашего заказа 1001 (посылок: 1 из 2) передана курьеру",
            "Часть вашего заказа 1001 доставлена (посылок: 1 из 2). Остальное ещё не доставлено.",
        ),
    ] {
        for test in stores().await {
            placed(&test, language, &["T1", "T2"]).await;
            for (status, words) in [
                (InTransit, shipped),
                (OutForDelivery, van),
                (Delivered, here),
            ] {
                let said = hear(&test, "T1", status).await.unwrap();
                assert!(said.text.contains(words), "{}", said.text);
                let approved = said.approved.unwrap();
                let part = approved.body[0].strip_prefix("1001 (").unwrap();
                assert!(part.contains('1') && part.contains('2'), "{approved:?}");
                let subject = said.subject.unwrap();
                assert!(subject.contains("1001"), "{subject}");
            }
            let all = hear(&test, "T2", Delivered).await.unwrap();
            assert!(!all.text.contains(here), "{}", all.text);
            assert_eq!(all.approved.unwrap().body, ["1001"]);
        }
    }
}

/// Half an hour is waited for other parcels of the order.
const DIGEST: &str =
    "rules:\n  - {on: in_transit, template: shipped, channels: [email], digest: 30m}\n";

/// How often it was told, and whether it waits, when parcel T1 is on its way.
async fn on_its_way(test: &TestStore) -> (usize, bool) {
    on_its_way_by(test, DIGEST).await
}

async fn on_its_way_by(test: &TestStore, rules: &str) -> (usize, bool) {
    let scan = tracking("e1", Some("1001"), "T1", InTransit);
    let event = test.happen(scan).await;
    match test.notifier(rules).decide(event).await.unwrap() {
        Outcome::Decided(decided) => (decided[0].told, decided[0].waits.is_some()),
        outcome => panic!("{outcome:?}"),
    }
}

#[tokio::test]
async fn only_where_there_are_other_parcels_is_waited_for_them() {
    for test in stores().await {
        test.happen(sent_in("1001", &["T1"])).await;
        assert_eq!(on_its_way(&test).await, (1, false));
    }
    for test in stores().await {
        test.happen(sent_in("1001", &["T1", "T2"])).await;
        assert_eq!(on_its_way(&test).await, (0, true));
    }
}

#[tokio::test]
async fn nobody_waits_for_parcels_that_have_arrived() {
    for test in stores().await {
        test.happen(sent_in("1001", &["T1", "T2"])).await;
        test.happen(tracking("e0", Some("1001"), "T2", Delivered))
            .await;
        assert_eq!(on_its_way(&test).await, (1, false));
    }
}

#[tokio::test]
async fn what_is_urgent_waits_for_no_other_parcel() {
    let urgent = DIGEST.replace("digest: 30m", "digest: 30m, urgent: true");
    for test in stores().await {
        test.happen(sent_in("1001", &["T1", "T2"])).await;
        assert_eq!(on_its_way_by(&test, &urgent).await, (1, false));
    }
}

#[tokio::test]
async fn a_parcel_that_was_taken_back_is_no_part_of_its_order() {
    for test in stores().await {
        placed(&test, "en", &["T1", "T2"]).await;
        test.happen(taken_back("e1", "1001", "T1")).await;
        assert!(hear(&test, "T1", InTransit).await.is_none());
        let other = hear(&test, "T2", Delivered).await.unwrap();
        assert_eq!(
            first_line(&other),
            "Hi Ada, your order 1001 has been delivered. Enjoy it! If something is missing or damaged, just tell us."
        );
    }
}

#[tokio::test]
async fn what_waits_of_a_parcel_that_was_taken_back_is_not_told() {
    for test in stores().await {
        test.happen(sent_in("1001", &["T1", "T2"])).await;
        assert_eq!(on_its_way(&test).await, (0, true));
        let waiting = test.queue.take().into_iter().find_map(|job| match job {
            Job::NotifyDue { notification, .. } => Some(notification),
            _ => None,
        });
        test.happen(taken_back("e2", "1001", "T1")).await;
        test.clock.advance(Duration::from_mins(30));
        let notifier = test.notifier(DIGEST);
        notifier.decide_due(waiting.unwrap()).await.unwrap();
        assert_eq!(test.told().await, []);
    }
}

#[tokio::test]
async fn two_parcels_of_one_order_are_one_message_by_the_rules_we_ship() {
    for test in stores().await {
        test.happen(sent_in("1001", &["T1", "T2"])).await;
        let notifier = by(&test, &tests::shipped_files());
        for parcel in ["T1", "T2"] {
            let scan = tracking(parcel, Some("1001"), parcel, Delivered);
            let event = test.happen(scan).await;
            notifier.decide(event).await.unwrap();
        }
        let jobs = test.queue.take().into_iter();
        let waiting: Vec<_> = jobs
            .filter_map(|job| match job {
                Job::NotifyDue { notification, .. } => Some(notification),
                _ => None,
            })
            .collect();
        let [waiting] = waiting[..] else {
            panic!("one message waits")
        };
        test.clock.advance(Duration::from_mins(10));
        notifier.decide_due(waiting).await.unwrap();
        let told = test.told().await;
        assert_eq!(told.len(), 1, "{told:?}");
        let words = "your order 1001 has been delivered. Enjoy it!";
        assert!(told[0].1.contains(words), "{told:?}");
        assert!(told[0].1.contains("T1, T2"), "{told:?}");
    }
}

#[tokio::test]
async fn the_rules_we_ship_tell_of_a_parcel_that_nobody_scans() {
    for test in stores().await {
        let notifier = by(&test, &tests::shipped_files());
        let scan = tracking("e1", Some("1001"), "T1", InTransit);
        test.happen(scan).await;
        test.clock.advance(Duration::from_hours(4 * 24));
        assert_eq!(notifier.find_due().await.unwrap(), 1);
    }
}
