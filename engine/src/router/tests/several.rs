//! Messages that ask for more than one thing.

use std::sync::atomic::Ordering;

use chrono::TimeDelta;

use super::{Chat, first, said, summary};

/// What such a message is, with words of the answers to its two wishes.
struct Several {
    language: &'static str,
    text: &'static str,
    first: &'static str,
    second: &'static str,
}

const STATUS_AND_THANKS: [Several; 2] = [
    Several {
        language: "en",
        text: "where is 10234, and are you a bot?",
        first: "Order 10234 is on its way",
        second: "automatic assistant of Fjellro",
    },
    Several {
        language: "es",
        text: "¿dónde está 10234? ¿y eres un robot?",
        first: "10234",
        second: "asistente automático de Fjellro",
    },
];

#[tokio::test]
async fn wishes_are_answered_in_order_in_one_turn() {
    for case in STATUS_AND_THANKS {
        let mut chat = Chat::new();
        chat.sign_in("C-1004");
        chat.teach_several(case.language, case.text, &["order_status", "are_you_a_bot"]);
        let turn = chat.turn(case.text, None).await;
        assert_eq!(turn.replies.len(), 2, "{}", said(&turn));
        assert!(turn.replies[0].text.contains(case.first), "{}", said(&turn));
        assert!(
            turn.replies[1].text.contains(case.second),
            "{}",
            said(&turn)
        );
        assert_eq!(turn.language.to_string(), case.language);
        // The order's facts carry their source (G4), the other answer has none to carry.
        assert!(!turn.replies[0].sources.is_empty());

        // The other way round.
        let mut chat = Chat::new();
        chat.sign_in("C-1004");
        chat.teach_several(case.language, case.text, &["are_you_a_bot", "order_status"]);
        let turn = chat.turn(case.text, None).await;
        assert!(first(&turn).text.contains(case.second), "{}", said(&turn));
    }
}

#[tokio::test]
async fn a_wish_waits_for_the_one_before_it_and_is_introduced_then() {
    for (case, about) in STATUS_AND_THANKS
        .into_iter()
        .zip(["And about “", "Y sobre «"])
    {
        let mut chat = Chat::new();
        chat.teach_several(case.language, case.text, &["order_status", "are_you_a_bot"]);
        let turn = chat.turn(case.text, None).await;
        assert_eq!(turn.replies.len(), 1, "{}", said(&turn));
        assert!(!said(&turn).contains(case.second), "{}", said(&turn));
        // Nothing of the order is shown before the second factor (G5).
        assert!(!said(&turn).contains("Kolmar"), "{}", said(&turn));
        let text = chat.says("marta.ruiz@example.com").await;
        assert!(text.contains(case.first), "{text}");
        assert!(text.contains(about), "{text}");
        assert!(text.contains(case.second), "{text}");
        let answered = text.find(case.first) < text.find(about);
        assert!(answered, "{text}");
        // It is answered once.
        let text = chat.asks("en", "thanks", "thanks").await;
        assert!(!text.contains(case.second), "{text}");
    }
}

#[tokio::test]
async fn a_question_in_between_does_not_lose_the_wish_and_half_an_hour_does() {
    let mut chat = Chat::new();
    let case = &STATUS_AND_THANKS[0];
    chat.teach_several("en", case.text, &["order_status", "are_you_a_bot"]);
    chat.says(case.text).await;
    let text = chat.asks("en", "thanks a lot", "thanks").await;
    assert!(!text.contains(case.second), "{text}");
    assert!(text.contains("Back to what we were at."), "{text}");
    let text = chat.says("marta.ruiz@example.com").await;
    assert!(text.contains(case.second), "{text}");

    let mut chat = Chat::new();
    chat.teach_several("en", case.text, &["order_status", "are_you_a_bot"]);
    chat.says(case.text).await;
    chat.ports.clock.advance(TimeDelta::minutes(31));
    let text = chat.says("marta.ruiz@example.com").await;
    assert!(!text.contains(case.second), "{text}");
}

#[tokio::test]
async fn no_to_the_first_question_leaves_the_second_wish() {
    let mut chat = Chat::new();
    let case = &STATUS_AND_THANKS[0];
    chat.teach_several("en", case.text, &["order_status", "are_you_a_bot"]);
    chat.says(case.text).await;
    chat.teach("en", "no, leave it", &[("no", 0.9)]);
    let text = chat.says("no, leave it").await;
    assert!(text.contains("All right."), "{text}");
    assert!(text.contains(case.second), "{text}");
}

#[tokio::test]
async fn two_wishes_for_a_person_are_told_to_one_person_together() {
    let mut chat = Chat::new();
    let text = "I was charged twice AND the zipper broke, what now??";
    chat.teach_several("en", text, &["payment_problem", "damaged_item"]);
    let turn = chat.turn(text, None).await;
    assert_eq!(turn.effects.len(), 1, "{:?}", turn.effects);
    let (reason, summary, _) = summary(&turn);
    assert_eq!(reason, "payment_problem");
    assert!(
        summary.contains("A problem with a payment; Something is broken, wrong or missing"),
        "{summary}"
    );
    assert_eq!(turn.replies.len(), 2, "{}", said(&turn));
}

