//! Frames back and forth, lost connections included.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::*;
use crate::conformance;

#[tokio::test]
async fn the_web_chat_keeps_the_promises_of_a_channel() {
    let fixture = Fixture::new();
    conformance::check(&fixture.chat, &Address::new(NAME, "visitor")).await;
    assert!(fixture.chat.capabilities().mailbox);
}

#[tokio::test]
async fn an_answer_that_is_handed_out_is_not_read_back() {
    let fixture = Fixture::new();
    let session = fixture.create(|_| ()).await;
    let mut socket = fixture.socket(&session, None).await;
    write(
        &mut socket,
        json!({"text": "Where is my order?", "id": "m1"}),
    )
    .await;
    let before = fixture.store.reads.load(Ordering::Relaxed);
    let address = address_of(&session);
    fixture.store.hand_out(&address, "In Madrid.", Some("m1"));
    fixture.store.hand_out(&address, "It comes today.", None);
    let told = frames(&mut socket).await;
    let texts: Vec<_> = told.iter().map(|frame| &frame["text"]).collect();
    assert_eq!(texts, ["In Madrid.", "It comes today."]);
    assert_eq!(told[1]["position"], 3);
    // Of the two, the socket found the second handed out, missed the first, and read both.
    assert_eq!(fixture.store.reads.load(Ordering::Relaxed), before + 1);
    fixture.store.hand_out(&address, "Bye.", None);
    let told = frames(&mut socket).await;
    assert_eq!((told.len(), &told[0]["text"]), (1, &json!("Bye.")));
    assert_eq!(fixture.store.reads.load(Ordering::Relaxed), before + 1);
}

#[tokio::test]
async fn a_message_is_admitted_answered_and_not_echoed() {
    let fixture = Fixture::new();
    let session = fixture.create(|_| ()).await;
    let mut socket = fixture.socket(&session, None).await;

    let receipt = write(
        &mut socket,
        json!({"text": " Where is my order?\u{0} ", "id": "m1"}),
    )
    .await;
    assert_eq!(
        receipt,
        [json!({"type": "receipt", "id": "m1", "status": "admitted", "position": 1})]
    );
    let admitted = &fixture.admitted()[0];
    assert_eq!(admitted.text, "Where is my order?");
    assert_eq!(admitted.from, address_of(&session));

    let address = address_of(&session);
    fixture.store.type_for(&address, true);
    assert_eq!(
        frames(&mut socket).await,
        [json!({"type": "typing", "on": true})]
    );
    fixture
        .store
        .say(&address, "In Madrid.", Some(&admitted.external_id));
    fixture.store.type_for(&address, false);
    let answer = frames(&mut socket).await;
    assert_eq!(answer.len(), 2, "{answer:?}");
    assert_eq!(answer[1], json!({"type": "typing", "on": false}));
    let message = &answer[0];
    assert_eq!(message["text"], "In Madrid.");
    assert_eq!(message["in_reply_to"], "m1");
    assert_eq!(message["from"], "shop");
    assert_eq!(message["position"], 2);
    assert_eq!(message["language"], "en");
    assert_eq!(message["proactive"], false);
    assert_eq!(message["buttons"], json!([]));
    assert_eq!(message["cards"], json!([]));
    assert_eq!(message["at"], "2026-11-21T10:00:00Z");
    assert_eq!(
        fixture.store.reads.load(Ordering::Relaxed),
        2,
        "one read on opening, one for the answer"
    );
}

#[tokio::test]
async fn a_time_zone_goes_along_and_what_is_none_costs_no_message() {
    let fixture = Fixture::new();
    let mut socket = fixture.open(|_| ()).await.unwrap();
    let told = [
        json!("America/Los_Angeles"),
        json!("Mars/Olympus"),
        json!({"deep": [7]}),
        Value::Null,
    ];
    for zone in told {
        let refused = write(&mut socket, json!({"text": "Tomorrow?", "time_zone": zone})).await;
        assert!(refused.is_empty(), "{refused:?}");
    }
    let zones: Vec<_> = fixture
        .admitted()
        .iter()
        .map(|message| message.time_zone.map(|zone| zone.to_string()))
        .collect();
    let known = Some("America/Los_Angeles".to_owned());
    assert_eq!(zones, [known, None, None, None]);
}

