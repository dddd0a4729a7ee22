//! Who may use the chat, as whom, and how much.

use serde_json::json;

use super::*;

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    let fixture = Fixture::new();
    for origin in ["https://evil.example", "null", "https://shop.example.evil"] {
        let refused = fixture
            .try_create(|request| request.origin = Some(origin.to_owned()))
            .await
            .unwrap_err();
        assert!(matches!(refused, WebChatError::ForeignOrigin { .. }));
        assert_eq!(refused.code(), "unauthorized");
        let refused = fixture
            .open(|request| request.origin = Some(origin.to_owned()))
            .await;
        assert!(refused.is_err(), "{origin}");
    }
    assert!(fixture.open(|request| request.origin = None).await.is_ok());
}

#[tokio::test]
async fn a_kept_session_is_the_same_visitor_in_their_language() {
    let fixture = Fixture::new();
    let first = fixture
        .create(|request| request.locale = Some("es".parse().unwrap()))
        .await;
    assert!(first.fresh);
    let again = fixture
        .create(|request| request.session = Some(first.session.clone()))
        .await;
    assert!(!again.fresh);
    assert_eq!(again.visitor, first.visitor);
    assert_eq!(again.language, Some("es".parse().unwrap()));
    let mut socket = fixture.socket(&again, None).await;
    write(&mut socket, json!({"text": "hola"})).await;
    assert_eq!(
        fixture.admitted()[0].language_hint,
        Some("es".parse().unwrap())
    );
}

#[tokio::test]
async fn forged_damaged_and_old_sessions_are_refused() {
    let fixture = Fixture::new();
    let ours = fixture.create(|_| ()).await;
    let elsewhere = Fixture::with(|config| {
        config.signing_secret = "another secret of thirty-two bytes".into();
    });
    let forged = elsewhere.create(|_| ()).await.session;
    let (body, signature) = ours.session.split_once('.').unwrap();
    let junk = [
        forged.clone(),
        format!("{body}x.{signature}"),
        format!("{body}."),
        body.to_owned(),
        String::new(),
        "x".repeat(100_000),
        fixture.identity("C-1"),
    ];
    for token in junk {
        let opened = fixture
            .open(|request| request.session = Some(token.clone()))
            .await;
        assert_eq!(opened.err(), Some(WebChatError::InvalidSession), "{token}");
        let polled = fixture.chat.poll(&token, None, Duration::ZERO).await;
        assert_eq!(polled, Err(WebChatError::InvalidSession));
    }
    let replaced = fixture
        .create(|request| request.session = Some(forged))
        .await;
    assert!(replaced.fresh, "a forged session becomes a new visitor");

    fixture.clock.advance(Duration::from_secs(181 * 86_400));
    let old = fixture
        .open(|request| request.session = Some(ours.session.clone()))
        .await;
    assert_eq!(old.err(), Some(WebChatError::InvalidSession));
}

#[tokio::test]
async fn a_visitor_is_recognised_so_long_after_the_last_visit_and_not_the_first() {
    let fixture = Fixture::new();
    let first = fixture.create(|_| ()).await;
    let mut session = first.session.clone();
    for _ in 0..3 {
        fixture.clock.advance(Duration::from_secs(179 * 86_400));
        let again = fixture
            .create(|request| request.session = Some(session.clone()))
            .await;
        assert!(!again.fresh);
        assert_eq!(again.visitor, first.visitor);
        session = again.session;
    }
    fixture.clock.advance(Duration::from_secs(180 * 86_400));
    let late = fixture
        .create(|request| request.session = Some(session.clone()))
        .await;
    assert!(late.fresh, "after so long nobody is remembered");
}

#[tokio::test]
async fn a_signed_in_customer_is_proven_at_once_and_on_every_message() {
    let fixture = Fixture::new();
    let session = fixture
        .create(|request| {
            request.identity = Some(fixture.identity("C-17"));
            request.locale = Some("es".parse().unwrap());
        })
        .await;
    assert!(session.proven);
    {
        let proven = fixture.store.proven.lock().unwrap();
        let (address, proof, language) = &proven[0];
        assert_eq!(*address, address_of(&session));
        assert_eq!(proof.customer.as_ref().unwrap().as_str(), "C-17");
        assert_eq!(proof.email.as_deref(), Some("c-17@example.com"));
        assert_eq!(*language, Some("es".parse().unwrap()));
    }

    // A reload without the shop's token: the proof is in the session.
    let reloaded = fixture
        .create(|request| request.session = Some(session.session.clone()))
        .await;
    assert!(reloaded.proven);
    let mut socket = fixture.socket(&reloaded, None).await;
    write(&mut socket, json!({"text": "hi"})).await;
    let proof = fixture.admitted()[0].proof.clone().unwrap();
    assert_eq!(proof.customer.as_ref().unwrap().as_str(), "C-17");
    assert_eq!(fixture.store.proven.lock().unwrap().len(), 1);

    // The proof has its own end, also on a socket that stays open.
    fixture.clock.advance(Duration::from_secs(13 * 3600));
    write(&mut socket, json!({"text": "still there?"})).await;
    assert_eq!(fixture.admitted()[1].proof, None);
    let later = fixture
        .create(|request| request.session = Some(reloaded.session.clone()))
        .await;
    assert!(!later.proven);
    assert_eq!(later.visitor, session.visitor);
}

