//! The conversation itself: people, interruptions, what is not understood.

use std::sync::atomic::Ordering;

use chrono::TimeDelta;
use doorstep_core::{
    notification::Topic,
    understanding::{Backend, Escalation},
};

use super::{Chat, first, said, summary};
use crate::turn::{Effect, Turn};

#[tokio::test]
async fn something_broken_is_handed_over_with_a_summary_in_the_merchants_language() {
    for (language, text, sorry) in [
        (
            "en",
            "this arrived broken, I want my money back",
            "I am sorry about that!",
        ),
        ("es", "me llegó roto, quiero mi dinero", "¡Lo siento!"),
    ] {
        let mut chat = Chat::new();
        chat.sign_in("C-1004");
        chat.asks("en", "where is my order", "order_status").await;
        chat.teach_escalated(
            language,
            text,
            &[("damaged_item", 0.7), ("refund_request", 0.2)],
            Escalation::Escalate,
        );
        let turn = chat.turn(text, None).await;
        assert!(said(&turn).contains(sorry), "{}", said(&turn));
        // It is known which order.
        let asks_for_it = ["order number", "número de pedido"];
        let asks_for_it = asks_for_it.iter().any(|words| said(&turn).contains(words));
        assert!(!asks_for_it, "{}", said(&turn));
        let (reason, summary, urgent) = summary(&turn);
        assert_eq!((reason, urgent), ("damaged_item", false));
        for fact in [
            "Who: Marta Ruiz <marta.ruiz@example.com> on webchat".to_owned(),
            format!("writes in “{language}”"),
            "Order: 10234".into(),
            "What for: Something is broken, wrong or missing".into(),
            format!("Last message: {text}"),
            "Customer: where is my order".into(),
        ] {
            assert!(summary.contains(&fact), "{fact}\n{summary}");
        }
    }
}

#[tokio::test]
async fn a_person_is_told_which_order_the_message_names_and_nobody_is_asked_for_it_again() {
    let mut chat = Chat::new();
    let text = "10231 arrived broken";
    chat.teach_escalated("en", text, &[("damaged_item", 0.9)], Escalation::Escalate);
    let turn = chat.turn(text, None).await;
    assert!(!said(&turn).contains("order number"), "{}", said(&turn));
    let (_, told, _) = summary(&turn);
    assert!(told.contains("Order: 10231"), "{told}");

    let mut chat = Chat::new();
    let text = "it arrived broken";
    chat.teach_escalated("en", text, &[("damaged_item", 0.9)], Escalation::Escalate);
    let turn = chat.turn(text, None).await;
    assert!(said(&turn).contains("order number"), "{}", said(&turn));
}

#[tokio::test]
async fn an_urgent_message_is_handed_over_even_when_nothing_else_is_understood() {
    let mut chat = Chat::new();
    let text = "the heater burned my hand";
    chat.teach_escalated("en", text, &[("out_of_scope", 0.6)], Escalation::Urgent);
    let turn = chat.turn(text, None).await;
    assert!(said(&turn).contains("right away"), "{}", said(&turn));
    let (reason, summary, urgent) = summary(&turn);
    assert_eq!((reason, urgent), ("urgent", true));
    assert!(summary.starts_with("URGENT"), "{summary}");
}

#[tokio::test]
async fn what_can_be_answered_is_answered_before_a_person_takes_over() {
    let mut chat = Chat::new();
    chat.sign_in("C-1004");
    let text = "where the hell is my order 10234, I will sue you";
    chat.teach_escalated("en", text, &[("order_status", 0.9)], Escalation::Escalate);
    let turn = chat.turn(text, None).await;
    assert!(first(&turn).text.contains("Order 10234 is on its way"));
    assert!(turn.replies[1].text.contains("bringing in a colleague"));
    summary(&turn);
}

#[tokio::test]
async fn a_question_in_between_is_answered_and_the_first_one_taken_up_again() {
    let mut chat = Chat::new();
    chat.asks("en", "where is my order 10234", "order_status")
        .await;
    let text = chat
        .asks("en", "are you a robot by the way?", "are_you_a_bot")
        .await;
    assert!(text.contains("automatic assistant of Fjellro"), "{text}");
    assert!(text.contains("Back to what we were at."), "{text}");
    let text = chat.says("marta.ruiz@example.com").await;
    assert!(text.contains("Order 10234 is on its way"), "{text}");
}