#[tokio::test]
async fn a_bare_socket_gets_answers_alone() {
    let fixture = Fixture::new();
    let mut socket = fixture.open(|_| ()).await.unwrap();
    assert!(frames(&mut socket).await.is_empty(), "no welcome");
    assert!(
        write(&mut socket, json!({"text": "hello"}))
            .await
            .is_empty()
    );

    let admitted = &fixture.admitted()[0];
    fixture.store.type_for(&admitted.from, true);
    assert!(frames(&mut socket).await.is_empty());
    fixture
        .store
        .say(&admitted.from, "Hi", Some(&admitted.external_id));
    let answer = frames(&mut socket).await;
    assert_eq!(texts(&answer), ["Hi"]);
    assert!(answer[0].get("in_reply_to").is_none());
}

#[tokio::test]
async fn a_reconnected_widget_loses_and_repeats_nothing() {
    let fixture = Fixture::new();
    let session = fixture.create(|_| ()).await;
    let address = address_of(&session);
    let mut shown = Vec::new();
    let mut position = 0;
    // 130 messages are more than two pages; the connection breaks after every seventh frame.
    for number in 0..130 {
        fixture.store.say(&address, &number.to_string(), None);
    }
    while shown.len() < 130 {
        let mut socket = fixture.socket(&session, Some(position)).await;
        for _ in 0..7 {
            let Ok(Some(frame)) = tokio::time::timeout(Duration::ZERO, socket.next()).await else {
                break;
            };
            let frame: Value = serde_json::from_str(&frame).unwrap();
            assert_eq!(frame["proactive"], true);
            position = frame["position"].as_i64().unwrap();
            shown.push(frame["text"].as_str().unwrap().to_owned());
        }
    }
    let all: Vec<String> = (0..130).map(|number| number.to_string()).collect();
    assert_eq!(shown, all);

    let mut caught_up = fixture.socket(&session, Some(position)).await;
    assert!(frames(&mut caught_up).await.is_empty());
    fixture.store.say(&address, "new", None);
    assert_eq!(texts(&frames(&mut caught_up).await), ["new"]);
}

#[tokio::test]
async fn without_a_position_only_what_is_new_is_sent() {
    let fixture = Fixture::new();
    let session = fixture.create(|_| ()).await;
    let address = address_of(&session);
    fixture.store.say(&address, "old", None);
    let mut socket = fixture.socket(&session, None).await;
    assert!(frames(&mut socket).await.is_empty());
    fixture.store.say(&address, "new", None);
    assert_eq!(texts(&frames(&mut socket).await), ["new"]);
}

#[tokio::test]
async fn a_position_from_the_future_does_not_hide_what_comes() {
    let fixture = Fixture::new();
    let session = fixture.create(|_| ()).await;
    let mut socket = fixture.socket(&session, Some(1_000_000)).await;
    fixture.store.say(&address_of(&session), "new", None);
    assert_eq!(texts(&frames(&mut socket).await), ["new"]);
}

#[tokio::test]
async fn a_message_sent_twice_is_stored_once() {
    let fixture = Fixture::new();
    let session = fixture.create(|_| ()).await;
    let mut socket = fixture.socket(&session, None).await;
    write(&mut socket, json!({"text": "once", "id": "m1"})).await;
    let again = write(&mut socket, json!({"text": "once", "id": "m1"})).await;
    assert_eq!(
        again,
        [json!({"type": "receipt", "id": "m1", "status": "duplicate", "position": 1})]
    );

    let mut reconnected = fixture.socket(&session, Some(0)).await;
    let again = write(&mut reconnected, json!({"text": "once", "id": "m1"})).await;
    assert_eq!(again[0]["status"], "duplicate");
    assert_eq!(again[1]["client_id"], "m1", "it is history here");
    assert_eq!(again.len(), 2);
    assert_eq!(fixture.admitted().len(), 1);
}

#[tokio::test]
async fn the_same_client_id_of_two_visitors_is_two_messages() {
    let fixture = Fixture::new();
    for _ in 0..2 {
        let session = fixture.create(|_| ()).await;
        let mut socket = fixture.socket(&session, None).await;
        let receipt = write(&mut socket, json!({"text": "hi", "id": "1"})).await;
        assert_eq!(receipt[0]["status"], "admitted");
    }
    let admitted = fixture.admitted();
    assert_ne!(admitted[0].external_id, admitted[1].external_id);
}