#[tokio::test]
async fn another_customer_at_the_same_browser_gets_a_conversation_of_their_own() {
    let fixture = Fixture::new();
    let ana = fixture
        .create(|request| request.identity = Some(fixture.identity("ana")))
        .await;
    fixture.clock.advance(Duration::from_secs(13 * 3600)); // even after the proof has ended
    let ben = fixture
        .create(|request| {
            request.identity = Some(fixture.identity("ben"));
            request.session = Some(ana.session.clone());
        })
        .await;
    assert!(ben.fresh);
    assert_ne!(ben.visitor, ana.visitor);
}

#[tokio::test]
async fn an_expired_or_forged_identity_makes_no_session() {
    let fixture = Fixture::new();
    let expired = fixture.identity("C-17");
    fixture.clock.advance(Duration::from_secs(361));
    for token in [expired, "e30.e30.e30".to_owned()] {
        let refused = fixture
            .try_create(|request| request.identity = Some(token))
            .await;
        assert!(matches!(refused, Err(WebChatError::InvalidIdentity { .. })));
    }
    let without_secret = Fixture::with(|config| config.identity_secret = None);
    let refused = without_secret
        .try_create(|request| request.identity = Some(fixture.identity("C-17")))
        .await;
    assert!(refused.unwrap_err().to_string().contains("identity_secret"));
    assert!(fixture.store.proven.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_visitor_who_writes_too_fast_is_told_when_to_go_on() {
    let fixture = Fixture::new();
    let session = fixture.create(|_| ()).await;
    let mut socket = fixture.socket(&session, None).await;
    for number in 0..20 {
        let receipt = write(&mut socket, json!({"text": "x", "id": number.to_string()})).await;
        assert_eq!(receipt[0]["status"], "admitted");
    }
    let refused = write(&mut socket, json!({"text": "x", "id": "21"})).await;
    assert_eq!(refused[0]["type"], "error");
    assert_eq!(refused[0]["code"], "rate_limited");
    assert_eq!(refused[0]["id"], "21");
    assert_eq!(refused[0]["retry_after"], 1);
    // Another socket does not help.
    let mut other = fixture.socket(&session, None).await;
    let refused = write(&mut other, json!({"text": "x", "id": "22"})).await;
    assert_eq!(refused[0]["code"], "rate_limited");

    fixture.clock.advance(Duration::from_secs(1));
    let receipt = write(&mut socket, json!({"text": "x", "id": "21"})).await;
    assert_eq!(receipt[0]["status"], "admitted");
}

#[tokio::test]
async fn ten_thousand_messages_close_the_socket_and_store_only_the_allowed() {
    let fixture = Fixture::new();
    let mut socket = fixture.open(|_| ()).await.unwrap();
    for _ in 0..10_000 {
        socket.receive(Incoming::Text(r#"{"text": "x"}"#)).await;
    }
    let refused = frames(&mut socket).await;
    assert_eq!(refused.len(), 10);
    assert_eq!(socket.next().await, None);
    assert_eq!(fixture.admitted().len(), 20);
}

#[tokio::test]
async fn one_network_cannot_make_sessions_without_end() {
    let fixture = Fixture::new();
    for _ in 0..60 {
        fixture.create(|_| ()).await;
    }
    let refused = fixture.try_create(|_| ()).await.unwrap_err();
    assert_eq!(refused.code(), "rate_limited");
    assert_eq!(refused.retry_after(), Some(1));
    assert!(fixture.open(|_| ()).await.is_err(), "nor anonymous sockets");
    let elsewhere = |request: &mut CreateSession| request.ip = "198.51.100.1".parse().unwrap();
    assert!(fixture.try_create(elsewhere).await.is_ok());
}

#[test]
fn unsafe_settings_are_refused_with_the_fix() {
    let refused = |change: fn(&mut Config)| {
        let mut config = Config {
            signing_secret: "signs sessions, 32 bytes or more!!".into(),
            ..Config::default()
        };
        change(&mut config);
        let clock = TestClock::new();
        let store = Memory::new(&clock);
        let chat = WebChat::new(config, store.clone(), store, ambient(&clock));
        chat.err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    assert_eq!(refused(|_| ()), "");
    assert_eq!(
        refused(|config| config.signing_secret = "short".into()),
        "channels.webchat.signing_secret: 5 bytes are too few, 32 are needed; \
         make one with `openssl rand -base64 32`"
    );
    assert!(refused(|config| config.identity_secret = Some("".into())).contains("identity_secret"));
    assert!(
        refused(|config| config.allowed_origins = vec!["shop.example/".into()])
            .contains("https://shop.example")
    );
    assert!(refused(|config| config.messages.burst = 0).contains("messages.burst"));
    assert!(refused(|config| config.max_frame_bytes = 10).contains("max_frame_bytes"));
}
