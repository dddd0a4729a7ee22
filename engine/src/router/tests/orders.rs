//! Orders: who may see them, and what is told of them (G5).

use std::sync::atomic::Ordering;

use chrono::{NaiveDate, TimeDelta};
use doorstep_core::{
    customer::Proof,
    order::{DateWindow, OrderStatus},
    shipment::{Shipment, TrackingStatus},
};

use super::{Chat, doubles, first, said, summary};
use crate::{eta::Eta, turn::Effect};

#[tokio::test]
async fn where_is_my_order_asks_for_a_second_factor_and_tells_the_expected_day() {
    let mut chat = Chat::new();
    let asked = chat
        .asks("en", "where is my order 10234", "order_status")
        .await;
    assert!(
        asked.contains("the e-mail address or the postcode"),
        "{asked}"
    );
    assert_eq!(chat.ports.shop.order_look_ups.load(Ordering::Relaxed), 0);

    let turn = chat.turn("28012", None).await;
    let text = said(&turn);
    assert!(
        text.contains("Order 10234 is on its way with Correos."),
        "{text}"
    );
    assert!(
        text.contains("Expected delivery: Monday, November 23."),
        "{text}"
    );
    assert!(text.contains("Kolmar Rain Jacket"), "{text}");
    assert_eq!(first(&turn).sources[0].name, "shop:demo");
    let Effect::Prove { order, proof } = &turn.effects[0] else {
        panic!("the address is not proven: {:?}", turn.effects)
    };
    assert_eq!(
        (order.as_str(), proof.customer.as_ref().unwrap().as_str()),
        ("10234", "C-1004")
    );
}

#[tokio::test]
async fn the_same_in_spanish_and_a_bare_postcode_keeps_the_language() {
    let mut chat = Chat::new();
    let asked = chat
        .asks("es", "¿dónde está mi pedido 10234?", "order_status")
        .await;
    assert!(
        asked.contains("el correo electrónico o el código postal"),
        "{asked}"
    );
    // The model takes a bare number for English.
    chat.teach("en", "28012", &[("out_of_scope", 0.6)]);
    let text = chat.says("28012").await;
    assert!(
        text.contains("El pedido 10234 está en camino con Correos."),
        "{text}"
    );
    assert!(
        text.contains("Entrega prevista: lunes, 23 de noviembre."),
        "{text}"
    );
}

#[tokio::test]
async fn a_message_that_names_all_is_answered_at_once() {
    let mut chat = Chat::new();
    let text = chat
        .asks("en", "where is 10234, my postcode is 28012", "order_status")
        .await;
    assert!(text.contains("Order 10234 is on its way"), "{text}");

    let mut chat = Chat::new();
    let text = chat.says("10234 28012").await;
    assert!(text.contains("Order 10234 is on its way"), "{text}");
}

#[tokio::test]
async fn the_postcode_of_where_an_order_is_to_go_is_no_second_factor() {
    for (language, text) in [
        ("en", "send order 10234 to 28013 Madrid"),
        ("en", "order 10234: send it to Calle Mayor 5, 28013 Madrid"),
        ("en", "I moved, change 10234, 28013 Madrid"),
        ("en", "a new address for 10234: 28013"),
        ("es", "enviad el pedido 10234 a 28013 Madrid"),
        ("pt", "enviem a encomenda 10234 para 28013 Madrid"),
        ("fr", "envoyez la commande 10234 à 28013 Madrid"),
        ("de", "schickt die Bestellung 10234 nach 28013 Madrid"),
        ("it", "spedite l'ordine 10234 a 28013 Madrid"),
        ("ru", "отправьте заказ 10234 в 28013 Madrid"),
    ] {
        // Whatever the model makes of it.
        for intent in ["change_address", "order_status"] {
            let mut chat = Chat::new();
            chat.asks(language, text, intent).await;
            let look_ups = chat.ports.shop.order_look_ups.load(Ordering::Relaxed);
            assert_eq!(look_ups, 0, "{text}: 28013 was tried");
            chat.says("28012").await;
            let look_ups = chat.ports.shop.order_look_ups.load(Ordering::Relaxed);
            assert_eq!(look_ups, 1, "{text}: the order was not kept");
        }
    }

    // Without an order's number, that is what is asked for.
    let mut chat = Chat::new();
    let text = "I moved, send it to Calle Mayor 5, 28013 Madrid";
    let asked = chat.asks("en", text, "change_address").await;
    assert!(asked.starts_with("Which order is it about?"), "{asked}");
    let asked = chat.says("10234").await;
    assert!(
        asked.contains("the e-mail address or the postcode"),
        "{asked}"
    );

    // What proves an order stays good for it.
    let mut chat = Chat::new();
    let text = "where is order 10234? I live in 28012 Madrid";
    let told = chat.asks("en", text, "order_status").await;
    assert!(told.contains("Order 10234 is on its way"), "{told}");
}