#[tokio::test]
async fn two_sockets_of_one_visitor_see_each_others_messages_once() {
    let fixture = Fixture::new();
    let session = fixture.create(|_| ()).await;
    let mut phone = fixture.socket(&session, None).await;
    let mut laptop = fixture.socket(&session, None).await;

    assert_eq!(
        write(&mut phone, json!({"text": "from the phone", "id": "p1"}))
            .await
            .len(),
        1
    );
    // The laptop writes before it has seen the phone's message.
    let on_laptop = write(&mut laptop, json!({"text": "from the laptop", "id": "l1"})).await;
    assert_eq!(on_laptop[0]["type"], "receipt");
    assert_eq!(texts(&on_laptop), ["from the phone"]);
    assert_eq!(on_laptop[1]["from"], "customer");
    assert_eq!(on_laptop[1]["client_id"], "p1");
    assert_eq!(texts(&frames(&mut phone).await), ["from the laptop"]);

    fixture.store.say(&address_of(&session), "Hello both", None);
    assert_eq!(texts(&frames(&mut phone).await), ["Hello both"]);
    assert_eq!(texts(&frames(&mut laptop).await), ["Hello both"]);
}

#[tokio::test]
async fn what_was_read_is_marked_once_and_never_beyond_what_was_sent() {
    let fixture = Fixture::new();
    let session = fixture.create(|_| ()).await;
    fixture.store.say(&address_of(&session), "Hello", None);
    let mut socket = fixture.socket(&session, Some(0)).await;
    frames(&mut socket).await;
    let receipt = write(&mut socket, json!({"type": "read", "position": 99})).await;
    assert_eq!(
        receipt,
        [json!({"type": "receipt", "status": "read", "position": 1})]
    );
    assert!(
        write(&mut socket, json!({"type": "read", "position": 1}))
            .await
            .is_empty()
    );
    assert!(
        write(&mut socket, json!({"type": "typing"}))
            .await
            .is_empty()
    );
    assert_eq!(*fixture.store.read.lock().unwrap(), [1]);
}

#[tokio::test]
async fn a_pressed_button_is_admitted_with_its_value() {
    let fixture = Fixture::new();
    let session = fixture.create(|_| ()).await;
    let mut socket = fixture.socket(&session, None).await;
    write(
        &mut socket,
        json!({"text": "Yes", "button": "confirm:1", "id": "b"}),
    )
    .await;
    assert_eq!(fixture.admitted()[0].button.as_deref(), Some("confirm:1"));
}