#[tokio::test]
async fn a_question_that_is_no_answer_is_not_taken_for_a_wrong_one() {
    let mut chat = Chat::new();
    chat.asks("en", "where is my order 10234", "order_status")
        .await;
    // A word is enough where it is sure.
    let text = chat.asks("en", "robot?", "are_you_a_bot").await;
    assert!(text.contains("automatic assistant of Fjellro"), "{text}");
    // What may be another wish is asked about; "yes" takes it, and the question in hand comes back.
    let parking = "can I pay with stones?";
    chat.teach(
        "en",
        parking,
        &[("payment_methods", 0.4), ("out_of_scope", 0.2)],
    );
    let turn = chat.turn(parking, None).await;
    assert_eq!(first(&turn).buttons[0].value, "flow:payment");
    chat.teach("en", "yes", &[("yes", 0.95)]);
    let text = chat.says("yes").await;
    assert!(text.contains("Back to what we were at."), "{text}");
    // What we know nothing of, we say so, and the second time a person is offered.
    for question in ["where can I park?", "is it raining?", "why?"] {
        chat.teach("en", question, &[("out_of_scope", 0.4)]);
    }
    let text = chat.says("where can I park?").await;
    assert!(
        text.starts_with("I cannot help with that, sorry."),
        "{text}"
    );
    assert!(text.contains("Back to what we were at."), "{text}");
    let turn = chat.turn("is it raining?", None).await;
    assert_eq!(first(&turn).buttons[0].value, "handoff");
    // And the answer is still one.
    let text = chat.says("28012").await;
    assert!(text.contains("Order 10234 is on its way"), "{text}");
}

#[tokio::test]
async fn a_flow_may_let_its_question_go_when_another_matter_comes_between() {
    let mut chat = Chat::new();
    let flow = include_str!("../../../../config/flows/order_status.yaml");
    let flow = flow.replace("slots:", "resume: false\nslots:");
    chat.renew(&[("flows/order_status.yaml", &flow)]);
    chat.asks("en", "where is my order 10234", "order_status")
        .await;
    let text = chat.asks("en", "are you a robot?", "are_you_a_bot").await;
    assert!(!text.contains("Back to what we were at."), "{text}");
    let text = chat.says("28012").await;
    assert!(!text.contains("Order 10234 is on its way"), "{text}");
}

#[tokio::test]
async fn two_likely_intents_are_offered_and_the_press_keeps_what_was_named() {
    let mut chat = Chat::new();
    chat.sign_in("C-1004");
    chat.teach(
        "en",
        "10234 cancel status?",
        &[("cancel_order", 0.48), ("order_status", 0.44)],
    );
    let turn = chat.turn("10234 cancel status?", None).await;
    let values: Vec<&str> = first(&turn)
        .buttons
        .iter()
        .map(|button| button.value.as_str())
        .collect();
    assert_eq!(
        values,
        ["flow:cancel_order", "flow:order_status", "handoff"]
    );
    let text = chat.presses("flow:order_status").await;
    assert!(text.contains("Order 10234 is on its way"), "{text}");

    // Typing what a button says presses it.
    let mut chat = Chat::new();
    chat.sign_in("C-1004");
    chat.teach(
        "en",
        "10234 cancel status?",
        &[("cancel_order", 0.6), ("order_status", 0.55)],
    );
    chat.says("10234 cancel status?").await;
    let text = chat.says("where is my order?").await;
    assert!(text.contains("Order 10234 is on its way"), "{text}");
}