#[tokio::test]
async fn a_press_between_two_readings_takes_no_other_places_postcode_for_a_second_factor() {
    let mut chat = Chat::new();
    let text = "10234 to 28013 Madrid?";
    chat.teach(
        "en",
        text,
        &[("cancel_order", 0.48), ("order_status", 0.44)],
    );
    chat.says(text).await;
    let asked = chat.presses("flow:order_status").await;
    assert!(
        asked.contains("the e-mail address or the postcode"),
        "{asked}"
    );
    assert_eq!(chat.ports.shop.order_look_ups.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_stranger_learns_nothing_of_an_order_not_even_whether_it_exists() {
    let mut answers = Vec::new();
    let mut look_ups = Vec::new();
    for number in ["10234", "19999"] {
        let mut chat = Chat::new();
        let mut said = vec![
            chat.asks("en", &format!("where is my order {number}"), "order_status")
                .await,
        ];
        for factor in ["11111", "someone@example.org", "22222"] {
            said.push(chat.says(factor).await);
        }
        answers.push(said);
        look_ups.push(chat.ports.shop.order_look_ups.load(Ordering::Relaxed));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(look_ups[0], look_ups[1]);
    assert!(
        answers[0][1].contains("I cannot find an order that fits"),
        "{:?}",
        answers[0]
    );
    assert!(
        answers[0][3].contains("A colleague takes over"),
        "{:?}",
        answers[0]
    );
}

#[tokio::test]
async fn after_three_misses_even_the_right_factor_opens_nothing_for_half_an_hour() {
    let mut chat = Chat::new();
    chat.asks("en", "where is my order 10234", "order_status")
        .await;
    for factor in ["11111", "22222", "33333"] {
        chat.says(factor).await;
    }
    // The person who took over closed the case.
    chat.conversation.handed_over = false;
    chat.asks("en", "where is my order 10234", "order_status")
        .await;
    chat.conversation.handed_over = false;
    let text = chat
        .asks("en", "where is 10234, my postcode is 28012", "order_status")
        .await;
    assert!(!text.contains("Correos"), "{text}");
    chat.conversation.handed_over = false;
    chat.ports.clock.advance(TimeDelta::minutes(31));
    let text = chat
        .asks("en", "where is 10234, my postcode is 28012", "order_status")
        .await;
    assert!(text.contains("Correos"), "{text}");
}

#[tokio::test]
async fn visitors_who_guess_one_orders_postcode_have_its_three_tries_together() {
    let mut chat = Chat::new();
    let mut guesses = Vec::new();
    for (number, right) in [("10234", "28012"), ("19999", "28012")] {
        let mut answers = Vec::new();
        for (visitor, factor) in ["11111", "22222", "33333", right].into_iter().enumerate() {
            chat.another_visitor(&format!("{number}-{visitor}"));
            let question = format!("where is my order {number}");
            chat.asks("en", &question, "order_status").await;
            answers.push(chat.says(factor).await);
        }
        guesses.push(answers);
    }
    // Neither the tries that are left nor whether there is such an order shows.
    let refused = guesses[0][0].clone();
    assert!(
        refused.contains("I cannot find an order that fits"),
        "{refused}"
    );
    assert!(
        guesses.iter().flatten().all(|said| *said == refused),
        "{guesses:?}"
    );

    // Whose identity is proven needs none of them.
    chat.another_visitor("marta");
    chat.sign_in("C-1004");
    let text = chat
        .asks("en", "where is my order 10234", "order_status")
        .await;
    assert!(text.contains("Correos"), "{text}");
    chat.another_visitor("later");
    chat.ports.clock.advance(TimeDelta::minutes(31));
    let text = chat
        .asks("en", "where is 10234, my postcode is 28012", "order_status")
        .await;
    assert!(text.contains("Correos"), "{text}");
}

#[tokio::test]
async fn an_order_of_somebody_else_is_as_unknown_to_a_signed_in_customer_as_none() {
    let mut answers = Vec::new();
    for number in ["10235", "19999"] {
        let mut chat = Chat::new();
        chat.sign_in("C-1004");
        let asked = chat
            .asks("en", &format!("where is my order {number}"), "order_status")
            .await;
        answers.push((asked, chat.says("28012").await));
    }
    assert_eq!(answers[0], answers[1]);
    assert!(
        answers[0].1.contains("I cannot find an order"),
        "{answers:?}"
    );
}

#[tokio::test]
async fn a_signed_in_customer_needs_neither_number_nor_second_factor() {
    let mut chat = Chat::new();
    chat.proof = Some(Proof {
        customer: Some("C-1004".into()),
        email: None,
        name: Some("Marta Ruiz".into()),
    });
    chat.teach("en", "where is my stuff", &[("order_status", 0.9)]);
    let turn = chat.turn("where is my stuff", None).await;
    assert!(
        said(&turn).contains("Order 10234 is on its way"),
        "{}",
        said(&turn)
    );
    assert!(turn.effects.is_empty(), "{:?}", turn.effects);
}

#[tokio::test]
async fn a_proven_mailbox_opens_the_orders_with_its_address_and_no_others() {
    let marta = Proof::mailbox("Marta.Ruiz@example.com", None);
    let mut chat = Chat::new();
    chat.proof = Some(marta);
    let text = chat
        .asks("en", "where is my order 10234", "order_status")
        .await;
    assert!(text.contains("Order 10234 is on its way"), "{text}");
    let asked = chat
        .asks("en", "where is my order 10235", "order_status")
        .await;
    assert!(
        asked.contains("the e-mail address or the postcode"),
        "{asked}"
    );
}

#[tokio::test]
async fn whoever_forges_a_customers_address_opens_nothing() {
    let mut chat = Chat::new();
    chat.sign_in("C-1004");
    chat.asks("en", "where is 10234, my postcode is 28012", "order_status")
        .await;
    // The same address, and this time its server did not vouch for it.
    chat.proof = Some(Proof::nobody());
    for question in ["where is my order 10234", "where is my order"] {
        let text = chat.asks("en", question, "order_status").await;
        assert!(!text.contains("Correos"), "{text}");
    }
    // Order number and second factor open it to anyone, but link nobody's address.
    chat.conversation.customer = None;
    chat.teach(
        "en",
        "where is 10234, my postcode is 28012",
        &[("order_status", 0.9)],
    );
    let turn = chat
        .turn("where is 10234, my postcode is 28012", None)
        .await;
    assert!(said(&turn).contains("Correos"), "{}", said(&turn));
    assert!(turn.effects.is_empty(), "{:?}", turn.effects);
}

#[tokio::test]
async fn several_open_orders_are_a_choice_by_buttons() {
    let mut chat = Chat::new();
    chat.sign_in("C-1004");
    let mut second = doubles::marta();
    second.number = "10300".into();
    second.status = OrderStatus::Processing;
    second.shipments.clear();
    chat.ports.shop.orders.lock().unwrap().push(second);
    chat.teach("en", "where is my order", &[("order_status", 0.9)]);
    let turn = chat.turn("where is my order", None).await;
    let buttons = &first(&turn).buttons;
    assert_eq!(buttons[1].value, "slot:order_number=10300");
    assert_eq!(buttons[1].label, "10300 · Kolmar Rain Jacket");
    let text = chat.presses("slot:order_number=10300").await;
    assert!(text.contains("Order 10300 is being packed."), "{text}");
}

#[tokio::test]
async fn no_the_other_order_is_a_correction() {
    let mut chat = Chat::new();
    chat.asks("en", "where is my order 10234", "order_status")
        .await;
    chat.teach("en", "no, the other order 10235", &[("no", 0.6)]);
    let asked = chat.says("no, the other order 10235").await;
    assert!(
        asked.contains("the e-mail address or the postcode"),
        "{asked}"
    );
    let text = chat.says("ls6 3hn").await;
    assert!(text.contains("Order 10235 is being packed."), "{text}");

    // Also when the first one has been answered already.
    let mut chat = Chat::new();
    chat.sign_in("C-1004");
    let mut second = doubles::marta();
    second.number = "10300".into();
    second.shipments.clear();
    second.status = OrderStatus::Processing;
    chat.ports.shop.orders.lock().unwrap().push(second);
    chat.asks("en", "where is my order 10234", "order_status")
        .await;
    chat.teach("en", "no, the other one, 10300", &[("no", 0.7)]);
    let text = chat.says("no, the other one, 10300").await;
    assert!(text.contains("Order 10300 is being packed."), "{text}");
}

#[tokio::test]
async fn an_open_delay_that_a_carrier_told_us_answers_where_is_my_order() {
    let mut chat = Chat::new();
    chat.sign_in("C-1004");
    let day = NaiveDate::from_ymd_opt(2026, 11, 26).unwrap();
    let delayed = Shipment {
        status: TrackingStatus::Delayed,
        status_at: Some("2026-11-21T08:00:00Z".parse().unwrap()),
        estimated: Some(DateWindow { from: day, to: day }),
        ..doubles::marta().shipments.remove(0)
    };
    let older = Shipment {
        status: TrackingStatus::PreTransit,
        status_at: Some("2026-11-19T08:00:00Z".parse().unwrap()),
        ..delayed.clone()
    };
    chat.ports.news.parcels.lock().unwrap().push(older);
    let text = chat.asks("en", "where is my order", "order_status").await;
    assert!(
        text.contains("on its way"),
        "older news changes nothing: {text}"
    );
    *chat.ports.news.parcels.lock().unwrap() = vec![delayed];
    let text = chat.asks("en", "where is my order", "order_status").await;
    assert!(text.contains("order 10234 is delayed at Correos"), "{text}");
    assert!(
        text.contains("Thursday, November 26. That is later than promised"),
        "{text}"
    );

    chat.ports.news.down.store(true, Ordering::Relaxed);
    let text = chat.asks("en", "where is my order", "order_status").await;
    assert!(
        text.contains("on its way"),
        "the shop's record stands in: {text}"
    );
}

#[tokio::test]
async fn the_days_that_were_learnt_are_told_with_their_source() {
    let mut chat = Chat::new();
    chat.sign_in("C-1004");
    let day = |day| NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
    {
        let mut orders = chat.ports.shop.orders.lock().unwrap();
        let marta = orders
            .iter_mut()
            .find(|order| order.number.as_str() == "10234");
        marta.unwrap().shipments[0].estimated = None;
    }
    *chat.ports.news.learned.lock().unwrap() = Some(Eta {
        window: DateWindow {
            from: day(24),
            to: day(25),
        },
        probability: Some(80),
        source: "learned:80 %".to_owned(),
        as_of: Some("2026-11-21T03:00:00Z".parse().unwrap()),
    });
    chat.teach("en", "where is my order", &[("order_status", 0.9)]);
    let turn = chat.turn("where is my order", None).await;
    let said = &turn.replies[0];
    let days = "Tuesday, November 24 – Wednesday, November 25";
    assert!(said.text.contains(days), "{}", said.text);
    let sources: Vec<&str> = said
        .sources
        .iter()
        .map(|source| source.name.as_str())
        .collect();
    assert!(sources.contains(&"learned:80 %"), "{sources:?}");
}

#[tokio::test]
async fn a_wish_about_an_opened_order_needs_no_second_factor_again() {
    let mut chat = Chat::new();
    // A guest's order: nobody is proven by it, but the session knows it.
    chat.ports.shop.orders.lock().unwrap()[0].customer.id = None;
    let turn = {
        chat.teach(
            "en",
            "where is 10234, my postcode is 28012",
            &[("order_status", 0.9)],
        );
        chat.turn("where is 10234, my postcode is 28012", None)
            .await
    };
    assert!(turn.effects.is_empty());
    chat.teach("en", "please cancel it", &[("cancel_order", 0.9)]);
    let turn = chat.turn("please cancel it", None).await;
    assert!(
        said(&turn).contains("Order 10234 has already left our warehouse"),
        "{}",
        said(&turn)
    );
    assert!(
        summary(&turn).1.contains("Order: 10234 (in_transit)"),
        "{}",
        summary(&turn).1
    );
}

#[tokio::test]
async fn a_bare_number_is_an_order_until_a_postcode_is_asked_for() {
    let mut chat = Chat::new();
    let asked = chat.says("10234").await;
    assert!(
        asked.contains("the e-mail address or the postcode"),
        "{asked}"
    );
    // A bare number that the model mistakes for a wish of its own is still the answer.
    chat.teach("en", "28012", &[("size_help", 0.9)]);
    let text = chat.says("28012").await;
    assert!(text.contains("Order 10234 is on its way"), "{text}");
}

#[tokio::test]
async fn an_answer_that_tells_of_a_refund_names_that_as_its_source() {
    let mut chat = Chat::new();
    chat.ports.shop.orders.lock().unwrap()[0].status = OrderStatus::Refunded;
    let asked = "where is my refund for 10234, my postcode is 28012";
    chat.teach("en", asked, &[("refund_status", 0.9)]);
    let turn = chat.turn(asked, None).await;
    let sources = turn.replies.iter().flat_map(|reply| &reply.sources);
    let told: Vec<&str> = sources.map(|source| source.name.as_str()).collect();
    assert!(told.contains(&"order:10234:refunded"), "{told:?}");
}

#[tokio::test]
async fn an_answer_that_tells_where_an_order_stands_names_that_as_a_source() {
    let mut chat = Chat::new();
    let asked = "where is my order 10234, my postcode is 28012";
    chat.teach("en", asked, &[("order_status", 0.9)]);
    let turn = chat.turn(asked, None).await;
    let sources = turn.replies.iter().flat_map(|reply| &reply.sources);
    let told: Vec<&str> = sources.map(|source| source.name.as_str()).collect();
    assert!(told.contains(&"order:10234:shipped"), "{told:?}");
}

#[tokio::test]
async fn the_other_order_is_another_one_than_was_told() {
    for (language, text) in [
        ("en", "no, the other order"),
        ("es", "¿y el otro pedido?"),
        ("pt", "e a outra encomenda?"),
        ("fr", "et l'autre commande ?"),
        ("de", "und die andere Bestellung?"),
        ("it", "e l'altro ordine?"),
        ("ru", "а другой заказ?"),
    ] {
        let mut chat = Chat::new();
        chat.sign_in("C-1004");
        let mut second = doubles::marta();
        second.number = "10300".into();
        second.status = OrderStatus::Processing;
        second.shipments.clear();
        chat.ports.shop.orders.lock().unwrap().push(second);
        chat.asks("en", "where is my order 10234", "order_status")
            .await;
        // The model takes it for a "no".
        chat.teach(language, text, &[("no", 0.9)]);
        let told = chat.says(text).await;
        assert!(told.contains("10300"), "{text}: {told}");
        assert!(!told.contains("10234"), "{text}: {told}");
        let told = chat.says(text).await;
        assert!(told.contains("10234"), "{text}: {told}");
    }

    // Who is not known is asked for its number.
    let mut chat = Chat::new();
    chat.asks("en", "where is 10234, my postcode is 28012", "order_status")
        .await;
    let asked = chat.says("and the other one?").await;
    assert!(asked.starts_with("Which order is it about?"), "{asked}");

    // Another wish is no other order.
    let mut chat = Chat::new();
    chat.asks("en", "where is 10234, my postcode is 28012", "order_status")
        .await;
    let text = chat
        .asks("en", "the other one is broken", "damaged_item")
        .await;
    assert!(text.contains("I am sorry about that!"), "{text}");
}

#[tokio::test]
async fn what_may_be_about_an_order_is_about_the_one_that_is_named_or_was_just_told() {
    const QUESTION: &str = "when will it arrive?";
    let mut chat = Chat::new();
    chat.asks("en", "where is 10234, my postcode is 28012", "order_status")
        .await;
    for intents in [
        [("order_status", 0.45), ("delivery_time", 0.4)],
        [("delivery_time", 0.45), ("order_status", 0.4)],
        [("order_status", 0.45), ("refund_status", 0.4)],
    ] {
        chat.teach("en", QUESTION, &intents);
        let text = chat.says(QUESTION).await;
        assert!(text.contains("Order 10234 is on its way"), "{text}");
    }
    // What may be meant to change it is asked about.
    let unsure = [("cancel_order", 0.48), ("order_status", 0.44)];
    chat.teach("en", "can it be called off?", &unsure);
    let turn = chat.turn("can it be called off?", None).await;
    assert_eq!(first(&turn).buttons[0].value, "flow:cancel_order");

    let mut chat = Chat::new();
    let text = "where is 10234? my e-mail is marta.ruiz@example.com";
    chat.teach(
        "en",
        text,
        &[("account_help", 0.33), ("order_status", 0.25)],
    );
    let told = chat.says(text).await;
    assert!(told.contains("Order 10234 is on its way"), "{told}");

    // Where no order is in question, neither is supposed.
    let mut chat = Chat::new();
    chat.teach(
        "en",
        QUESTION,
        &[("order_status", 0.45), ("delivery_time", 0.4)],
    );
    let turn = chat.turn(QUESTION, None).await;
    assert_eq!(first(&turn).buttons[0].value, "flow:order_status");
}