#[tokio::test]
async fn wrong_frames_get_a_sentence_and_the_socket_stays_open() {
    let fixture = Fixture::new();
    let session = fixture.create(|_| ()).await;
    let mut socket = fixture.socket(&session, None).await;
    let long_text = json!({"text": "ü".repeat(4001), "id": "long"}).to_string();
    let long_frame = json!({"text": "x".repeat(20_000)}).to_string();
    let long_id = json!({"text": "x", "id": "x".repeat(65)}).to_string();
    let cases = [
        ("not json", "invalid", r#"Send {"text": "…"}"#),
        ("[]", "invalid", r#"Send {"text": "…"}"#),
        (r#"{"text": 1}"#, "invalid", "string"),
        ("{}", "invalid", "needs a `text`"),
        (r#"{"text": " \n "}"#, "invalid", "needs a `text`"),
        (
            r#"{"type": "shout", "text": "x"}"#,
            "invalid",
            "\"typing\" are",
        ),
        (r#"{"type": "read"}"#, "invalid", "`position`"),
        (r#"{"text": "x", "id": ""}"#, "invalid", "64"),
        (&long_id, "invalid", "64"),
        (&long_text, "too_large", "4001 characters, 4000 are allowed"),
        (&long_frame, "too_large", "bytes, 16384 are allowed"),
    ];
    for (frame, code, sentence) in cases {
        socket.receive(Incoming::Text(frame)).await;
        let refused = frames(&mut socket).await;
        assert_eq!(refused.len(), 1, "{frame}");
        assert_eq!(refused[0]["code"], code, "{frame}");
        let text = refused[0]["text"].as_str().unwrap();
        assert!(text.contains(sentence), "{text}");
        let receipt = write(
            &mut socket,
            json!({"text": "fine", "id": frame.len().to_string()}),
        )
        .await;
        assert_eq!(receipt[0]["type"], "receipt", "{frame}");
    }
    socket.receive(Incoming::Binary).await;
    assert_eq!(frames(&mut socket).await[0]["code"], "invalid");
}

#[tokio::test]
async fn ten_wrong_frames_in_a_row_close_the_socket() {
    let fixture = Fixture::new();
    let mut socket = fixture.open(|_| ()).await.unwrap();
    for _ in 0..10 {
        socket.receive(Incoming::Binary).await;
    }
    assert_eq!(frames(&mut socket).await.len(), 10);
    assert_eq!(socket.next().await, None);
}

#[tokio::test]
async fn while_the_store_is_away_nothing_is_acknowledged() {
    let fixture = Fixture::new();
    let session = fixture.create(|_| ()).await;
    let mut socket = fixture.socket(&session, None).await;
    fixture.store.away.store(true, Ordering::Relaxed);
    let refused = write(&mut socket, json!({"text": "x", "id": "m1"})).await;
    assert_eq!(refused[0]["code"], "overloaded");
    assert_eq!(refused[0]["id"], "m1");
    assert_eq!(refused[0]["retry_after"], 2);
    let identified = fixture
        .try_create(|request| request.identity = Some(fixture.identity("C-17")))
        .await;
    assert_eq!(identified, Err(WebChatError::Overloaded));

    fixture.store.away.store(false, Ordering::Relaxed);
    let receipt = write(&mut socket, json!({"text": "x", "id": "m1"})).await;
    assert_eq!(receipt[0]["status"], "admitted");

    // An entry that cannot be read closes the socket; the client comes back with its position.
    fixture.store.say(&address_of(&session), "missed?", None);
    fixture.store.away.store(true, Ordering::Relaxed);
    assert_eq!(frames(&mut socket).await[0]["code"], "overloaded");
    assert_eq!(socket.next().await, None);
    fixture.store.away.store(false, Ordering::Relaxed);
    let mut back = fixture.socket(&session, Some(1)).await;
    assert_eq!(texts(&frames(&mut back).await), ["missed?"]);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_wakes_when_there_is_news() {
    let fixture = Fixture::new();
    let session = fixture.create(|_| ()).await;
    let receipt = fixture
        .chat
        .post_message(&session.session, br#"{"text": "hello", "id": "m1"}"#)
        .await
        .unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&receipt).unwrap(),
        json!({"type": "receipt", "id": "m1", "status": "admitted", "position": 1})
    );

    let started = tokio::time::Instant::now();
    let (polled, ()) = tokio::join!(
        fixture
            .chat
            .poll(&session.session, Some(1), Duration::from_secs(25)),
        async {
            tokio::task::yield_now().await;
            fixture.store.say(&address_of(&session), "Hi", None);
        }
    );
    assert_eq!(started.elapsed(), Duration::ZERO, "it did not wait");
    let page: Value = serde_json::from_str(&polled.unwrap()).unwrap();
    assert_eq!(page["position"], 2);
    assert_eq!(page["messages"][0]["type"], "message");
    assert_eq!(page["messages"][0]["text"], "Hi");

    let history = fixture
        .chat
        .poll(&session.session, Some(0), Duration::ZERO)
        .await;
    let page: Value = serde_json::from_str(&history.unwrap()).unwrap();
    assert_eq!(page["messages"][0]["client_id"], "m1");
    assert_eq!(page["messages"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_without_news_ends_after_25_seconds() {
    let fixture = Fixture::new();
    let session = fixture.create(|_| ()).await;
    let started = tokio::time::Instant::now();
    let polled = fixture
        .chat
        .poll(&session.session, None, Duration::from_secs(3600))
        .await;
    assert_eq!(polled.unwrap(), r#"{"messages":[],"position":0}"#);
    assert_eq!(started.elapsed().as_secs(), 25);
}

#[tokio::test]
async fn a_refused_post_says_why() {
    let fixture = Fixture::new();
    let session = fixture.create(|_| ()).await;
    let refused = fixture
        .chat
        .post_message(&session.session, b"\xff\xfe")
        .await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), "invalid");
    let frame: Value = serde_json::from_str(&refused.frame()).unwrap();
    assert_eq!(frame["type"], "error");
    let read = br#"{"type": "read", "position": 9}"#;
    let receipt = fixture
        .chat
        .post_message(&session.session, read)
        .await
        .unwrap();
    assert!(
        receipt.contains(r#""position":0"#),
        "no further than there is: {receipt}"
    );
}

#[test]
fn an_idle_socket_is_small() {
    let bytes = std::mem::size_of::<Session>();
    assert!(bytes <= 512, "{bytes}");
}