#[tokio::test]
async fn what_is_not_understood_gets_examples_then_a_person_to_choose_then_the_person() {
    let mut chat = Chat::new();
    for text in ["blub", "blab", "blob"] {
        chat.teach("en", text, &[("out_of_scope", 0.9), ("order_status", 0.05)]);
    }
    let turn = chat.turn("blub", None).await;
    assert!(first(&turn).text.contains("Where is my order 10234?"));
    // There is a way to a person from the first time on.
    assert_eq!(first(&turn).buttons[0].value, "handoff");
    let turn = chat.turn("blab", None).await;
    assert_eq!(first(&turn).buttons[0].value, "handoff");
    let turn = chat.turn("blob", None).await;
    assert_eq!(summary(&turn).0, "not_understood");

    // "Yes" to the offer is a press of its button; something understood begins the count anew.
    let mut chat = Chat::new();
    for text in ["blub", "blab"] {
        chat.teach("en", text, &[("out_of_scope", 0.9)]);
    }
    chat.says("blub").await;
    chat.asks("en", "thanks", "thanks").await;
    assert!(chat.says("blub").await.contains("Where is my order 10234?"));
    chat.says("blab").await;
    chat.teach("en", "yes please", &[("yes", 0.9)]);
    let turn = chat.turn("yes please", None).await;
    assert_eq!(summary(&turn).0, "human_agent");
}

#[tokio::test]
async fn what_no_shop_deals_with_is_understood_and_never_leads_to_a_person() {
    const ANSWER: &str = "That is not something I can help with, sorry. I can find products";
    let mut chat = Chat::new();
    chat.teach("en", "tell me a joke", &[("out_of_scope", 0.9)]);
    for _ in 0..4 {
        let turn = chat.turn("tell me a joke", None).await;
        assert!(said(&turn).starts_with(ANSWER), "{}", said(&turn));
        assert!(first(&turn).buttons.is_empty());
        assert_eq!(turn.effects, []);
    }
    // Who asked for something else before is asked again.
    chat.asks("en", "where is my order", "order_status").await;
    chat.teach("en", "is it raining?", &[("out_of_scope", 0.9)]);
    for _ in 0..3 {
        let text = chat.says("is it raining?").await;
        assert!(text.starts_with(ANSWER), "{text}");
        assert!(
            text.contains("Back to what we were at. Which order"),
            "{text}"
        );
    }
    // What is not so sure, or names what the shop knows, is not understood.
    let mut chat = Chat::new();
    let unsure: [(&str, &[(&str, f32)]); 3] = [
        ("a joke?", &[("out_of_scope", 0.4)]),
        (
            "any jokes?",
            &[("out_of_scope", 0.5), ("are_you_a_bot", 0.4)],
        ),
        ("is 10234 a joke to you?", &[("out_of_scope", 0.9)]),
    ];
    for (text, intents) in unsure {
        chat.teach("en", text, intents);
        let said = chat.says(text).await;
        assert!(!said.contains(ANSWER), "{said}");
    }
}

#[tokio::test]
async fn what_a_press_asks_for_is_kept_as_what_was_understood() {
    let understood = |turn: &Turn| {
        let top = turn.understanding.top_intent();
        top.map(|top| top.name.clone()).unwrap_or_default()
    };
    let mut chat = Chat::new();
    chat.asks("en", "hello", "greeting").await;
    // Typing what a button says presses it, and so does a "yes" to what was offered.
    chat.teach("en", "yes", &[("yes", 0.95)]);
    for (text, button) in [
        ("(label)", Some("flow:order_status")),
        ("where is my order?", None),
        ("yes", None),
    ] {
        chat.conversation.state = None;
        chat.says("hello").await;
        let turn = chat.turn(text, button).await;
        assert_eq!(understood(&turn), "order_status", "{text}");
    }
    // An answer to a question of ours asks for nothing new.
    let turn = chat.turn("(label)", Some("slot:order_number=10234")).await;
    assert_eq!(understood(&turn), "");
    let turn = chat.turn("(label)", Some("handoff")).await;
    assert_eq!(understood(&turn), "human_agent");
}

#[tokio::test]
async fn a_person_who_has_the_chat_is_not_talked_over_but_stop_always_works() {
    let mut chat = Chat::new();
    chat.asks("en", "I want a human", "human_agent").await;
    let acknowledged = chat
        .asks("en", "where is my order 10234", "order_status")
        .await;
    assert!(
        acknowledged.contains("your message is with my colleague"),
        "{acknowledged}"
    );
    let quiet = chat.asks("en", "hello?", "greeting").await;
    assert_eq!(quiet, "");
    let turn = chat.turn("STOP", None).await;
    assert!(
        said(&turn).contains("we will not write to you unasked"),
        "{}",
        said(&turn)
    );
    assert_eq!(turn.effects.len(), 2);
    let turn = chat.turn("start", None).await;
    let expected = Effect::SetPreference {
        topic: Topic::Order,
        allowed: true,
    };
    assert_eq!(turn.effects, [expected]);
}