#[tokio::test]
async fn a_person_takes_over_and_what_needs_none_is_answered_all_the_same() {
    let mut chat = Chat::new();
    let text = "the zipper broke. are you a bot? and where is my order";
    chat.teach_several(
        "en",
        text,
        &["damaged_item", "are_you_a_bot", "order_status"],
    );
    let turn = chat.turn(text, None).await;
    assert!(
        said(&turn).contains("automatic assistant"),
        "{}",
        said(&turn)
    );
    // Nobody would read the answer to "which order?".
    assert_eq!(turn.replies.len(), 2, "{}", said(&turn));
    summary(&turn);
}

#[tokio::test]
async fn each_of_two_orders_goes_to_its_own_wish() {
    let mut chat = Chat::new();
    chat.sign_in("C-1004");
    let text = "cancel 10235 and where is 10234?";
    chat.teach_several("en", text, &["cancel_order", "order_status"]);
    let turn = chat.turn(text, None).await;
    let answer = said(&turn);
    // 10235 is somebody else's: a second factor is asked for, and nothing of it is told (G5).
    assert!(!answer.contains("Emily"), "{answer}");
    assert!(!answer.contains("10234 is on its way"), "{answer}");
    let answer = chat.says("emily.carter@example.com").await;
    assert!(answer.contains("Order 10234 is on its way"), "{answer}");
}

#[tokio::test]
async fn intents_of_one_flow_are_one_wish() {
    let mut chat = Chat::new();
    let text = "the mug is cracked and one is missing";
    chat.teach_several("en", text, &["damaged_item", "missing_item"]);
    let turn = chat.turn(text, None).await;
    assert_eq!(turn.replies.len(), 1, "{}", said(&turn));
    assert_eq!(summary(&turn).0, "damaged_item");
}

#[tokio::test]
async fn wishes_that_are_not_sure_together_are_not_acted_on() {
    let mut chat = Chat::new();
    chat.teach_several("en", "hm, this or that", &["order_status", "return_policy"]);
    for taught in chat.ports.nlu.texts.lock().unwrap().values_mut() {
        for (_, confidence) in &mut taught.intents {
            *confidence = 0.1;
        }
    }
    let text = chat.says("hm, this or that").await;
    assert!(text.contains("did not understand"), "{text}");
    assert_eq!(chat.ports.shop.order_look_ups.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_answer_of_the_merchants_own_is_said_as_it_stands_and_beside_others() {
    let own = "- name: engraving
  label: {en: Engraving, es: Grabado}
  examples: [do you engrave, engraving, engrave it]
  answer: {en: 'Up to {{ 20 }} letters.', es: Hasta 20 letras.}
";
    for (language, answer) in [
        ("en", "Up to {{ 20 }} letters."),
        ("es", "Hasta 20 letras."),
        ("de", "Up to {{ 20 }} letters."),
    ] {
        let mut chat = Chat::with(&[("intents/own.yaml", own)]);
        chat.teach_several(
            language,
            "engrave it, bot?",
            &["engraving", "are_you_a_bot"],
        );
        let turn = chat.turn("engrave it, bot?", None).await;
        assert_eq!(first(&turn).text, answer);
        assert_eq!(
            first(&turn).sources[0].name,
            "policy:intents/own.yaml#engraving"
        );
        assert_eq!(turn.replies.len(), 2, "{}", said(&turn));
    }
    // Between two readings it is offered by its label.
    let mut chat = Chat::with(&[("intents/own.yaml", own)]);
    chat.teach(
        "es",
        "grabar o regalar",
        &[("engraving", 0.52), ("product_search", 0.5)],
    );
    let turn = chat.turn("grabar o regalar", None).await;
    assert_eq!(first(&turn).buttons[0].label, "Grabado");
    assert_eq!(first(&turn).buttons[0].value, "flow:engraving");
}

#[tokio::test]
async fn other_files_take_effect_at_once_and_what_they_no_longer_hold_is_forgotten() {
    let own = "- name: engraving
  examples: [do you engrave, engraving, engrave it]
  answer: {en: Up to 20 letters.}
";
    let mut chat = Chat::new();
    let text = chat.asks("en", "engrave it", "engraving").await;
    assert!(text.contains("did not understand"), "{text}");
    chat.renew(&[("intents/own.yaml", own)]);
    assert_eq!(
        chat.asks("en", "engrave it", "engraving").await,
        "Up to 20 letters."
    );
    let case = &STATUS_AND_THANKS[0];
    chat.teach_several("en", case.text, &["order_status", "engraving"]);
    chat.says(case.text).await;
    chat.renew(&[]);
    let text = chat.says("marta.ruiz@example.com").await;
    assert!(text.contains(case.first), "{text}");
    assert!(!text.contains("20 letters"), "{text}");
}