#[tokio::test]
async fn a_session_is_forgotten_after_half_an_hour() {
    let mut chat = Chat::new();
    chat.asks("en", "where is my order 10234", "order_status")
        .await;
    chat.ports.clock.advance(TimeDelta::minutes(29));
    assert!(chat.says("11111").await.contains("I cannot find an order"));
    chat.ports.clock.advance(TimeDelta::minutes(31));
    // The question is forgotten: the e-mail address alone answers nothing any more.
    let text = chat.says("marta.ruiz@example.com").await;
    assert!(!text.contains("10234 is on its way"), "{text}");
    let text = chat.presses("slot:size=M").await;
    assert!(text.contains("from an earlier conversation"), "{text}");
}

#[tokio::test]
async fn an_overloaded_model_leaves_the_rules_to_answer() {
    let mut chat = Chat::new();
    chat.ports.nlu.overloaded.store(true, Ordering::Relaxed);
    let turn = chat.turn("10234", None).await;
    assert!(
        said(&turn).contains("the e-mail address or the postcode"),
        "{}",
        said(&turn)
    );
    assert_eq!(turn.understanding.backend, Backend::Rules);
}

#[tokio::test]
async fn a_question_that_is_not_answered_is_asked_again_and_then_a_person_is_offered() {
    let mut chat = Chat::new();
    chat.asks("en", "where is my order", "order_status").await;
    for text in ["hm", "what", "dunno"] {
        chat.teach("en", text, &[("out_of_scope", 0.4)]);
    }
    assert!(
        chat.says("hm")
            .await
            .contains("I need the order number for that")
    );
    assert!(
        chat.says("what")
            .await
            .contains("I need the order number for that")
    );
    let turn = chat.turn("dunno", None).await;
    assert_eq!(first(&turn).buttons[0].value, "handoff");
}

#[tokio::test]
async fn hostile_input_is_just_not_understood() {
    let mut chat = Chat::new();
    for text in ["", "\u{202e}\0", "{{ shop }}", "'; drop table orders; --"] {
        let turn = chat.turn(text, Some("flow:../../etc;x")).await;
        assert!(!said(&turn).is_empty());
        chat.conversation.handed_over = false;
    }
    chat.conversation.state = Some(serde_json::json!({"frames": "broken"}));
    let text = chat.asks("en", "thanks", "thanks").await;
    assert!(text.contains("welcome"), "{text}");
}

#[tokio::test]
async fn ok_takes_note_of_what_was_told_and_is_a_yes_to_what_was_asked() {
    for text in ["ok", "Alright!", "👍", "👍🏽❤️"] {
        let mut chat = Chat::new();
        chat.asks("en", "where is 10234, my postcode is 28012", "order_status")
            .await;
        for intent in ["yes", "out_of_scope"] {
            chat.teach("en", text, &[(intent, 0.9)]);
            let turn = chat.turn(text, None).await;
            assert!(
                said(&turn).starts_with("Good! I am here"),
                "{text}: {}",
                said(&turn)
            );
            assert!(first(&turn).buttons.is_empty());
        }
    }
    let mut chat = Chat::new();
    for text in ["blub", "blab"] {
        chat.teach("en", text, &[("out_of_scope", 0.9)]);
        chat.says(text).await;
    }
    chat.teach("en", "ok", &[("out_of_scope", 0.9)]);
    let turn = chat.turn("ok", None).await;
    assert_eq!(summary(&turn).0, "human_agent");
}

#[tokio::test]
async fn who_wants_nothing_else_is_not_asked_again() {
    let mut chat = Chat::new();
    let text = chat.asks("en", "thanks", "thanks").await;
    assert!(text.ends_with("Is there anything else?"), "{text}");
    let text = chat.asks("en", "no", "no").await;
    assert!(text.starts_with("Good-bye"), "{text}");
    // What was offered is declined, and that is not all.
    let mut chat = Chat::new();
    for text in ["blub", "blab"] {
        chat.teach("en", text, &[("out_of_scope", 0.9)]);
        chat.says(text).await;
    }
    let text = chat.asks("en", "no", "no").await;
    assert!(text.starts_with("All right."), "{text}");
}
